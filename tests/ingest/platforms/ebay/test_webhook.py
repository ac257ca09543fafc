"""A notification is believed when eBay signed it, and only names what to read again."""

from __future__ import annotations

import base64
import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.webhooks import (
    AboutStore,
    BuyerForgotten,
    Delivery,
    Greeting,
    NotOurs,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    StoreClosed,
)
from services.ingest.platforms.ebay.connector import EbayConnector
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.ebay.notices import (
    APP_URL,
    KID,
    compact,
    confirmation,
    delivery,
    header,
    notice,
    public_key,
)
from tests.ingest.platforms.ebay.shop import ACCESS, NOW, Shop, connector
from tests.ingest.platforms.twin_http import Asked, ScriptedHttp, answer

STORE = ACCESS.store


def keeper(key: dict[str, str] | None = None, **settings: Any) -> tuple[EbayConnector, ScriptedHttp]:
    """A connector whose eBay has one public key."""

    def answered(asked: Asked) -> HttpAnswer:
        if asked.url.endswith(f"/public_key/{KID}"):
            return answer(key or public_key())
        return answer(status=404) if "/public_key/" in asked.url else Shop().answer(asked)

    return connector(answered, **settings)


def keys_asked(http: ScriptedHttp) -> int:
    return sum("/public_key/" in asked.url for asked in http.asked)


async def refused(sent: Delivery, key: dict[str, str] | None = None) -> None:
    found, _ = keeper(key)
    with pytest.raises(SignatureRefused):
        await found.verify_webhook(None, sent, now=NOW)


async def test_what_ebay_signed_is_believed() -> None:
    found, _ = keeper()

    await found.verify_webhook(None, delivery(confirmation()), now=NOW)


async def test_a_key_with_line_breaks_is_as_good() -> None:
    found, _ = keeper(public_key(line_breaks=True))

    await found.verify_webhook(None, delivery(confirmation()), now=NOW)


async def test_the_raw_bytes_are_what_is_signed_first_of_all() -> None:
    found, _ = keeper()
    body = json.dumps(confirmation(), indent=1).encode()

    await found.verify_webhook(None, delivery(None, body=body), now=NOW)


async def test_else_the_same_json_written_compactly_with_its_own_letters() -> None:
    found, _ = keeper()
    message = notice("MARKETPLACE_ACCOUNT_DELETION", {"username": "zoë_♥"})
    body = json.dumps(message, indent=1).encode()

    await found.verify_webhook(None, delivery(None, body=body, signed=compact(message)), now=NOW)


@pytest.mark.parametrize("place", [0, 40, -2])
async def test_one_bit_changed_is_refused(place: int) -> None:
    sent = delivery(confirmation())
    body = bytearray(sent.body)
    body[place] ^= 1

    await refused(replace(sent, body=bytes(body)))


async def test_another_messages_signature_is_refused() -> None:
    await refused(delivery(confirmation(), signed=compact(confirmation("13-00000-00000"))))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64 at all",
        base64.b64encode(b"not json").decode(),
        base64.b64encode(b'{"alg": "ecdsa"}').decode(),
        header(compact(confirmation()), alg="none"),
        header(compact(confirmation()), kid="../subscription"),
        header(compact(confirmation()), kid="0000"),
        header(compact(confirmation()), signature="AAAA"),
        header(compact(confirmation()), signature="%"),
    ],
)
async def test_a_header_that_is_not_ebays_is_refused(text: str) -> None:
    sent = replace(delivery(confirmation()), headers={"x-ebay-signature": text})

    await refused(sent)


async def test_the_digest_is_the_keys_and_sha_256_only_where_the_key_says_so() -> None:
    newer = delivery(confirmation())
    newer = replace(newer, headers={"x-ebay-signature": header(newer.body, digest=hashes.SHA256())})
    found, _ = keeper(public_key(digest="SHA256"))

    await found.verify_webhook(None, newer, now=NOW)
    await refused(newer)
    await refused(delivery(confirmation()), public_key(digest="SHA256"))


#: A key of another kind than ECDSA's.
OTHER_KIND = base64.b64encode(
    Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


@pytest.mark.parametrize(
    "key", [public_key(digest="MD5"), {"key": "nonsense"}, {"key": "MA==", "digest": "SHA1"}, {"key": OTHER_KIND}]
)
async def test_a_key_that_cannot_be_trusted_proves_nothing_yet(key: dict[str, str]) -> None:
    found, _ = keeper(key)

    with pytest.raises(TransientError):
        await found.verify_webhook(None, delivery(confirmation()), now=NOW)


async def test_a_key_is_asked_for_once_in_hours_and_with_the_apps_token() -> None:
    found, http = keeper()

    for minutes in range(0, 120, 10):
        await found.verify_webhook(None, delivery(confirmation()), now=NOW + timedelta(minutes=minutes))

    [asked] = [asked for asked in http.asked if "/public_key/" in asked.url]
    assert asked.url == f"https://api.ebay.com/commerce/notification/v1/public_key/{KID}"
    assert asked.headers["Authorization"] == "Bearer app-token"


async def test_made_up_keys_cannot_use_up_the_days_calls() -> None:
    found, http = keeper()
    outcomes: list[type[Exception]] = []

    for number in range(200):
        with pytest.raises((SignatureRefused, TransientError)) as met:
            await found.verify_webhook(None, delivery(confirmation(), kid=f"made-up-{number}"), now=NOW)
        outcomes.append(met.type)

    assert keys_asked(http) <= 40
    assert TransientError in outcomes


async def test_a_made_up_key_is_not_asked_for_twice() -> None:
    found, http = keeper()

    for _ in range(2):
        with pytest.raises(SignatureRefused):
            await found.verify_webhook(None, delivery(confirmation(), kid="made-up"), now=NOW)

    assert keys_asked(http) == 1


@pytest.mark.parametrize(("kid", "minutes", "asked"), [(KID, 719, 1), (KID, 721, 2), ("new", 59, 1), ("new", 61, 2)])
async def test_a_key_is_asked_for_again_after_hours_and_an_unknown_one_after_one(
    kid: str, minutes: int, asked: int
) -> None:
    found, http = keeper()

    for at in (NOW, NOW + timedelta(minutes=minutes)):
        with nullcontext() if kid == KID else pytest.raises(SignatureRefused):
            await found.verify_webhook(None, delivery(confirmation(), kid=kid), now=at)

    assert keys_asked(http) == asked


def test_the_challenge_is_answered_for_the_address_as_it_was_registered() -> None:
    found, _ = connector(ebay_verification_token="71745723-d031-455c-bfa5-f90d11b4f20a")
    asked = Delivery(
        headers={},
        body=b"",
        address="http://www.testendpoint.com/webhook",
        query={"challenge_code": "a8628072-3d33-45ee-9004-bee86830a22d"},
    )

    expected = b'{"challengeResponse":"ca527df75caa230092d7e90484071e8f05d63068f1317973d6a3a42593734bbb"}'
    assert found.greet(asked) == Greeting(expected, "application/json")


def test_only_a_challenge_is_a_greeting() -> None:
    found, _ = connector()
    without, _ = connector(ebay_verification_token="")

    assert found.greet(delivery(confirmation())) is None
    assert found.greet(replace(delivery(confirmation()), query={"challenge_code": "x"})) is None
    assert without.greet(Delivery(headers={}, body=b"", address=APP_URL, query={"challenge_code": "x"})) is None


def test_a_new_order_is_only_a_hint_to_read_it() -> None:
    found, _ = connector()
    sent = delivery(confirmation())

    assert found.read_app_webhook(sent, now=NOW) == AboutStore("AbCdEfGhIjK")
    assert found.read_webhook(STORE, sent, now=NOW) == OrderHinted("13-14786-65872")


def test_an_order_of_a_seller_who_is_not_named_is_left_to_the_poll() -> None:
    found, _ = connector()

    assert isinstance(found.read_app_webhook(delivery(confirmation(user=None)), now=NOW), NotOurs)


def test_another_sellers_order_is_not_this_stores() -> None:
    found, _ = connector()

    assert isinstance(found.read_webhook(STORE, delivery(confirmation(user="Another")), now=NOW), NotOurs)


@pytest.mark.parametrize("order_id", [None, "../user", "", "1/2"])
def test_what_is_not_the_id_of_an_order_is_set_aside(order_id: object) -> None:
    found, _ = connector()

    fact = found.read_webhook(STORE, delivery(confirmation(order_id)), now=NOW)

    assert isinstance(fact, OrderTold)


def test_a_confirmation_of_no_order_is_set_aside_too() -> None:
    found, _ = connector()
    sent = delivery(notice("ORDER_CONFIRMATION", {"user": {"userId": "AbCdEfGhIjK"}}))

    assert isinstance(found.read_webhook(STORE, sent, now=NOW), OrderTold)


def test_a_buyer_who_left_ebay_is_forgotten_under_both_their_names() -> None:
    found, _ = connector()
    data = {"username": "example_buyer", "userId": "ma8vp1jySJC", "eiasToken": "nY+sHZ2PrBmdj6wVnY"}

    fact = found.read_app_webhook(delivery(notice("MARKETPLACE_ACCOUNT_DELETION", data, number="n-7")), now=NOW)

    assert fact == BuyerForgotten("n-7", buyer_ids=("example_buyer", "ma8vp1jySJC"))
    assert "example_buyer" not in repr(fact)


def test_a_resent_deletion_is_the_same_request() -> None:
    found, _ = connector()
    message = notice("MARKETPLACE_ACCOUNT_DELETION", {"userId": "ma8vp1jySJC"}, number="n-7")
    again = message | {"notification": message["notification"] | {"publishAttemptCount": 5}}

    facts = [found.read_app_webhook(delivery(sent), now=NOW) for sent in (message, again)]

    assert facts[0] == facts[1] == BuyerForgotten("n-7", buyer_ids=("ma8vp1jySJC",))


def test_a_deletion_of_nobody_is_unreadable() -> None:
    found, _ = connector()

    with pytest.raises(UnreadablePayload, match="username"):
        found.read_app_webhook(delivery(notice("MARKETPLACE_ACCOUNT_DELETION", {})), now=NOW)


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("REVOKED_BY_USER", "You took"),
        ("REVOKED_BY_APP", "given back"),
        ("REVOKED_BY_EBAY", "eBay ended"),
        ("PASSWORD_CHANGE", "password"),
        ("SOMETHING_NEW", "eBay ended"),
        (None, "eBay ended"),
    ],
)
def test_a_revocation_closes_the_store_and_says_why(reason: str | None, word: str) -> None:
    found, _ = connector()
    sent = delivery(notice("AUTHORIZATION_REVOCATION", {"userId": "AbCdEfGhIjK", "revokeReason": reason}))

    assert found.read_app_webhook(sent, now=NOW) == AboutStore("AbCdEfGhIjK")
    fact = found.read_webhook(STORE, sent, now=NOW)

    assert isinstance(fact, StoreClosed)
    assert word in fact.problem
    assert "Link the store again" in fact.problem


@pytest.mark.parametrize(
    ("minutes", "told", "closes"),
    [
        (9, {"revocationDate": "2026-11-23T08:59:00.000Z"}, True),
        (12, {"revocationDate": "2026-11-23T08:59:00.000Z"}, False),
        (12, {}, False),
        (12, {"revocationDate": "2026-11-23T09:10:00.000Z"}, True),
        (12, {"revocationDate": "lately"}, True),
    ],
)
def test_an_old_revocation_that_comes_again_does_not_close_a_store_that_was_linked_again_since(
    minutes: int, told: dict[str, str], *, closes: bool
) -> None:
    found, _ = connector()
    sent = delivery(notice("AUTHORIZATION_REVOCATION", {"userId": "AbCdEfGhIjK"} | told))

    fact = found.read_webhook(STORE, sent, now=NOW + timedelta(minutes=minutes))

    assert isinstance(fact, StoreClosed if closes else NotOurs)


def test_another_topic_asks_nothing_of_us() -> None:
    found, _ = connector()

    assert isinstance(found.read_app_webhook(delivery(notice("ITEM_PRICE_REVISION", {})), now=NOW), NotOurs)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"metadata": {}}', b'{"metadata": {"topic": "X"}}'])
def test_a_message_that_cannot_be_read_says_where(body: bytes) -> None:
    found, _ = connector()

    with pytest.raises(UnreadablePayload):
        found.read_app_webhook(Delivery(headers={}, body=body), now=NOW)
