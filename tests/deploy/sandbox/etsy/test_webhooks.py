"""Signatures against the public vector of the Standard Webhooks scheme, and what an event says."""

from __future__ import annotations

import orjson
import pytest

from deploy.sandbox.etsy.webhooks import Endpoint, SignedHeaders, event_body, is_secret, new_secret, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_signature_equals_the_schemes_public_vector() -> None:
    signed = signature(
        SECRET,
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp="1614265330",
        body=b'{"test": 2432232314}',
    )

    assert signed == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_attempt_is_signed_anew_under_the_same_id() -> None:
    times = iter([100.0, 500.0])
    headers = SignedHeaders(Endpoint("http://127.0.0.1", SECRET), b"{}", now=lambda: next(times))

    first, second = dict(headers.items()), dict(headers.items())

    assert first["webhook-id"] == second["webhook-id"]
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("100", "500")
    for sent in (first, second):
        expected = signature(SECRET, message_id=sent["webhook-id"], timestamp=sent["webhook-timestamp"], body=b"{}")
        assert sent["webhook-signature"] == f"v1,{expected}"


def test_an_event_names_the_receipt_and_carries_nothing_of_it() -> None:
    body = orjson.loads(event_body("order.paid", shop_id=12, receipt_id=34))

    assert body == {
        "event_type": "order.paid",
        "resource_url": "https://api.etsy.com/v3/application/shops/12/receipts/34",
        "shop_id": "12",
    }


@pytest.mark.parametrize("text", ["", "whsec_", "secret", "whsec_not base64!"])
def test_a_secret_of_another_form_is_refused(text: str) -> None:
    assert not is_secret(text)


def test_new_secrets_are_of_the_portals_form() -> None:
    assert is_secret(new_secret())


def test_the_secret_is_not_in_the_endpoints_repr() -> None:
    assert SECRET not in repr(Endpoint("http://127.0.0.1", SECRET))
