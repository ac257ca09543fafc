"""An authority, and what it signed for a broker and for a client, as PEM files."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LASTS = timedelta(days=1)


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files. `broker` holds the key, too, as Kafka wants it."""

    authority: Path
    broker: Path
    client: Path
    client_key: Path
    encrypted_key: Path

    @classmethod
    def made_in(cls, directory: Path) -> Certificates:
        """Make all of them."""
        authority_key, broker_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        authority = _certificate("authority", authority_key, "authority", authority_key, is_authority=True)
        broker = _certificate("127.0.0.1", broker_key, "authority", authority_key)
        client = _certificate("client", client_key, "authority", authority_key)
        return cls(
            authority=_written(directory / "authority.pem", _pem(authority)),
            broker=_written(directory / "broker.pem", _key(broker_key) + _pem(broker)),
            client=_written(directory / "client.pem", _pem(client)),
            client_key=_written(directory / "client.key", _key(client_key)),
            encrypted_key=_written(directory / "encrypted.key", _key(client_key, password=b"hunter2")),
        )


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _LASTS)
        .not_valid_after(now + _LASTS)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if name == "127.0.0.1":
        address = x509.IPAddress(ipaddress.ip_address(name))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key(key: ec.EllipticCurvePrivateKey, *, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
