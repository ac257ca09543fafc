"""A login is worth what its key is worth, and never longer than promised."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from services.kit.clock import ManualClock
from services.kit.keys import MemoryKeyRing
from services.kit.vault import Vault
from services.reporting.logins import READ_SCOPE, Logins
from tests.reporting.facts import SELLER, START


@pytest.fixture
def keys() -> MemoryKeyRing:
    return MemoryKeyRing()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def logins(keys: MemoryKeyRing, clock: ManualClock, tmp_path: Path) -> Logins:
    vault = Vault.open_or_create(tmp_path / "master.key")
    return Logins(keys, vault=vault, clock=clock, lasts=timedelta(hours=1))


async def test_a_key_opens_a_login(logins: Logins, keys: MemoryKeyRing) -> None:
    cookie = await logins.open(keys.grant(SELLER, [READ_SCOPE]))

    assert cookie is not None
    login = await logins.read(cookie)
    assert login is not None
    assert login.principal.seller_id == SELLER


async def test_the_cookie_does_not_show_the_key(logins: Logins, keys: MemoryKeyRing) -> None:
    key = keys.grant(SELLER)

    cookie = await logins.open(key)

    assert cookie is not None
    assert key not in cookie


async def test_a_key_without_the_scope_opens_nothing(logins: Logins, keys: MemoryKeyRing) -> None:
    assert await logins.open(keys.grant(SELLER, ["stores:write"])) is None


async def test_a_revoked_key_ends_its_logins(logins: Logins, keys: MemoryKeyRing) -> None:
    key = keys.grant(SELLER)
    cookie = await logins.open(key)
    keys.revoke(key)

    assert cookie is not None
    assert await logins.read(cookie) is None


async def test_a_login_ends_by_its_time(logins: Logins, keys: MemoryKeyRing, clock: ManualClock) -> None:
    cookie = await logins.open(keys.grant(SELLER))
    assert cookie is not None

    clock.advance(3599)
    before = await logins.read(cookie)
    clock.advance(1)

    assert before is not None
    assert await logins.read(cookie) is None


@pytest.mark.parametrize("cookie", ["", "x", "é", "AAAA" * 40, "A" * 5000])
async def test_any_other_cookie_is_no_login(logins: Logins, cookie: str) -> None:
    assert await logins.read(cookie) is None


async def test_a_form_stays_good_while_its_reader_logs_in_again_and_is_no_other_keys(
    logins: Logins, keys: MemoryKeyRing
) -> None:
    key, other = keys.grant(SELLER), keys.grant(SELLER)

    found = [await logins.read(await logins.open(each) or "") for each in (key, key, other)]

    tokens = [login.form_token for login in found if login is not None]
    assert tokens[0] == tokens[1] != tokens[2]


async def test_a_login_has_its_key_for_other_services_and_shows_it_nowhere(logins: Logins, keys: MemoryKeyRing) -> None:
    key = keys.grant(SELLER)
    cookie = await logins.open(key)
    assert cookie is not None

    login = await logins.read(cookie)

    assert login is not None
    assert login.key == key
    assert key not in repr(login)
