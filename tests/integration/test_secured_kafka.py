"""Everything that speaks Kafka does so over TLS, with a certificate and a login, where the settings say so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from deploy.local.kafka.broker import SETTINGS, KafkaBroker
from deploy.local.kafka.jars import ensure_jars
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.stack import JARS, running
from schemas.decisions import OrderDecided
from schemas.order import order_revised
from schemas.topics import CATALOG_VARIANTS, ORDERS_DECISIONS, ORDERS_RAW, STORES
from services.eligibility.app import serve
from services.eligibility.settings import EligibilitySettings
from services.kit.errors import TransientError
from services.kit.kafka.cluster import Cluster
from services.kit.kafka.dead_letters import replay
from services.kit.kafka.publisher import KafkaPublisher, Message
from services.kit.kafka.topics import ensure_topics, partition_counts
from services.reporting.facts import Reader
from services.reporting.rebuild import rebuild
from services.reporting.settings import ReportingSettings
from tests.eligibility.workbench import SKU, STORE, store, variant
from tests.kit.kafka.certificates import Certificates
from tests.schemas.orders import raw_order

pytestmark = pytest.mark.integration

PARTITIONS = 2
PATIENCE_SECONDS = 40.0


class SecuredBroker(KafkaBroker):
    """The embedded broker with one more listener, which wants a certificate and a password of whoever comes."""

    def __init__(self, directory: Path, certificates: Certificates) -> None:
        super().__init__(directory, jars=ensure_jars(JARS), preferred_port=0)
        self.secured_port = free_port()
        self._certificates = certificates

    @property
    def secured(self) -> str:
        return f"{LOOPBACK}:{self.secured_port}"

    def _write_settings(self) -> None:
        super()._write_settings()
        path = self._settings
        settings = dict(line.split("=", 1) for line in path.read_text().splitlines())
        settings["listeners"] += f",SECURED://{self.secured}"
        settings["advertised.listeners"] += f",SECURED://{self.secured}"
        settings["listener.security.protocol.map"] = f"{SETTINGS['listener.security.protocol.map']},SECURED:SASL_SSL"
        listener = {
            "sasl.enabled.mechanisms": "PLAIN",
            "plain.sasl.jaas.config": (
                'org.apache.kafka.common.security.plain.PlainLoginModule required user_sync="hunter2";'
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._certificates.broker),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._certificates.authority),
            "ssl.client.auth": "required",
        }
        settings |= {f"listener.name.secured.{name}": value for name, value in listener.items()}
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def broker(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    broker = SecuredBroker(tmp_path_factory.mktemp("kafka"), certificates)
    with running(broker):
        yield broker


def given(broker: SecuredBroker, certificates: Certificates, **other: str) -> dict[str, str]:
    return {
        "kafka_bootstrap_servers": broker.secured,
        "kafka_security_protocol": "SASL_SSL",
        "kafka_ssl_ca_file": str(certificates.authority),
        "kafka_ssl_cert_file": str(certificates.client),
        "kafka_ssl_key_file": str(certificates.client_key),
        "kafka_sasl_mechanism": "PLAIN",
        "kafka_sasl_username": "sync",
        "kafka_sasl_password": "hunter2",
        **other,
    }


async def test_an_order_is_judged_and_reported_through_a_secured_listener(
    broker: SecuredBroker, certificates: Certificates, fresh_database: str, tmp_path: Path
) -> None:
    common = {
        "database_url": fresh_database,
        "master_key_file": tmp_path / "master.key",
        "topic_partitions": PARTITIONS,
    }
    settings = EligibilitySettings.model_validate(
        given(broker, certificates) | common | {"eligibility_port": 0, "log_level": "ERROR"}
    )
    reporting = ReportingSettings.model_validate(given(broker, certificates) | common)
    # What is published below must not wait for the service to come up.
    topics = {*Reader().topics, STORES, CATALOG_VARIANTS, ORDERS_RAW}
    await ensure_topics(reporting.kafka, sorted(topics, key=lambda topic: topic.name), partitions=PARTITIONS)
    stop = asyncio.Event()
    service = asyncio.create_task(serve(stop=stop, settings=settings))
    publisher = KafkaPublisher(settings.kafka, "test", timeout=20)
    try:
        order = raw_order(payment="pending")
        bad = Message(ORDERS_RAW.name, order.key, b"{}")
        facts = [
            Message(STORES.name, STORE, store().model_dump_json().encode()),
            Message(CATALOG_VARIANTS.name, SKU, variant().model_dump_json().encode()),
        ]
        await publisher.publish([*facts, Message(ORDERS_RAW.name, order.key, order_revised(order).to_bytes()), bad])
        decision = OrderDecided.model_validate_json(await _first(settings.kafka, ORDERS_DECISIONS.name))
        letter = await _first(settings.kafka, ORDERS_RAW.dead_letters)
        replayed = await replay(settings.kafka, ORDERS_RAW.name)
    finally:
        stop.set()
        await publisher.stop()
        await asyncio.wait_for(service, 30)
    await rebuild(reporting)

    assert decision.order_key == order.key
    assert (letter, replayed) == (b"{}", 1)


async def test_without_the_right_password_nobody_comes_in(broker: SecuredBroker, certificates: Certificates) -> None:
    settings = EligibilitySettings.model_validate(given(broker, certificates, kafka_sasl_password="wrong"))

    with pytest.raises(TransientError) as caught:
        await partition_counts(settings.kafka)

    assert "wrong" not in str(caught.value)


async def test_a_broker_of_another_authority_is_not_believed(
    broker: SecuredBroker, certificates: Certificates, tmp_path: Path
) -> None:
    others = Certificates.made_in(tmp_path)
    settings = EligibilitySettings.model_validate(given(broker, certificates, kafka_ssl_ca_file=str(others.authority)))

    with pytest.raises(TransientError):
        await partition_counts(settings.kafka)


async def _first(kafka: Cluster, topic: str) -> bytes:
    """The first committed value of a topic, which may not exist yet."""
    consumer = AIOKafkaConsumer(
        topic, **kafka.options(), isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            value: bytes = (await consumer.getone()).value
            return value
    finally:
        await consumer.stop()
