"""Tokens rotate: one renewal at a time, durable before it is used, sealed where it rests."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from services.ingest.stores.tokens import open_access, seal_secrets
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.workbench import STORE, Workbench


async def stored_token(bench: Workbench, store_id: str = STORE) -> str:
    stored = await bench.stores.open(store_id)
    assert stored is not None
    return open_access(bench.vault, stored).secrets["token"]


async def test_secrets_that_are_due_are_renewed_and_kept_before_use() -> None:
    bench = Workbench()
    store = await bench.add_store(secrets={"token": "token-1", "due": "yes"})

    access = await bench.tokens.fresh(bench.platform, store)

    assert access.secrets["token"] == "token-2"
    assert await stored_token(bench) == "token-2"


async def test_many_that_need_new_secrets_at_once_renew_them_once() -> None:
    bench = Workbench()
    store = await bench.add_store(secrets={"token": "token-1", "due": "yes"})
    bench.platform.pause = 0.001

    accesses = await asyncio.gather(*(bench.tokens.fresh(bench.platform, store) for _ in range(5)))

    assert bench.platform.renewals == 1
    assert {access.secrets["token"] for access in accesses} == {"token-2"}


async def test_after_a_refusal_what_another_process_renewed_is_used() -> None:
    bench = Workbench()
    store = await bench.add_store()
    old = await bench.tokens.fresh(bench.platform, store)
    await bench.stores.change(STORE, lambda held: held, secrets=seal_secrets(bench.vault, STORE, {"token": "theirs"}))

    access = await bench.tokens.after_refusal(bench.platform, old)

    assert access.secrets["token"] == "theirs"
    assert bench.platform.renewals == 0


async def test_a_renewal_that_fails_keeps_the_old_secrets() -> None:
    bench = Workbench()
    store = await bench.add_store(secrets={"token": "token-1", "due": "yes"})
    bench.platform.faults["refresh"] = [TransientError("down")]

    with pytest.raises(TransientError):
        await bench.tokens.fresh(bench.platform, store)

    assert await stored_token(bench) == "token-1"


async def test_secrets_of_one_store_do_not_open_another() -> None:
    bench = Workbench()
    store = await bench.add_store()
    bench.memory.secrets[STORE] = seal_secrets(bench.vault, "st-2", {"token": "token-1"})

    with pytest.raises(AuthorizationError):
        await bench.tokens.fresh(bench.platform, store)


async def test_a_store_without_secrets_has_no_access() -> None:
    bench = Workbench()
    store = await bench.add_store()
    bench.memory.secrets.clear()

    with pytest.raises(AuthorizationError):
        await bench.tokens.fresh(bench.platform, store)


async def test_secrets_rest_sealed_and_do_not_show() -> None:
    bench = Workbench()
    store = await bench.add_store(secrets={"token": "token-1"})

    access = await bench.tokens.fresh(bench.platform, store)

    assert b"token-1" not in bench.memory.secrets[STORE]
    assert "token-1" not in repr(access)


async def test_what_opens_a_store_is_asked_for_once_in_some_seconds_and_again_after_a_new_grant() -> None:
    bench = Workbench()
    store = await bench.add_store(secrets={"token": "token-1"})
    await bench.tokens.fresh(bench.platform, store)
    bench.memory.secrets[STORE] = seal_secrets(bench.vault, STORE, {"token": "token-2"})

    soon = await bench.tokens.fresh(bench.platform, store)
    granted = await bench.tokens.fresh(bench.platform, replace(store, grants=store.grants + 1))
    bench.memory.secrets[STORE] = seal_secrets(bench.vault, STORE, {"token": "token-3"})
    bench.clock.advance(3)
    later = await bench.tokens.fresh(bench.platform, store)

    tokens = [access.secrets["token"] for access in (soon, granted, later)]
    assert tokens == ["token-1", "token-2", "token-3"]


async def test_remembered_access_that_is_refused_is_not_given_again() -> None:
    bench = Workbench()
    store = await bench.add_store(secrets={"token": "token-1"})
    old = await bench.tokens.fresh(bench.platform, store)
    await bench.tokens.after_refusal(bench.platform, old)

    access = await bench.tokens.fresh(bench.platform, store)

    assert access.secrets["token"] == "token-2"
