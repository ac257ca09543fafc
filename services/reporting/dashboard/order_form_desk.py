"""What the form for an order by hand asks of ingest and eligibility, in the seller's name."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from urllib.parse import quote

from services.kit.clock import Clock
from services.reporting.dashboard.imports_told import StoreTold, told
from services.reporting.dashboard.order_form import OrderForm
from services.reporting.dashboard.order_form_told import (
    AddressFormTold,
    CheckTold,
    ChoiceTold,
    CopyTold,
    CountriesTold,
    DraftFieldsTold,
    DraftsTold,
    DraftTold,
    FaultTold,
    GivenTold,
    ProductsTold,
    ProductTold,
)
from services.reporting.neighbours import Neighbours, Refusal, Reply
from services.reporting.watermark import OUR_OWN

_FOUND = 8
#: While the same order is being taken by another request of the same form, in seconds.
_AGAIN_AFTER = 0.3
_TRIES = 10
_IN_FLIGHT = "write_in_flight"


class Desk:
    """Asks the neighbours. Every method raises `TransientError` where they are away.

    What a key may not see is answered as if there were none of it: the page says which scope is missing.
    """

    def __init__(self, neighbours: Neighbours, *, clock: Clock) -> None:
        self._ingest = neighbours.ingest
        self._eligibility = neighbours.eligibility
        self._clock = clock
        # The same for everybody, and they change with the program alone.
        self._countries: tuple[ChoiceTold, ...] = ()
        self._forms: dict[str, AddressFormTold] = {}

    async def countries(self, key: str) -> tuple[ChoiceTold, ...]:
        """All countries by name."""
        if not self._countries:
            reply = await self._eligibility.call("GET", "/v1/address-forms", key=key)
            self._countries = () if reply.refusal else told(CountriesTold, reply.content).items
        return self._countries

    async def address_form(self, key: str, country: str) -> AddressFormTold | None:
        """What a country's address needs; None when there is no such country."""
        if country not in self._forms and len(country) == 2 and country.isascii():  # noqa: PLR2004 - ISO 3166-1
            reply = await self._eligibility.call("GET", f"/v1/address-forms/{quote(country)}", key=key)
            if reply.refusal is None:
                self._forms[country] = told(AddressFormTold, reply.content)
        return self._forms.get(country)

    async def faults(self, key: str, address: Mapping[str, str]) -> tuple[FaultTold, ...]:
        """What an order to this address would be held for."""
        body = {name: text[:200] for name, text in address.items()}
        reply = await self._eligibility.call("POST", "/v1/address-checks", key=key, json=body)
        return () if reply.refusal else told(CheckTold, reply.content).problems

    async def search(self, key: str, text: str) -> tuple[ProductTold, ...]:
        """The first products of what was looked for."""
        asked = {"q": text[:200], "limit": str(_FOUND)}
        reply = await self._eligibility.call("GET", "/v1/catalog", key=key, query=asked)
        return () if reply.refusal else told(ProductsTold, reply.content).items[:_FOUND]

    async def products(self, key: str, skus: Collection[str]) -> Mapping[str, ProductTold]:
        """What is made under these SKUs, by SKU."""
        if not skus:
            return {}
        asked = "&".join(f"sku={quote(sku)}" for sku in sorted(skus))
        reply = await self._eligibility.call("GET", f"/v1/catalog?{asked}", key=key)
        items = () if reply.refusal else told(ProductsTold, reply.content).items
        return {item.sku: item for item in items}

    async def copy(self, key: str, order_key: str) -> CopyTold | Refusal:
        """What a new order like an earlier one begins with."""
        reply = await self._eligibility.call("GET", f"/v1/orders/{quote(order_key, safe='')}/copy", key=key)
        return reply.refusal or told(CopyTold, reply.content)

    async def drafts(self, key: str) -> tuple[DraftTold, ...]:
        """What was begun and not given."""
        reply = await self._ingest.call("GET", "/v1/drafts", key=key)
        return () if reply.refusal else told(DraftsTold, reply.content).items

    async def draft(self, key: str, draft_id: str) -> DraftFieldsTold | None:
        """One draft."""
        reply = await self._ingest.call("GET", _draft(draft_id), key=key)
        return None if reply.refusal else told(DraftFieldsTold, reply.content)

    async def keep(self, key: str, form: OrderForm) -> Refusal | None:
        """Keep a form as a draft; what was refused, if it was."""
        body = {
            "title": form.title,
            "fields": form.fields(),
            **{
                name: form.text(name) or None
                for name, longest in (("store_id", 64), ("reference", 100), ("copied_from", 500))
                if len(form.text(name)) <= longest
            },
        }
        return (await self._ingest.call("PUT", _draft(form.form_id), key=key, json=body)).refusal

    async def drop(self, key: str, draft_id: str) -> None:
        """Forget a draft, if there is one."""
        await self._ingest.call("DELETE", _draft(draft_id), key=key)

    async def give(self, key: str, form: OrderForm) -> GivenTold | Refusal:
        """Give the order; the same form with the same content gives one, however often it is sent."""
        once = {"Idempotency-Key": form.idempotency_key()}
        reply = Reply(0)
        for _ in range(_TRIES):
            reply = await self._ingest.call(
                "POST", "/v1/orders", key=key, query={"way": "form"}, json=form.order(), headers=once
            )
            if reply.refusal is None or reply.refusal.code != _IN_FLIGHT:
                break
            await self._clock.sleep(_AGAIN_AFTER)
        return reply.refusal or told(GivenTold, reply.content)

    async def make_store(self, key: str, name: str, *, form_id: str) -> StoreTold | Refusal:
        """Make a store that orders can be given to; one a form and name."""
        once = {"Idempotency-Key": f"{form_id}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"}
        body = {"platform": OUR_OWN, "name": name}
        reply = await self._ingest.call("POST", "/v1/stores", key=key, json=body, headers=once)
        return reply.refusal or told(StoreTold, reply.content)


def _draft(draft_id: str) -> str:
    return f"/v1/drafts/{quote(draft_id, safe='')}"
