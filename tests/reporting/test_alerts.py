"""What needs the seller is said in words, in order of urgency, only as long as it is so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from schemas.reasons import REASONS, ReasonCode
from schemas.stores import Capability
from services.reporting import cursors
from services.reporting.alerts import FAILURES_TOLD, alerts_of, page_of
from services.reporting.attention import (
    Attention,
    DueOrders,
    FailingStore,
    StuckParcels,
    UnreadableOrders,
    WaitingOrders,
)
from services.reporting.ports import ALERT_CURSOR
from services.reporting.views import AlertView
from services.reporting.watermark import Doubt, Healed, LateStore
from tests.reporting.facts import START, STORE, at, disabled_endpoint, store

DAY = timedelta(days=1)


def told(*, now: datetime = START, connect_at: str = "", **found: Any) -> tuple[AlertView, ...]:
    """The alerts of what was found, about one linked store if nothing else is said."""
    return alerts_of(Attention(**({"stores": (store(),)} | found)), now=now, connect_at=connect_at)


def failing(sessions: int = FAILURES_TOLD) -> FailingStore:
    return FailingStore(STORE, sessions, at(5), "session-9", "Etsy could not be read to the end (503).")


def test_nothing_needs_the_seller_of_a_store_that_is_well() -> None:
    well = store(capabilities=(Capability(name="addresses", allowed=True), Capability(name="webhooks", allowed=None)))

    assert told(stores=(well,)) == ()


def test_a_refused_store_says_why_and_that_it_must_be_connected_again() -> None:
    refused = store(state="reconnect", problem="Etsy no longer accepts our access.", changed_at=at(7))

    [alert] = told(stores=(refused,))

    assert (alert.code, alert.severity, alert.since) == ("STORE_RECONNECT", "urgent", at(7))
    assert alert.title == "Connect Paper Moon again"
    assert alert.sentence == "Etsy no longer accepts our access."
    assert alert.link == f"/stores#store-{STORE}"


def test_an_alert_leads_to_where_the_installation_connects_stores() -> None:
    [alert] = told(stores=(store(state="reconnect"),), connect_at="https://app.example.com/stores/{store_id}/connect")

    assert alert.link == f"https://app.example.com/stores/{STORE}/connect"


@pytest.mark.parametrize(
    ("left", "severity"),
    [
        (30 * DAY + timedelta(seconds=1), None),
        (30 * DAY, "warning"),
        (7 * DAY + timedelta(seconds=1), "warning"),
        (7 * DAY, "urgent"),
        (timedelta(hours=1), "urgent"),
        (-DAY, "urgent"),
    ],
)
def test_the_end_of_access_is_told_thirty_days_before_and_louder_in_the_last_seven(
    left: timedelta, severity: str | None
) -> None:
    alerts = told(stores=(store(access_ends_at=START + left),))

    assert [alert.severity for alert in alerts] == ([severity] if severity else [])
    assert [alert.since for alert in alerts] == ([START + left - 30 * DAY] if severity else [])


def test_time_alone_brings_an_alert() -> None:
    ends = store(access_ends_at=START + 40 * DAY)

    codes = [[alert.code for alert in told(stores=(ends,), now=START + days * DAY)] for days in (0, 9, 11)]

    assert codes == [[], [], ["ACCESS_ENDS"]]


@pytest.mark.parametrize(
    ("name", "code", "severity"),
    [
        ("addresses", "ADDRESSES_HIDDEN", "urgent"),
        ("tracking", "TRACKING_REFUSED", "warning"),
        ("webhooks", "WEBHOOKS_OFF", "info"),
    ],
)
def test_what_a_store_may_not_do_is_told_with_the_probes_own_advice(name: str, code: str, severity: str) -> None:
    probed = store(capabilities=(Capability(name=name, allowed=False, detail="Grant the scope."),))

    [alert] = told(stores=(probed,))

    assert (alert.code, alert.severity, alert.remedy) == (code, severity, "Grant the scope.")


def test_a_store_without_a_platform_behind_it_is_not_refused_anything() -> None:
    nothing = tuple(Capability(name=name, allowed=False) for name in ("sync", "tracking"))

    assert told(stores=(store(platform="direct", capabilities=nothing),)) == ()


@pytest.mark.parametrize("allowed", [True, False])
def test_a_platform_that_does_not_push_at_present_is_told_once(*, allowed: bool) -> None:
    webhooks = Capability(name="webhooks", allowed=allowed)
    silent = store(problem="Etsy does not push at present.", capabilities=(webhooks,))

    [alert] = told(stores=(silent,))

    assert (alert.code, alert.severity) == ("WEBHOOKS_OFF", "info")
    assert (alert.sentence == "Etsy does not push at present.") is allowed


@pytest.mark.parametrize("name", ["history", "plugin:shipment-tracking", "something-new"])
def test_what_no_order_waits_for_is_no_alert(name: str) -> None:
    assert told(stores=(store(capabilities=(Capability(name=name, allowed=False),)),)) == ()


@pytest.mark.parametrize(("sessions", "alerts"), [(FAILURES_TOLD - 1, 0), (FAILURES_TOLD, 1)])
def test_syncs_that_fail_again_and_again_are_told(sessions: int, alerts: int) -> None:
    found = told(failing=(failing(sessions),))

    assert len(found) == alerts
    assert all("(503)" in alert.sentence and alert.link == "/sessions/session-9" for alert in found)


def test_a_store_that_must_be_connected_again_is_not_told_twice() -> None:
    refused = store(
        state="reconnect", access_ends_at=at(1), capabilities=(Capability(name="addresses", allowed=False),)
    )

    assert [alert.code for alert in told(stores=(refused,), failing=(failing(),))] == ["STORE_RECONNECT"]


def test_a_store_at_rest_needs_nothing() -> None:
    resting = store(state="unlinked", access_ends_at=at(1), capabilities=(Capability(name="addresses", allowed=False),))
    unreadable = UnreadableOrders(STORE, 2, at(1), "session-1")

    assert told(stores=(resting,), failing=(failing(),), unreadable=(unreadable,)) == ()


@pytest.mark.parametrize(("orders", "title"), [(1, "1 order could not"), (2, "2 orders could not")])
def test_orders_that_could_not_be_read_lead_to_their_session(orders: int, title: str) -> None:
    [alert] = told(unreadable=(UnreadableOrders(STORE, orders, at(1), "session-1"),))

    assert (alert.code, alert.orders, alert.link) == (
        "ORDERS_UNREADABLE",
        orders,
        "/sessions/session-1?result=failed",
    )
    assert title in alert.title


@pytest.mark.parametrize(("way", "says"), [("import", "rows of a file"), ("api", "by API or by form")])
def test_orders_that_sellers_gave_blame_no_platform_and_say_how_they_were_given(way: Any, says: str) -> None:
    unreadable = UnreadableOrders(STORE, 2, at(1), "session-1", way)

    [alert] = told(stores=(store(platform="direct", platform_name="Direct"),), unreadable=(unreadable,))

    assert alert.title == "Paper Moon: 2 orders that you gave were not taken"
    assert says in alert.sentence
    assert "Direct" not in alert.sentence + alert.remedy


def test_orders_that_wait_for_long_lead_to_their_list() -> None:
    [alert] = told(waiting=(WaitingOrders(ReasonCode.ITEM_NOT_MATCHED, 3, at(-3000)),))

    assert alert.title == "3 orders wait for long: Item not matched to a product"
    assert alert.link == "/orders?state=held&reason=ITEM_NOT_MATCHED"
    assert (alert.severity, alert.reason, alert.orders) == ("warning", "ITEM_NOT_MATCHED", 3)


def test_more_orders_than_are_counted_are_told_as_at_least_so_many() -> None:
    [alert] = told(waiting=(WaitingOrders(ReasonCode.NOT_APPROVED, 2000, at(-3000), at_least=True),))

    assert alert.title.startswith("2,000+ orders wait")


@pytest.mark.parametrize("code", ReasonCode)
def test_orders_that_wait_for_others_are_only_good_to_know(code: ReasonCode) -> None:
    alerts = told(waiting=(WaitingOrders(code, 1, at(-3000)),))

    expected = {"seller": ["warning"], "nobody": []}.get(REASONS[code].actor, ["info"])
    assert [alert.severity for alert in alerts] == expected


def test_urgent_things_come_first_and_of_these_what_lasts_longest() -> None:
    stores = (
        store(store_id="a", capabilities=(Capability(name="webhooks", allowed=False),)),
        store(store_id="b", state="reconnect", changed_at=at(9)),
        store(store_id="c", state="reconnect", changed_at=at(3)),
        store(store_id="d", access_ends_at=START + 20 * DAY),
    )

    assert [alert.store_id for alert in told(stores=stores)] == ["c", "b", "d", "a"]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_hold_every_alert_once(limit: int) -> None:
    alerts = told(stores=tuple(store(store_id=f"s{n}", state="reconnect") for n in range(5)))
    seen: list[AlertView] = []
    word: str | None = None

    while page := page_of(alerts, after=cursors.read(word, like=ALERT_CURSOR), limit=limit):
        seen += page.items
        word = page.next
        if word is None:
            break

    assert tuple(seen) == alerts


def test_a_store_that_is_behind_says_through_when_it_is_complete_and_leads_to_the_proof() -> None:
    [alert] = told(late=(LateStore(STORE, at(-600), at(-90)),))

    assert (alert.code, alert.severity, alert.since) == ("WATERMARK_BEHIND", "warning", at(-90))
    assert "through 1 March 2026, 02:00 UTC only" in alert.sentence
    assert alert.link == f"/completeness/{STORE}"


def test_a_store_that_was_never_read_to_its_end_says_that() -> None:
    [alert] = told(late=(LateStore(STORE, None, at(-90)),))

    assert alert.sentence.endswith("was read to its end since the store was linked.")


def test_differences_that_an_audit_could_not_settle_lead_to_it() -> None:
    ended, running = Doubt("audit-1", STORE, 2, at(-60), at(-9)), Doubt("audit-2", STORE, 1, at(-60))

    [alert] = told(doubts=(ended, running))

    assert (alert.id, alert.severity, alert.since, alert.orders) == ("AUDIT_DIFFERS:audit-1", "warning", at(-9), 2)
    assert alert.title == "Paper Moon: 2 orders differ from etsy"
    assert alert.link == "/audits/audit-1"


def test_a_webhook_that_was_mended_is_good_to_know() -> None:
    [alert] = told(healed=(Healed(STORE, "session-3", at(-9), "The webhook was gone; it is back."),))

    assert (alert.code, alert.severity, alert.sentence) == (
        "WEBHOOKS_HEALED",
        "info",
        "The webhook was gone; it is back.",
    )
    assert alert.link == "/sessions/session-3"


@pytest.mark.parametrize(
    ("found", "code", "severity", "title", "link"),
    [
        (
            {"due": (DueOrders(STORE, late=False, orders=12, since=at(5)),)},
            "SHIP_BY_AT_RISK",
            "warning",
            "Paper Moon: 12 orders must ship soon",
            f"/orders?store={STORE}&deadline=at_risk",
        ),
        (
            {"due": (DueOrders(STORE, late=True, orders=1, since=at(5)),)},
            "SHIP_BY_LATE",
            "urgent",
            "Paper Moon: 1 order is past its deadline",
            f"/orders?store={STORE}&deadline=late",
        ),
        (
            {"stuck": (StuckParcels(STORE, "needs_attention", 100, at(5)),)},
            "TRACKING_NEEDS_YOU",
            "warning",
            "Paper Moon: tracking of 100 orders needs you",
            f"/tracking?store={STORE}&state=needs_attention",
        ),
        (
            {"stuck": (StuckParcels(STORE, "refused", 1, at(5)),)},
            "TRACKING_REFUSED_ORDERS",
            "warning",
            "Paper Moon: etsy refused tracking of 1 order",
            f"/tracking?store={STORE}&state=refused",
        ),
    ],
)
def test_a_hundred_orders_are_one_alert_a_store(
    found: dict[str, Any], code: str, severity: str, title: str, link: str
) -> None:
    [alert] = told(**found)

    assert (alert.id, alert.severity, alert.since) == (f"{code}:{STORE}", severity, at(5))
    assert (alert.title, alert.link) == (title, link)
    assert told(stores=(store(state="unlinked"),), **found) == ()


def test_refusals_of_all_stores_are_one_digest_of_each_kind() -> None:
    others = tuple(store(store_id=f"st-{number}") for number in range(9))
    stuck = tuple(StuckParcels(each.store_id, "refused", 12, at(5 + place)) for place, each in enumerate(others))

    [alert] = told(
        stores=(*others, store(store_id="st-gone", state="unlinked")),
        stuck=(*stuck, StuckParcels("st-gone", "refused", 1, at(1))),
    )

    assert (alert.id, alert.orders, alert.since) == ("TRACKING_REFUSED_ORDERS", 108, at(5))
    assert alert.title == "Tracking of 108 orders in 9 stores was refused"
    assert (alert.store_id, alert.link) == (None, "/tracking?state=refused")


def test_an_address_that_is_not_called_any_more_says_why_and_what_brings_it_back() -> None:
    [alert] = told(stores=(), endpoints=(disabled_endpoint(),))

    assert (alert.id, alert.severity, alert.since) == ("ENDPOINT_DISABLED:e-1", "warning", at(-60))
    assert alert.title == "Your system at shop.example.com is not told any more"
    assert alert.sentence.startswith("Nothing was taken there for a day. ")
    assert "send a test" in alert.remedy
    assert alert.link == "/webhooks#endpoint-e-1"
