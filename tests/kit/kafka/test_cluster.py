from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from faststream.kafka.security import parse_security

from services.kit.errors import SettingsError
from services.kit.kafka.cluster import Cluster, Sasl, Secured, cluster_at
from services.kit.kafka.subscriber import _security
from services.kit.settings import KitSettings, describe_settings, load_settings
from tests.kit.kafka.certificates import Certificates

LOGIN: dict[str, Any] = {"mechanism": "SCRAM-SHA-512", "username": "sync", "password": "hunter2"}


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*(setting.name for setting in describe_settings(KitSettings)), "SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates.made_in(tmp_path)


def test_an_address_alone_is_plain() -> None:
    assert cluster_at("kafka:9092").options() == {
        "bootstrap_servers": "kafka:9092",
        "security_protocol": "PLAINTEXT",
    }
    assert _security(cluster_at("kafka:9092")) is None


def test_tls_trusts_only_the_named_authority_and_checks_names(certificates: Certificates) -> None:
    cluster = Secured("SSL", ca_file=str(certificates.authority)).cluster("kafka:9093")

    options = cluster.options()
    assert options["security_protocol"] == "SSL"
    assert isinstance(options["ssl_context"], ssl.SSLContext)
    assert options["ssl_context"].check_hostname
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert len(options["ssl_context"].get_ca_certs()) == 1
    assert "sasl_mechanism" not in options


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_every_client_logs_in_alike(protocol: Any, mechanism: Any) -> None:
    cluster = Secured(protocol, **(LOGIN | {"mechanism": mechanism})).cluster("kafka:9093")

    options = cluster.options()
    security = parse_security(_security(cluster))
    assert options["security_protocol"] == protocol
    assert (options["sasl_mechanism"], options["sasl_plain_username"]) == (mechanism, "sync")
    assert options["sasl_plain_password"] == "hunter2"
    assert {name: value for name, value in security.items() if value is not None} == {
        name: value for name, value in options.items() if name != "bootstrap_servers"
    }


def test_our_own_certificate_comes_with_its_key_or_holds_it(certificates: Certificates, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(certificates.client.read_bytes() + certificates.client_key.read_bytes())

    apart = Secured("SSL", cert_file=str(certificates.client), key_file=str(certificates.client_key))

    assert apart.cluster("kafka:9093").tls is not None
    assert Secured("SSL", cert_file=str(both)).cluster("kafka:9093").tls is not None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL is malformed"),
        ({"KAFKA_SASL_MECHANISM": "GSSAPI"}, "KAFKA_SASL_MECHANISM is malformed"),
        (
            {"KAFKA_SSL_CA_FILE": "ca.pem"},
            "KAFKA_SSL_CA_FILE is set, but KAFKA_SECURITY_PROTOCOL=PLAINTEXT uses no TLS",
        ),
        ({"KAFKA_SASL_PASSWORD": "hunter2"}, "KAFKA_SASL_PASSWORD is set, but .*=PLAINTEXT uses no login"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SASL_USERNAME": "sync"},
            "KAFKA_SASL_USERNAME is set, but .*=SSL uses no login",
        ),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_SASL_MECHANISM is not set, but .*=SASL_SSL needs it"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "sync"},
            "KAFKA_SASL_PASSWORD is not set",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_KEY_FILE": "key.pem"},
            "KAFKA_SSL_KEY_FILE is set without the KAFKA_SSL_CERT_FILE",
        ),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_FILE": "gone.pem"}, "KAFKA_SSL_CA_FILE names a file"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_FILE": "no.pem"}, "KAFKA_SSL_CA_FILE does not hold"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CERT_FILE": "no.pem"}, "KAFKA_SSL_CERT_FILE and .* do not hold"),
    ],
)
def test_a_wrong_combination_stops_the_start_with_a_sentence(
    given: dict[str, str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no.pem").write_text("hunter2")
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=sentence) as caught:
        load_settings(KitSettings)

    assert "hunter2" not in str(caught.value)


def test_an_encrypted_key_is_refused_rather_than_asked_for(certificates: Certificates) -> None:
    secured = Secured("SSL", cert_file=str(certificates.client), key_file=str(certificates.encrypted_key))

    with pytest.raises(SettingsError, match="unencrypted key"):
        secured.cluster("kafka:9093")


def test_the_password_is_never_shown() -> None:
    sasl = Sasl("PLAIN", "sync", "hunter2")
    settings = KitSettings(kafka_sasl_password="hunter2")

    shown = [
        repr(sasl),
        repr(Cluster("kafka:9092", "SASL_PLAINTEXT", None, sasl)),
        repr(Secured(**LOGIN)),
        repr(settings),
    ]
    assert not [text for text in shown if "hunter2" in text]
