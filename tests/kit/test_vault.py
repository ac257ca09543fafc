from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import SettingsError
from services.kit.vault import UnsealingError, Vault

CONTEXT = "eligibility.personal_data|shopify:store-1:1"


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "master.key"


def test_what_was_sealed_comes_back_in_its_context_only(ring: Path) -> None:
    vault = Vault.open_or_create(ring)

    sealed = vault.seal(b"1 Main Street", context=CONTEXT)

    assert b"Main" not in sealed
    assert vault.unseal(sealed, context=CONTEXT) == b"1 Main Street"
    with pytest.raises(UnsealingError):
        vault.unseal(sealed, context="eligibility.personal_data|shopify:store-1:2")


def test_the_ring_is_its_owners_alone_and_opens_again(ring: Path) -> None:
    sealed = Vault.open_or_create(ring).seal(b"secret", context=CONTEXT)

    assert stat.S_IMODE(ring.stat().st_mode) == 0o600
    assert Vault.open_or_create(ring).unseal(sealed, context=CONTEXT) == b"secret"
    assert [path.name for path in ring.parent.iterdir()] == ["master.key"]


def test_a_ring_that_others_can_read_is_refused(ring: Path) -> None:
    Vault.open_or_create(ring)
    ring.chmod(0o640)

    with pytest.raises(SettingsError, match="chmod 600"):
        Vault.open_or_create(ring)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"primary": "00", "keys": {"00": "AAAA"}}', '{"keys": 3}'])
def test_a_file_that_is_no_ring_is_refused(ring: Path, content: str) -> None:
    ring.parent.mkdir()
    ring.write_text(content)
    ring.chmod(0o600)

    with pytest.raises(SettingsError, match="key ring"):
        Vault.open_or_create(ring)


def test_processes_that_start_together_share_one_ring(ring: Path) -> None:
    with ThreadPoolExecutor(max_workers=8) as threads:
        vaults = list(threads.map(lambda _: Vault.open_or_create(ring), range(16)))

    sealed = vaults[0].seal(b"shared", context=CONTEXT)
    assert {vault.unseal(sealed, context=CONTEXT) for vault in vaults} == {b"shared"}


def test_after_a_rotation_old_and_new_values_open_everywhere(ring: Path) -> None:
    vault, elsewhere = Vault.open_or_create(ring), Vault.open_or_create(ring)
    old = vault.seal(b"old", context=CONTEXT)

    vault.rotate()
    new = vault.seal(b"new", context=CONTEXT)

    assert (vault.needs_resealing(old), vault.needs_resealing(new)) == (True, False)
    assert vault.unseal(old, context=CONTEXT) == b"old"
    assert elsewhere.unseal(new, context=CONTEXT) == b"new"


def test_a_key_that_is_gone_is_named(ring: Path, tmp_path: Path) -> None:
    sealed = Vault.open_or_create(tmp_path / "other.key").seal(b"x", context=CONTEXT)

    with pytest.raises(UnsealingError, match="key ring"):
        Vault.open_or_create(ring).unseal(sealed, context=CONTEXT)


def test_no_changed_byte_goes_unnoticed(ring: Path) -> None:
    vault = Vault.open_or_create(ring)
    sealed = vault.seal(b"x", context=CONTEXT)

    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(UnsealingError):
            vault.unseal(bytes(changed), context=CONTEXT)


@given(st.binary(max_size=64))
def test_any_bytes_are_answered_by_one_error(tmp_path_factory: pytest.TempPathFactory, value: bytes) -> None:
    vault = Vault.open_or_create(tmp_path_factory.getbasetemp() / "property.key")

    with pytest.raises(UnsealingError):
        vault.unseal(value, context=CONTEXT)


def test_a_digest_is_the_same_for_the_same_value_and_context_only(ring: Path) -> None:
    vault = Vault.open_or_create(ring)

    [digest] = vault.digests("7001", context="buyer|shopify")

    assert vault.digests("7001", context="buyer|shopify") == (digest,)
    assert Vault.open_or_create(ring).digests("7001", context="buyer|shopify") == (digest,)
    others = [("7002", "buyer|shopify"), ("7001", "buyer|etsy"), ("y7001", "buyer|shopif")]
    assert digest not in {each for value, context in others for each in vault.digests(value, context=context)}


def test_a_digest_cannot_be_made_without_the_key(ring: Path, tmp_path: Path) -> None:
    vault, other = Vault.open_or_create(ring), Vault.open_or_create(tmp_path / "other.key")

    assert vault.digests("7001", context="buyer") != other.digests("7001", context="buyer")


def test_what_was_digested_before_a_rotation_is_found_after_it_and_the_other_way_round(ring: Path) -> None:
    vault = Vault.open_or_create(ring)
    other_process = Vault.open_or_create(ring)
    [before] = vault.digests("7001", context="buyer")

    vault.rotate()

    kept, *older = vault.digests("7001", context="buyer")
    assert before in older
    assert kept != before
    other_process.reload()
    assert other_process.digests("7001", context="buyer") == (kept, *older)
