"""Says once where Kafka is and how it is spoken to, so that every client does it alike."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from services.kit.errors import SettingsError

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
#: Empty: none, for protocols without SASL.
SaslMechanism = Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class Sasl:
    """Who we are to Kafka."""

    mechanism: SaslMechanism
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kafka: its addresses, the protocol, and what that needs."""

    bootstrap: str
    protocol: SecurityProtocol = "PLAINTEXT"
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    sasl: Sasl | None = None

    def options(self) -> dict[str, Any]:
        """Return what every aiokafka client is made with."""
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "security_protocol": self.protocol}
        if self.tls is not None:
            options["ssl_context"] = self.tls
        if self.sasl is not None:
            options["sasl_mechanism"] = self.sasl.mechanism
            options["sasl_plain_username"] = self.sasl.username
            options["sasl_plain_password"] = self.sasl.password
        return options


#: Addresses alone stand for a Kafka without TLS and without a login.
Address = str | Cluster


def cluster_at(address: Address) -> Cluster:
    """Return the cluster at an address."""
    return address if isinstance(address, Cluster) else Cluster(address)


@dataclass(frozen=True, slots=True)
class Secured:
    """The security settings as they were given; empty means not set."""

    protocol: SecurityProtocol = "PLAINTEXT"
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    mechanism: SaslMechanism = ""
    username: str = ""
    password: str = field(default="", repr=False)

    def cluster(self, bootstrap: str) -> Cluster:
        """Return the cluster at these addresses.

        Raises:
            SettingsError: the settings contradict each other, or a file cannot be used; no value is told.
        """
        self._refuse_contradictions()
        tls = self._tls() if self._with_tls else None
        sasl = Sasl(self.mechanism, self.username, self.password) if self._with_login else None
        return Cluster(bootstrap, self.protocol, tls, sasl)

    @property
    def _with_tls(self) -> bool:
        return self.protocol.endswith("SSL")

    @property
    def _with_login(self) -> bool:
        return self.protocol.startswith("SASL")

    def _refuse_contradictions(self) -> None:
        of_tls = {
            "KAFKA_SSL_CA_FILE": self.ca_file,
            "KAFKA_SSL_CERT_FILE": self.cert_file,
            "KAFKA_SSL_KEY_FILE": self.key_file,
        }
        of_login = {
            "KAFKA_SASL_MECHANISM": self.mechanism,
            "KAFKA_SASL_USERNAME": self.username,
            "KAFKA_SASL_PASSWORD": self.password,
        }
        for name, value in ({} if self._with_tls else of_tls).items():
            if value:
                raise SettingsError(f"{name} is set, but KAFKA_SECURITY_PROTOCOL={self.protocol} uses no TLS.")
        for name, value in of_login.items():
            if value and not self._with_login:
                raise SettingsError(f"{name} is set, but KAFKA_SECURITY_PROTOCOL={self.protocol} uses no login.")
            if self._with_login and not value:
                raise SettingsError(f"{name} is not set, but KAFKA_SECURITY_PROTOCOL={self.protocol} needs it.")
        if self.key_file and not self.cert_file:
            raise SettingsError("KAFKA_SSL_KEY_FILE is set without the KAFKA_SSL_CERT_FILE that it belongs to.")

    def _tls(self) -> ssl.SSLContext:
        context = _trusting(self.ca_file)
        if self.cert_file:
            try:
                # An encrypted key would be asked for on the terminal; none is there to answer.
                context.load_cert_chain(_readable("KAFKA_SSL_CERT_FILE", self.cert_file), self._key(), password="")
            except (OSError, ValueError):  # ssl.SSLError is an OSError
                raise SettingsError(
                    "KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE do not hold a PEM certificate and its unencrypted key."
                ) from None
        return context

    def _key(self) -> str | None:
        return _readable("KAFKA_SSL_KEY_FILE", self.key_file) if self.key_file else None


def _trusting(ca_file: str) -> ssl.SSLContext:
    if not ca_file:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=_readable("KAFKA_SSL_CA_FILE", ca_file))
    except (OSError, ValueError):
        raise SettingsError("KAFKA_SSL_CA_FILE does not hold PEM certificates.") from None


def _readable(name: str, path: str) -> str:
    try:
        with Path(path).open("rb"):
            return path
    except OSError:
        raise SettingsError(f"{name} names a file that cannot be read.") from None
