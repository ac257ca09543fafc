"""What is sealed can be read only with the key ring, and only in the context it was sealed for.

AES-256-GCM (NIST SP 800-38D). A sealed value is: format (1 byte), key id (4 bytes), nonce (12 random bytes),
ciphertext and tag. The context is bound as associated data, so that a value moved to another row or column does not
open. Random nonces allow 2^32 values a key; `rotate` long before.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import stat
import tempfile
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.kit.errors import SettingsError

_FORMAT = b"\x01"
_KEY_ID_BYTES = 4
_KEY_BYTES = 32
_NONCE_BYTES = 12
_HEAD_BYTES = len(_FORMAT) + _KEY_ID_BYTES + _NONCE_BYTES
_DIGEST_BYTES = 16
#: What a key's digests are made with is derived from it, so that one key never serves two algorithms.
_DIGEST_LABEL = b"sync-order digests 1"


class UnsealingError(Exception):
    """The value was changed, belongs elsewhere, or its key is gone; no retry helps."""


@dataclass(frozen=True, slots=True)
class _KeyRing:
    primary: bytes
    keys: dict[bytes, AESGCM]
    #: The keys of digests, the primary's first.
    digest_keys: tuple[bytes, ...]


class Vault:
    """Seals and unseals with a key ring kept in one file of mode 0600."""

    def __init__(self, path: Path, ring: _KeyRing) -> None:
        self._path = path
        self._ring = ring

    def __repr__(self) -> str:
        return f"Vault({str(self._path)!r})"

    @classmethod
    def open_or_create(cls, path: Path) -> Vault:
        """Open the key ring at `path`; if there is none, make one, once, however many processes start together.

        Raises:
            SettingsError: others may read the file, or it is not a key ring.
        """
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            key_id, key = _new_key()
            _create(path, _rendered(key_id, {key_id: key}))
        return cls(path, _ring(_keys_in(path)))

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Encrypt `plaintext` for `context`, such as `eligibility.personal_data|platform:store:1`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        primary = self._ring.primary
        sealed = self._ring.keys[primary].encrypt(nonce, plaintext, _FORMAT + primary + context.encode())
        return _FORMAT + primary + nonce + sealed

    def unseal(self, sealed: bytes, *, context: str) -> bytes:
        """Give back what was sealed for `context`.

        Raises:
            UnsealingError: another context, changed bytes, or a key that the ring does not hold.
        """
        sealed = bytes(sealed)
        if sealed[:1] != _FORMAT or len(sealed) < _HEAD_BYTES:
            raise UnsealingError("not a sealed value")
        key_id = sealed[1 : 1 + _KEY_ID_BYTES]
        nonce = sealed[1 + _KEY_ID_BYTES : _HEAD_BYTES]
        try:
            return self._key(key_id).decrypt(nonce, sealed[_HEAD_BYTES:], _FORMAT + key_id + context.encode())
        except InvalidTag:
            raise UnsealingError("changed, or sealed for another context") from None

    def digests(self, value: str, *, context: str) -> tuple[bytes, ...]:
        """Return what tells that two values are the same without telling the value (HMAC-SHA-256, 16 bytes).

        One a key of the ring, the one to keep first: with all of them, what was kept before a rotation is found too.
        """
        message = len(context).to_bytes(4, "big") + context.encode() + value.encode()
        return tuple(hmac.digest(key, message, "sha256")[:_DIGEST_BYTES] for key in self._ring.digest_keys)

    def reload(self) -> None:
        """Learn keys that another process added."""
        self._ring = _ring(_keys_in(self._path))

    def rotate(self) -> None:
        """Add a new key and seal with it from now on; old keys still unseal.

        Other processes learn the new key when they first meet a value sealed with it.
        """
        _, keys = _keys_in(self._path)
        key_id, key = _new_key()
        _replace(self._path, _rendered(key_id, {**keys, key_id: key}))
        self.reload()

    def needs_resealing(self, sealed: bytes) -> bool:
        """Whether an older key than the present one sealed this value."""
        return bytes(sealed[1 : 1 + _KEY_ID_BYTES]) != self._ring.primary

    def _key(self, key_id: bytes) -> AESGCM:
        if key_id not in self._ring.keys:
            self.reload()
        try:
            return self._ring.keys[key_id]
        except KeyError:
            raise UnsealingError(f"the key {key_id.hex()} is not in the key ring") from None


def _new_key() -> tuple[bytes, bytes]:
    return secrets.token_bytes(_KEY_ID_BYTES), secrets.token_bytes(_KEY_BYTES)


def _ring(held: tuple[bytes, dict[bytes, bytes]]) -> _KeyRing:
    primary, keys = held
    newest_first = [keys[primary], *(key for key_id, key in keys.items() if key_id != primary)]
    return _KeyRing(
        primary,
        {key_id: AESGCM(key) for key_id, key in keys.items()},
        tuple(hmac.digest(key, _DIGEST_LABEL, "sha256") for key in newest_first),
    )


def _keys_in(path: Path) -> tuple[bytes, dict[bytes, bytes]]:
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"MASTER_KEY_FILE {path} can be read by others; run: chmod 600 {path}.")
    try:
        content = json.loads(path.read_bytes())
        keys = {bytes.fromhex(key_id): b64decode(key, validate=True) for key_id, key in content["keys"].items()}
        primary = bytes.fromhex(content["primary"])
    except (ValueError, KeyError, TypeError, AttributeError, Base64Error):
        raise SettingsError(f"MASTER_KEY_FILE {path} is not a key ring.") from None
    if primary not in keys or any(len(key) != _KEY_BYTES for key in keys.values()):
        raise SettingsError(f"MASTER_KEY_FILE {path} is not a whole key ring.")
    return primary, keys


def _rendered(primary: bytes, keys: dict[bytes, bytes]) -> bytes:
    ring = {
        "format": 1,
        "primary": primary.hex(),
        "keys": {key_id.hex(): b64encode(key).decode() for key_id, key in keys.items()},
    }
    return json.dumps(ring, indent=2).encode()


def _create(path: Path, content: bytes) -> None:
    whole = _written_beside(path, content)
    try:
        # A link fails when the name exists, so the first process wins and its file is never half written.
        os.link(whole, path)
    except FileExistsError:
        pass
    finally:
        whole.unlink()


def _replace(path: Path, content: bytes) -> None:
    _written_beside(path, content).replace(path)


def _written_beside(path: Path, content: bytes) -> Path:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
