"""A store's webhooks are kept as they should be, with as few writes as that takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from services.ingest.contract.webhooks import Ailment, Mended
from services.ingest.platforms.woocommerce.connector import WooCommerceConnector
from services.ingest.platforms.woocommerce.subscriptions import TOPICS
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.twin_http import Asked, answer
from tests.ingest.platforms.woocommerce.shop import ACCESS, access, asked_of, connector, error

ADDRESS = "https://sync.example.com/webhooks/woocommerce/store-1"
APP = "https://sync.example.com/webhooks/woocommerce"


@dataclass
class Hooks:
    """A store's webhooks: the secret is taken and never shown."""

    held: dict[int, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[int, str] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)

    def answer(self, asked: Asked) -> HttpAnswer:
        path, query = asked_of(asked)
        if asked.method == "GET":
            page = int(query.get("page", 1))
            return answer(list(self.held.values())[(page - 1) * 100 : page * 100])
        self.writes.append(asked.method)
        if asked.method == "POST":
            return self._save(len(self.held) + 1, asked.json)
        number = int(path.rpartition("/")[2])
        if asked.method == "DELETE":
            assert query["force"] == "true"
            return answer(self.held.pop(number))
        return self._save(number, asked.json)

    def add(self, number: int, topic: str, url: str, **fields: Any) -> None:
        self.held[number] = {
            "id": number,
            "name": "x",
            "status": "active",
            "topic": topic,
            "delivery_url": url,
        } | fields

    def _save(self, number: int, body: dict[str, Any]) -> HttpAnswer:
        shown = dict(body)
        self.secrets[number] = shown.pop("secret")
        self.held[number] = {"id": number} | shown
        return answer(self.held[number], status=201)


def store(hooks: Hooks) -> WooCommerceConnector:
    return connector(hooks.answer)[0]


async def subscribe(hooks: Hooks, url: str = ADDRESS, **secrets: str) -> tuple[str, ...]:
    return (await store(hooks).subscribe(access(**secrets), callback_url=url, app_url=APP)).topics


async def test_every_topic_of_an_order_is_subscribed_with_the_stores_own_secret() -> None:
    hooks = Hooks()

    found = await subscribe(hooks)

    assert found == TOPICS == ("order.created", "order.updated", "order.deleted", "order.restored")
    assert [hook["topic"] for hook in hooks.held.values()] == list(TOPICS)
    assert {hook["delivery_url"] for hook in hooks.held.values()} == {ADDRESS}
    assert set(hooks.secrets.values()) == {"a-secret"}
    assert "a-secret" not in str(hooks.held)


async def test_what_is_right_is_left_alone_for_every_save_pings_us() -> None:
    hooks = Hooks()
    await subscribe(hooks)
    hooks.writes.clear()

    await subscribe(hooks)

    assert hooks.writes == []


async def test_a_webhook_that_the_store_disabled_is_made_active_again() -> None:
    hooks = Hooks()
    await subscribe(hooks)
    hooks.held[2]["status"] = "disabled"
    hooks.writes.clear()

    await subscribe(hooks)

    assert (hooks.writes, hooks.held[2]["status"]) == (["PUT"], "active")


async def test_webhooks_of_an_earlier_link_get_the_new_secret_and_address() -> None:
    hooks = Hooks()
    await subscribe(hooks)

    await subscribe(hooks, "https://new.example.com/webhooks/woocommerce/store-1", webhook_secret="another")

    assert len(hooks.held) == 4
    assert set(hooks.secrets.values()) == {"another"}
    assert {hook["delivery_url"] for hook in hooks.held.values()} == {
        "https://new.example.com/webhooks/woocommerce/store-1"
    }


async def test_a_new_secret_reaches_webhooks_that_are_right_in_all_that_is_shown() -> None:
    hooks = Hooks()
    await subscribe(hooks)

    await subscribe(hooks, webhook_secret="another")

    assert len(hooks.held) == 4
    assert set(hooks.secrets.values()) == {"another"}


async def test_twins_go_and_others_webhooks_stay() -> None:
    hooks = Hooks()
    await subscribe(hooks)
    hooks.add(50, "order.created", ADDRESS)
    hooks.add(51, "product.created", ADDRESS)
    hooks.add(52, "order.created", "https://erp.example.com/hook")
    hooks.add(53, "order.created", f"{APP}/store-11")

    await subscribe(hooks)

    assert set(hooks.held) == {1, 2, 3, 4, 52, 53}


@pytest.mark.parametrize("refuses", [False, True])
async def test_exactly_a_page_of_webhooks_ends_there_whether_the_next_is_empty_or_refused(*, refuses: bool) -> None:
    hooks = Hooks()
    for number in range(200, 300):
        hooks.add(number, "order.created", "https://erp.example.com/hook")

    def site(asked: Asked) -> HttpAnswer:
        past = asked.method == "GET" and asked_of(asked)[1].get("page") == "2"
        return error("rest_post_invalid_page_number", 400) if past and refuses else hooks.answer(asked)

    told = await connector(site)[0].subscribe(ACCESS, callback_url=ADDRESS, app_url=APP)

    assert told.topics == TOPICS
    assert len(hooks.held) == 104


async def test_ours_are_found_behind_a_hundred_others() -> None:
    hooks = Hooks()
    for number in range(200, 330):
        hooks.add(number, "order.created", "https://erp.example.com/hook")
    hooks.add(400, "order.created", ADDRESS)

    await store(hooks).unsubscribe(ACCESS)

    assert 400 not in hooks.held
    assert len(hooks.held) == 130


async def test_unsubscribing_takes_only_ours() -> None:
    hooks = Hooks()
    await subscribe(hooks)
    hooks.add(52, "order.created", "https://erp.example.com/hook")

    await store(hooks).unsubscribe(ACCESS)

    assert list(hooks.held) == [52]


async def test_unsubscribing_with_a_dead_key_is_silent() -> None:
    found, _ = connector(error("woocommerce_rest_cannot_view", 401))

    await found.unsubscribe(ACCESS)


async def test_a_key_that_may_only_read_is_told() -> None:
    def site(asked: Asked) -> HttpAnswer:
        return answer([]) if asked.method == "GET" else error("woocommerce_rest_authentication_error", 401)

    with pytest.raises(AuthorizationError):
        await connector(site)[0].subscribe(ACCESS, callback_url=ADDRESS, app_url=APP)


@pytest.mark.parametrize("reply", [answer({}), answer([{"id": None}]), error("rest_invalid_param", 400)])
async def test_a_list_that_cannot_be_read_is_tried_later(reply: HttpAnswer) -> None:
    with pytest.raises(TransientError):
        await connector(reply)[0].subscribe(ACCESS, callback_url=ADDRESS, app_url=APP)


async def test_an_address_that_the_store_does_not_take_is_tried_later() -> None:
    def site(asked: Asked) -> HttpAnswer:
        return answer([]) if asked.method == "GET" else error("rest_invalid_param", 400)

    with pytest.raises(TransientError, match="rest_invalid_param"):
        await connector(site)[0].subscribe(ACCESS, callback_url=ADDRESS, app_url=APP)


@pytest.mark.parametrize(
    ("found", "ailment"),
    [
        ({"status": "disabled"}, "disabled"),
        ({"status": "paused"}, "paused"),
        ({"delivery_url": "https://former.example.com/webhooks/woocommerce/store-1"}, "wrong_address"),
        # Not a path of ours any more: its name says that it is.
        ({"delivery_url": "https://erp.example.com/hook"}, "wrong_address"),
    ],
)
async def test_what_was_wrong_is_told_and_mended_in_its_place(found: dict[str, str], ailment: Ailment) -> None:
    hooks = Hooks()
    await subscribe(hooks)
    hooks.held[2] |= found
    hooks.writes.clear()

    told = await store(hooks).subscribe(ACCESS, callback_url=ADDRESS, app_url=APP)

    assert told.mended == (Mended("order.updated", ailment),)
    assert hooks.writes == ["PUT"]
    assert (hooks.held[2]["status"], hooks.held[2]["delivery_url"]) == ("active", ADDRESS)


async def test_webhooks_that_are_gone_are_told_as_missing() -> None:
    hooks = Hooks()

    told = await store(hooks).subscribe(ACCESS, callback_url=ADDRESS, app_url=APP)

    assert told.mended == tuple(Mended(topic, "missing") for topic in TOPICS)


async def test_anew_the_secret_is_written_again_though_nothing_shows_that_it_is_wrong() -> None:
    hooks = Hooks()
    await subscribe(hooks)
    hooks.secrets = dict.fromkeys(hooks.secrets, "somebody else's")

    looked = await store(hooks).subscribe(ACCESS, callback_url=ADDRESS, app_url=APP)
    anew = await store(hooks).subscribe(ACCESS, callback_url=ADDRESS, app_url=APP, anew=True)

    assert looked.mended == ()
    assert anew.mended == tuple(Mended(topic, "wrong_secret") for topic in TOPICS)
    assert set(hooks.secrets.values()) == {"a-secret"}


async def test_a_webhook_that_the_seller_renamed_gets_its_name_back_and_was_not_broken() -> None:
    hooks = Hooks()
    await subscribe(hooks)
    name, hooks.held[2]["name"] = hooks.held[2]["name"], "Orders"

    told = await store(hooks).subscribe(ACCESS, callback_url=ADDRESS, app_url=APP)

    assert told.mended == ()
    assert hooks.held[2]["name"] == name
