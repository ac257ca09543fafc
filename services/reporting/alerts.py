"""What needs the seller now, in words: derived from the report and the time, for time passes without events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from schemas.reasons import REASONS
from schemas.stores import Capability, StoreRecord
from schemas.webhook_endpoints import WebhookEndpointRecord
from services.reporting.attention import (
    Attention,
    DueOrders,
    FailingStore,
    StuckParcels,
    UnreadableOrders,
    WaitingOrders,
)
from services.reporting.cursors import Cursor, written
from services.reporting.standing import access_of, connect_link
from services.reporting.views import AlertCode, AlertView, ListOf, Severity
from services.reporting.watermark import OUR_OWN, Doubt, Healed, LateStore
from services.reporting.wording import Texts, capability_sentence, day, load_texts, moment, reason_title

#: The order in which alerts are told.
RANK: Mapping[Severity, int] = {"urgent": 0, "warning": 1, "info": 2}
#: Fewer polls in a row that end early are nothing: the next one goes on.
FAILURES_TOLD = 3

#: What a store may not do, and how much that matters.
_REFUSALS: Mapping[str, tuple[AlertCode, Severity]] = {
    "addresses": ("ADDRESSES_HIDDEN", "urgent"),
    "tracking": ("TRACKING_REFUSED", "warning"),
    "webhooks": ("WEBHOOKS_OFF", "info"),
}


def alerts_of(
    attention: Attention, *, now: datetime, connect_at: str = "", texts: Texts | None = None
) -> tuple[AlertView, ...]:
    """Return what needs the seller: urgent things first, and of these what lasts longest.

    `connect_at` is the setting REPORTING_CONNECT_URL.
    """
    teller = _Teller(texts or load_texts(), connect_at, {store.store_id: store for store in attention.stores})
    alerts = [alert for store in attention.stores for alert in teller.of_store(store, now=now)]
    alerts += [alert for failing in attention.failing for alert in teller.of_failing(failing)]
    alerts += [alert for unreadable in attention.unreadable for alert in teller.of_unreadable(unreadable)]
    alerts += [alert for late in attention.late for alert in teller.of_late(late)]
    alerts += [alert for doubt in attention.doubts for alert in teller.of_doubt(doubt)]
    alerts += [alert for healed in attention.healed for alert in teller.of_healed(healed)]
    alerts += [alert for due in attention.due for alert in teller.of_due(due)]
    alerts += teller.of_all_stuck(attention.stuck)
    alerts += [teller.of_endpoint(endpoint) for endpoint in attention.endpoints]
    alerts += [teller.of_waiting(waiting) for waiting in attention.waiting if _is_waited_for(waiting)]
    return tuple(sorted(alerts, key=place))


def place(alert: AlertView) -> Cursor:
    """Return where an alert stands in the list: also its cursor."""
    return (RANK[alert.severity], alert.since, alert.id)


def page_of(alerts: tuple[AlertView, ...], *, after: Cursor | None, limit: int) -> ListOf[AlertView]:
    """Return the alerts after a cursor."""
    rest = [alert for alert in alerts if after is None or place(alert) > after]
    return ListOf(items=tuple(rest[:limit]), next=written(place(rest[limit - 1])) if len(rest) > limit else None)


class _Teller:
    """Puts findings into words."""

    def __init__(self, texts: Texts, connect_at: str, stores: Mapping[str, StoreRecord]) -> None:
        self._texts = texts
        self._connect_at = connect_at
        self._stores = stores

    def of_store(self, store: StoreRecord, *, now: datetime) -> Iterator[AlertView]:
        if store.state == "reconnect":
            yield self._about(
                store, "STORE_RECONNECT", "urgent", since=store.changed_at, sentence=store.problem, connects=True
            )
        if store.state != "linked":
            return
        access = access_of(store.access_ends_at, now=now, texts=self._texts)
        if access is not None and access.severity is not None:
            yield self._about(
                store,
                "ACCESS_ENDS",
                access.severity,
                since=access.warned_from,
                sentence=access.sentence,
                connects=True,
                date=day(access.ends_at),
            )
        for capability in store.capabilities:
            # Behind orders that are given to us is no platform that could allow anything.
            if capability.allowed is False and capability.name in _REFUSALS and store.platform != OUR_OWN:
                yield self._of_refusal(store, capability)
        if store.problem and not _is_refused(store, "webhooks"):
            # A linked store's problem is that its platform does not push, whatever a probe found.
            yield self._about(store, "WEBHOOKS_OFF", "info", since=store.changed_at, sentence=store.problem)

    def of_failing(self, failing: FailingStore) -> Iterator[AlertView]:
        store = self._stores.get(failing.store_id)
        # One that must be connected again says so already, and one at rest need not sync.
        if store is None or store.state != "linked" or failing.sessions < FAILURES_TOLD:
            return
        alert = self._about(
            store,
            "SYNCS_FAIL",
            "warning",
            since=failing.since,
            link=f"/sessions/{quote(failing.session_id)}",
            n=failing.sessions,
        )
        said = [alert.sentence, failing.problem or ""]
        yield alert.model_copy(update={"sentence": " ".join(part for part in said if part)})

    def of_unreadable(self, unreadable: UnreadableOrders) -> Iterator[AlertView]:
        store = self._stores.get(unreadable.store_id)
        if store is None or store.state == "unlinked":
            return
        alert = self._about(
            store,
            "ORDERS_UNREADABLE",
            "warning",
            since=unreadable.since,
            link=f"/sessions/{quote(unreadable.session_id)}?result=failed",
            orders=unreadable.orders,
        )
        yield self._of_given(alert, unreadable) if store.platform == OUR_OWN else alert

    def of_late(self, late: LateStore) -> Iterator[AlertView]:
        if (store := self._stores.get(late.store_id)) is None:
            return
        link = f"/completeness/{quote(late.store_id)}"
        if late.through is not None:
            yield self._about(
                store, "WATERMARK_BEHIND", "warning", since=late.since, link=link, date=moment(late.through)
            )
            return
        sentence = self._texts("alerts.sentences.NEVER_PROVEN", platform=store.platform_name or store.platform)
        yield self._about(store, "WATERMARK_BEHIND", "warning", since=late.since, link=link, sentence=sentence)

    def of_doubt(self, doubt: Doubt) -> Iterator[AlertView]:
        store = self._stores.get(doubt.store_id)
        if store is None or store.state == "unlinked" or doubt.ended_at is None:
            return
        alert = self._about(
            store,
            "AUDIT_DIFFERS",
            "warning",
            since=doubt.ended_at,
            link=f"/audits/{quote(doubt.audit_id)}",
            orders=doubt.orders,
        )
        yield alert.model_copy(update={"id": f"AUDIT_DIFFERS:{doubt.audit_id}"})

    def of_healed(self, healed: Healed) -> Iterator[AlertView]:
        store = self._stores.get(healed.store_id)
        if store is None or store.state == "unlinked":
            return
        yield self._about(
            store,
            "WEBHOOKS_HEALED",
            "info",
            since=healed.at,
            sentence=healed.sentence,
            link=f"/sessions/{quote(healed.session_id)}",
        )

    def of_due(self, due: DueOrders) -> Iterator[AlertView]:
        store = self._stores.get(due.store_id)
        if store is None or store.state == "unlinked":
            return
        code: AlertCode = "SHIP_BY_LATE" if due.late else "SHIP_BY_AT_RISK"
        yield self._about(
            store,
            code,
            "urgent" if due.late else "warning",
            since=due.since,
            link=f"/orders?store={quote(due.store_id)}&deadline={'late' if due.late else 'at_risk'}",
            orders=due.orders,
        )

    def of_all_stuck(self, found: Sequence[StuckParcels]) -> Iterator[AlertView]:
        """One alert for what all stores have of a kind: the page sorts it by store and code."""
        told = [one for one in found if one.store_id in self._stores and self._stores[one.store_id].state != "unlinked"]
        for state in dict.fromkeys(one.state for one in told):
            of_state = [one for one in told if one.state == state]
            yield self._of_stuck(of_state[0]) if len(of_state) == 1 else self._digest(of_state)

    def _of_stuck(self, stuck: StuckParcels) -> AlertView:
        return self._about(
            self._stores[stuck.store_id],
            _stuck_code(stuck),
            "warning",
            since=stuck.since,
            link=f"/tracking?store={quote(stuck.store_id)}&state={stuck.state}",
            orders=stuck.orders,
        )

    def _digest(self, found: Sequence[StuckParcels]) -> AlertView:
        code, orders = _stuck_code(found[0]), sum(one.orders for one in found)
        return AlertView(
            id=code,
            code=code,
            severity="warning",
            since=min(one.since for one in found),
            orders=orders,
            title=self._texts(f"alerts.digests.{code}", n=f"{orders:,}", stores=len(found)),
            sentence=self._texts(f"alerts.digests.sentences.{code}"),
            remedy=self._texts(f"alerts.remedies.{code}"),
            link=f"/tracking?state={found[0].state}",
        )

    def of_endpoint(self, endpoint: WebhookEndpointRecord) -> AlertView:
        code: AlertCode = "ENDPOINT_DISABLED"
        return AlertView(
            id=f"{code}:{endpoint.endpoint_id}",
            code=code,
            severity="warning",
            since=endpoint.changed_at,
            title=self._texts(f"alerts.titles.{code}", host=endpoint.host),
            sentence=" ".join(filter(None, (endpoint.problem, self._texts(f"alerts.sentences.{code}")))),
            remedy=self._texts(f"alerts.remedies.{code}"),
            link=f"/webhooks#endpoint-{quote(endpoint.endpoint_id)}",
        )

    def of_waiting(self, waiting: WaitingOrders) -> AlertView:
        texts, actor = self._texts, REASONS[waiting.code].actor
        count = f"{waiting.orders:,}+" if waiting.at_least else f"{waiting.orders:,}"
        title = "alerts.titles.ORDERS_WAIT." + ("one" if waiting.orders == 1 else "other")
        return AlertView(
            id=f"ORDERS_WAIT:{waiting.code}",
            code="ORDERS_WAIT",
            severity="warning" if actor == "seller" else "info",
            since=waiting.since,
            reason=waiting.code,
            orders=waiting.orders,
            title=texts(title, n=count, reason=reason_title(waiting.code, texts=texts)),
            sentence=texts("alerts.sentences.ORDERS_WAIT", date=day(waiting.since)),
            remedy=texts(f"alerts.waits_on.{actor}"),
            link=f"/orders?state=held&reason={waiting.code}",
        )

    def _of_given(self, alert: AlertView, unreadable: UnreadableOrders) -> AlertView:
        """The same of orders that the seller gave: there is no platform that could have given something odd."""
        way = "import" if unreadable.way == "import" else "other"
        title = "one" if unreadable.orders == 1 else "other"
        return alert.model_copy(
            update={
                "title": self._texts(f"alerts.given.titles.{title}", store=alert.store_name, n=unreadable.orders),
                "sentence": self._texts(f"alerts.given.sentences.{way}"),
                "remedy": self._texts(f"alerts.given.remedies.{way}"),
            }
        )

    def _of_refusal(self, store: StoreRecord, capability: Capability) -> AlertView:
        code, severity = _REFUSALS[capability.name]
        alert = self._about(store, code, severity, since=store.changed_at)
        told = capability_sentence(capability, texts=self._texts) if capability.detail else alert.remedy
        return alert.model_copy(update={"remedy": told})

    def _about(
        self,
        store: StoreRecord,
        code: AlertCode,
        severity: Severity,
        *,
        since: datetime,
        sentence: str | None = None,
        link: str | None = None,
        connects: bool = False,
        orders: int | None = None,
        **values: object,
    ) -> AlertView:
        texts, platform = self._texts, store.platform_name or store.platform
        where = connect_link(self._connect_at, store.store_id) if connects else None
        said = {"store": store.name, "platform": platform, "n": orders, **values}
        title = f"alerts.titles.{code}" + ({None: "", 1: ".one"}.get(orders, ".other"))
        return AlertView(
            id=f"{code}:{store.store_id}",
            code=code,
            severity=severity,
            since=since,
            store_id=store.store_id,
            store_name=store.name,
            platform=store.platform,
            platform_name=platform,
            orders=orders,
            title=texts(title, **said),
            sentence=sentence or texts(f"alerts.sentences.{code}", **said),
            remedy=texts(f"alerts.remedies.{code}", **said),
            link=link or where or store_place(store.store_id),
        )


def _stuck_code(stuck: StuckParcels) -> AlertCode:
    return "TRACKING_REFUSED_ORDERS" if stuck.state == "refused" else "TRACKING_NEEDS_YOU"


def store_place(store_id: str) -> str:
    """Return where on the page a store stands."""
    return f"/stores#store-{quote(store_id)}"


def _is_refused(store: StoreRecord, name: str) -> bool:
    return any(capability.name == name and capability.allowed is False for capability in store.capabilities)


def _is_waited_for(waiting: WaitingOrders) -> bool:
    return REASONS[waiting.code].actor != "nobody"
