"""A platform in memory: orders that change, an index that lags, faults on demand. Fulfils `Connector`."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import orjson

from schemas.ids import order_key
from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.reading import By, Pace, Page, Unreadable, Window
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, LinkingRefused, StoreRef
from services.ingest.contract.webhooks import (
    NEVER_PUSHED,
    AboutStore,
    Ailment,
    AppFact,
    BuyerForgotten,
    Delivery,
    Greeting,
    Mended,
    NotOurs,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    StoreClosed,
    StoreForgotten,
    Subscribed,
    WebhookFact,
)
from services.ingest.usual import UsualConnector
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError
from tests.schemas.orders import raw_order

PACE = Pace(overlap=timedelta(minutes=2), settle=timedelta(seconds=2), interval=timedelta(minutes=1))


@dataclass(frozen=True)
class Listed:
    """One order as it is on the platform now."""

    external_id: str
    changed_at: datetime
    visible_at: datetime
    placed_at: datetime
    payment: str = "paid"
    content: str = ""
    broken: bool = False

    def at(self, by: By) -> datetime:
        """The time that a window is about."""
        return self.placed_at if by == "created" else self.changed_at


@dataclass
class TwinConnector(UsualConnector):
    """One application on one platform with any number of shops.

    `faults` are raised by the next calls of a method, one each. `accepted` is the token that the platform takes.
    """

    clock: Clock
    slug: str = "twin"
    name: str = "Twin"
    pace: Pace = PACE
    page_size: int = 2
    orders: dict[str, Listed] = field(default_factory=dict)
    faults: dict[str, list[Exception]] = field(default_factory=dict)
    accepted: str = "token-1"
    renewals: int = 0
    reads: list[tuple[Window, str | None]] = field(default_factory=list)
    #: The ids that were read one by one, and how many more its call budget holds (None: enough).
    read_by_id: list[str] = field(default_factory=list)
    calls_left: int | None = None
    subscribed: list[str] = field(default_factory=list)
    #: Whether it can push anything, as it is set up.
    pushes: bool = True
    anew: list[bool] = field(default_factory=list)
    ailing: Ailment | None = None
    unsubscribed: int = 0
    probes: int = 0
    shows_addresses: bool | None = True
    reading: int = 0
    most_reading: int = 0
    pause: float = 0
    listed_for_a_count: int = 100
    #: Whether it counts, and what it was asked to count.
    counts: bool = False
    counted: list[Window] = field(default_factory=list)

    def put(
        self,
        external_id: str,
        *,
        lag: timedelta = timedelta(),
        at: datetime | None = None,
        placed: datetime | None = None,
        payment: str = "paid",
        content: str = "",
    ) -> None:
        """Create or change an order now; the index shows it after `lag`."""
        changed_at = (at or self.clock.now()).replace(microsecond=0)
        held = self.orders.get(external_id)
        placed_at = placed or (held.placed_at if held else changed_at)
        self.orders[external_id] = Listed(external_id, changed_at, self.clock.now() + lag, placed_at, payment, content)

    def loses(self, external_id: str) -> None:
        """Delete an order for good."""
        del self.orders[external_id]

    def breaks(self, external_id: str) -> None:
        """Make an order unreadable."""
        held = self.orders[external_id]
        self.orders[external_id] = replace(held, broken=True)

    def read(self, store: StoreRef, listed: Listed, way: Way) -> RawOrder | Unreadable:
        """The order in our nouns."""
        if listed.broken:
            return Unreadable(listed.external_id, "total", "is missing", "{}")
        return raw_order(
            key=order_key(self.slug, store.store_id, listed.external_id),
            number=listed.external_id,
            platform=self.slug,
            store_id=store.store_id,
            seller_id=store.seller_id,
            placed_at=listed.placed_at,
            revised_at=listed.changed_at,
            fetched_at=self.clock.now(),
            payment=listed.payment,
            note=listed.content or None,
            way=way,
        )

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        if "shop" not in request:
            raise LinkingRefused("Say which shop.")
        url = f"https://twin.example/authorize?state={state}&redirect={callback_url}"
        return AuthorizationStart(url, {"shop": request["shop"]})

    async def complete_authorization(
        self, callback: Mapping[str, str], *, memory: Mapping[str, str], callback_url: str, now: datetime
    ) -> Grant:
        self._fault("complete_authorization")
        if callback.get("code") != "good":
            raise LinkingRefused("The seller said no.")
        return Grant(memory["shop"], f"Shop {memory['shop']}", {"token": self.accepted}, "USD", "UTC")

    async def link_with_credentials(self, credentials: Mapping[str, str], *, now: datetime) -> Grant:
        self._fault("link_with_credentials")
        if credentials.get("token") != self.accepted:
            raise AuthorizationError("unknown token")
        return Grant(credentials["shop"], f"Shop {credentials['shop']}", {"token": credentials["token"]}, "USD", "UTC")

    def refresh_due(self, secrets: Mapping[str, str], *, now: datetime) -> bool:
        return secrets.get("due") == "yes"

    async def refresh(self, access: Access, *, now: datetime) -> Mapping[str, str]:
        self._fault("refresh")
        await asyncio.sleep(self.pause)
        self.renewals += 1
        self.accepted = f"token-{self.renewals + 1}"
        return {"token": self.accepted}

    def read_state(self, callback: Mapping[str, str]) -> str:
        return callback.get("state", "")

    def read_installation(self, query: Mapping[str, str], *, now: datetime) -> Mapping[str, str]:
        if query.get("signed") != "yes":
            raise LinkingRefused("This visit is not signed.")
        return {"shop": query["shop"]}

    async def probe(self, access: Access) -> tuple[Capability, ...]:
        self._fault("probe")
        self.probes += 1
        return (Capability(name="addresses", allowed=self.shows_addresses),)

    async def subscribe(self, access: Access, *, callback_url: str, app_url: str, anew: bool = False) -> Subscribed:
        self._fault("subscribe")
        self.subscribed.append(callback_url)
        self.anew.append(anew)
        if not self.pushes:
            return NEVER_PUSHED
        ailing, self.ailing = self.ailing, None
        mended = () if ailing is None else (Mended("orders", ailing),)
        return Subscribed(("orders",), mended)

    async def unsubscribe(self, access: Access) -> None:
        self._fault("unsubscribe")
        self.unsubscribed += 1

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        self.reads.append((window, after))
        self.reading += 1
        self.most_reading = max(self.most_reading, self.reading)
        try:
            await asyncio.sleep(self.pause)
            self._fault("read_page")
            self._refuse_other_token(access)
            return self._page(access.store, window, after, way)
        finally:
            self.reading -= 1

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        self._fault("read_order")
        self._refuse_other_token(access)
        if self.calls_left is not None:
            if self.calls_left == 0:
                raise TransientError("the call budget is used up", retry_after=600)
            self.calls_left -= 1
        self.read_by_id.append(external_id)
        listed = self.orders.get(external_id)
        return self.read(access.store, listed, way) if listed else None

    async def count_orders(self, access: Access, window: Window) -> int | None:
        self._fault("count_orders")
        self._refuse_other_token(access)
        if not self.counts:
            return None
        self.counted.append(window)
        return self._page(access.store, window, None, "backfill").total

    def greet(self, delivery: Delivery) -> Greeting | None:
        asked = delivery.query.get("challenge")
        return Greeting(asked.encode()) if asked else None

    async def verify_webhook(self, access: Access | None, delivery: Delivery, *, now: datetime) -> None:
        given = delivery.headers.get("x-signature", "")
        if not hmac.compare_digest(given.encode(), signature(delivery.body).encode()):
            raise SignatureRefused

    def read_webhook(self, store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
        told = orjson.loads(delivery.body)
        match delivery.topic or told["topic"]:
            case "order":
                return OrderTold(self.read(store, self.orders[told["id"]], "webhook"))
            case "hint":
                return OrderHinted(told["id"])
            case "closed":
                return StoreClosed("You removed the app.")
            case "forget-buyer":
                return BuyerForgotten("request-1", (told["id"],))
            case "forget-store":
                return StoreForgotten("request-2")
            case _:
                return NotOurs("other_topic")

    def read_app_webhook(self, delivery: Delivery, *, now: datetime) -> AppFact:
        told = orjson.loads(delivery.body)
        if told["topic"] == "forget-everywhere":
            return BuyerForgotten("request-3", buyer_ids=(told["id"],))
        return AboutStore(told["shop"]) if told.get("shop") else NotOurs("no shop")

    def _page(self, store: StoreRef, window: Window, after: str | None, way: Way) -> Page:
        now = self.clock.now()
        found = sorted(
            (listed.at(window.by), listed.external_id)
            for listed in self.orders.values()
            if window.start <= listed.at(window.by) < window.end and listed.visible_at <= now
        )
        if after is not None:
            changed_at, external_id = after.split("|")
            rest = [place for place in found if place > (datetime.fromisoformat(changed_at), external_id)]
        else:
            rest = found
        shown = rest[: self.page_size]
        more = len(rest) > len(shown)
        return Page(
            orders=tuple(self.read(store, self.orders[external_id], way) for _, external_id in shown),
            after=f"{shown[-1][0].isoformat()}|{shown[-1][1]}" if more else None,
            read_through=shown[-1][0] if more else window.end,
            total=len(found),
        )

    def _fault(self, method: str) -> None:
        if waiting := self.faults.get(method):
            raise waiting.pop(0)

    def _refuse_other_token(self, access: Access) -> None:
        if access.secrets["token"] != self.accepted:
            raise AuthorizationError("token revoked")


def signature(body: bytes) -> str:
    """What the twin's platform signs with."""
    return hmac.new(b"twin", body, "sha256").hexdigest()


def webhook(topic: str, external_id: str = "", shop: str = "") -> tuple[dict[str, str], bytes]:
    """Headers and body of a genuine webhook."""
    body = orjson.dumps({"topic": topic, "id": external_id, "shop": shop})
    return {"x-signature": signature(body)}, body
