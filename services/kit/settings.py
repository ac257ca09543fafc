"""Settings come from the environment, `.env` or files; a wrong one is answered by a sentence naming it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kit.errors import SettingsError
from services.kit.kafka.cluster import Cluster, SaslMechanism, Secured, SecurityProtocol

#: Families of names that are ours wherever they stand, so that a misspelt one in the environment is noticed.
OWN_PREFIXES = ("PLATFORM_URL_",)

LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR"],
    BeforeValidator(lambda level: level.upper() if isinstance(level, str) else level),
]


class KitSettings(BaseSettings):
    """What every service reads; a service subclasses it and adds its own fields, each with a description."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka_bootstrap_servers: str = Field(
        default="",
        description="Kafka's addresses, host:port, comma-separated; empty: the embedded broker.",
    )
    kafka_security_protocol: SecurityProtocol = Field(
        default="PLAINTEXT", description="How Kafka is spoken to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."
    )
    kafka_ssl_ca_file: str = Field(
        default="", description="PEM certificates that Kafka's own must descend from; empty: the system's."
    )
    kafka_ssl_cert_file: str = Field(
        default="", description="The PEM certificate that we show to Kafka, where it asks for one."
    )
    kafka_ssl_key_file: str = Field(
        default="", description="That certificate's unencrypted PEM key; empty: it stands in the same file."
    )
    kafka_sasl_mechanism: SaslMechanism = Field(
        default="", description="How we log in to Kafka: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
    )
    kafka_sasl_username: str = Field(default="", description="Who logs in to Kafka.")
    kafka_sasl_password: str = Field(default="", repr=False, description="That user's password: a secret.")
    database_url: str = Field(
        default="",
        repr=False,
        description="Postgres: postgresql://user:password@host/db; empty: embedded.",
    )
    master_key_file: Path = Field(
        default=Path("var/master.key"),
        description="The key ring that seals secrets and personal data; made (mode 0600) if absent.",
    )
    log_level: LogLevel = Field(
        default="INFO",
        description="The least severe log events written: DEBUG, INFO, WARNING, ERROR.",
    )
    public_url: str = Field(
        default="", description="The address under which platforms reach ingest, for callbacks and webhooks."
    )
    allow_private_addresses: bool = Field(
        default=False, description="Whether a store or a callback may be at a private or local address."
    )
    topic_partitions: int = Field(
        default=8, ge=1, le=1000, description="How many partitions a topic gets when it is created."
    )
    topic_replicas: int = Field(
        default=1, ge=1, le=9, description="How many brokers keep each partition of a topic that is created."
    )

    @property
    def kafka(self) -> Cluster:
        """Where Kafka is and how it is spoken to. Raises `SettingsError` where the settings contradict each other."""
        secured = Secured(
            protocol=self.kafka_security_protocol,
            ca_file=self.kafka_ssl_ca_file,
            cert_file=self.kafka_ssl_cert_file,
            key_file=self.kafka_ssl_key_file,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_sasl_username,
            password=self.kafka_sasl_password,
        )
        return secured.cluster(self.kafka_bootstrap_servers)


class Described(NamedTuple):
    """One setting as docs/configuration.md lists it."""

    name: str
    default: str
    description: str


S = TypeVar("S", bound=KitSettings)


def load_settings(cls: type[S]) -> S:
    """Read `cls` from the environment, `.env` and the files in `SECRETS_DIR`.

    Raises:
        SettingsError: one sentence that names the setting, never its value.
    """
    _refuse_unknown_names()
    secrets = os.environ.get("SECRETS_DIR")
    if secrets and not Path(secrets).is_dir():
        raise SettingsError("SECRETS_DIR is not a directory.")
    try:
        settings = cls(_secrets_dir=secrets)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "A setting"
        raise SettingsError(f"{name} is malformed: {first['msg'].lower()}.") from None
    _ = settings.kafka  # raises at the start what would otherwise be found at the first connection
    return settings


def describe_settings(cls: type[KitSettings]) -> list[Described]:
    """Every setting of `cls` with its default and meaning, in the order of declaration."""
    return [
        Described(name.upper(), _default_text(field.default), field.description or "")
        for name, field in cls.model_fields.items()
    ]


def _default_text(default: Any) -> str:
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, bool):
        return str(int(default))
    return str(default)


def _refuse_unknown_names() -> None:
    known = {name for cls in _all_settings(KitSettings) for name in map(str.upper, cls.model_fields)}
    known.add("SECRETS_DIR")
    in_file = {name.upper() for name in dotenv_values(".env")}
    ours = {name for name in os.environ if name.startswith(OWN_PREFIXES)}
    for name in sorted((in_file | ours) - known):
        place = ".env" if name in in_file else "the environment"
        raise SettingsError(f"{name} in {place} is not a setting; docs/configuration.md lists them all.")


def _all_settings(cls: type[KitSettings]) -> Iterator[type[KitSettings]]:
    yield cls
    for service in cls.__subclasses__():
        yield from _all_settings(service)
