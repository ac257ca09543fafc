"""Which facts sellers' systems are told of, in what words, and that each is one notice however often it is heard."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from schemas.money import Money
from schemas.production import (
    UpdateAccepted,
    UpdateCancelled,
    UpdateCancelRefused,
    UpdateDelivered,
    UpdateInProduction,
    UpdateLabelReplaced,
    UpdateOnHold,
    UpdateShipped,
)
from schemas.reasons import Reason, ReasonCode
from services.ingest.outgoing.notices import Notice, of_decision, of_update
from tests.ingest.outgoing.facts import KEY, NOW, decided, shipment, update


def reasons(*codes: str) -> tuple[Reason, ...]:
    return tuple(Reason(code=ReasonCode(code)) for code in codes)


def test_a_held_order_is_told_with_every_reason_in_words() -> None:
    notice = of_decision(decided())

    assert notice is not None
    assert json.loads(notice.body()) == {
        "type": "order.held",
        "timestamp": "2026-11-20T12:00:00Z",
        "data": {
            "order_key": KEY,
            "platform": "direct",
            "store_id": "st-1",
            "external_id": "W-1",
            "reasons": [
                {
                    "code": "ITEM_NOT_MATCHED",
                    "sentence": decided().reasons[0].sentence(),
                    "item_id": "1",
                    "who_must_act": "seller",
                }
            ],
        },
    }


@pytest.mark.parametrize(
    ("fact", "kind"),
    [
        ({"outcome": "eligible", "reasons": (), "step": "released"}, "order.released"),
        ({"outcome": "eligible", "reasons": (), "step": "amended"}, None),
        ({"outcome": "eligible", "reasons": ()}, None),
        ({"reasons": reasons("LAST_LOOK_ASKED"), "cause": "match"}, None),
        ({"reasons": reasons("LAST_LOOK_UNANSWERED"), "cause": "look"}, "order.held"),
        ({"outcome": "rejected", "reasons": reasons("CANCELLED")}, "order.cancelled"),
        ({"outcome": "rejected", "reasons": reasons("REFUNDED")}, "order.cancelled"),
        ({"outcome": "rejected", "reasons": reasons("DELETED_ON_PLATFORM")}, "order.cancelled"),
        ({"outcome": "rejected", "reasons": reasons("TEST_ORDER")}, None),
        # Production has it: whether it is cancelled is for production to say.
        ({"outcome": "rejected", "reasons": reasons("CANCELLED"), "step": "cancelled"}, None),
    ],
)
def test_a_decision_tells_what_it_means_for_the_order(fact: dict[str, Any], kind: str | None) -> None:
    notice = of_decision(decided(**fact))

    assert (notice.type if notice else None) == kind


@pytest.mark.parametrize(
    ("fact", "kind"),
    [
        (update(UpdateShipped, shipment=shipment()), "order.shipped"),
        (update(UpdateLabelReplaced, shipment_id="S-1", shipment=shipment("S-2")), "order.shipped"),
        (update(UpdateDelivered, shipment_id="S-1", delivered_at=NOW), "order.delivered"),
        (update(UpdateCancelled, reason="x"), "order.cancelled"),
        (update(UpdateAccepted), None),
        (update(UpdateOnHold, problem="x"), None),
        (update(UpdateInProduction), None),
        (update(UpdateCancelRefused, reason="x"), None),
    ],
)
def test_productions_word_is_told_where_sellers_wait_for_it(fact: Any, kind: str | None) -> None:
    notice = of_update(fact)

    assert (notice.type if notice else None) == kind


def test_a_replaced_label_is_another_parcel_that_names_the_first() -> None:
    first = told(of_update(update(UpdateShipped, shipment=shipment())))
    second = told(of_update(update(UpdateLabelReplaced, shipment_id="S-1", shipment=shipment("S-2"))))

    assert first.notice_id != second.notice_id
    assert (first.data["replaces"], second.data["replaces"]) == (None, "S-1")
    assert second.data["shipment"]["tracking_number"] == "9400100000000000000000"


def test_what_is_one_fact_is_one_notice_whoever_says_it_and_whenever() -> None:
    by_platform = decided(outcome="rejected", reasons=reasons("CANCELLED"), event_id="later")
    released = {"outcome": "eligible", "reasons": (), "step": "released"}
    cost = Money(amount=1250, currency="USD")

    assert told(of_decision(by_platform)).notice_id == told(of_update(update(UpdateCancelled, reason="x"))).notice_id
    first, again = (
        told(of_decision(decided(**released, cost=cost, event_id=name, occurred_at=NOW + timedelta(hours=hours))))
        for name, hours in (("a", 0), ("b", 1))
    )
    assert first.notice_id == again.notice_id
    assert first.data["cost"] == {"amount": "12.50", "currency": "USD"}
    # Held again is news.
    assert told(of_decision(decided())).notice_id != told(of_decision(decided(event_id="decision-2"))).notice_id


def told(notice: Notice | None) -> Notice:
    assert notice is not None
    return notice
