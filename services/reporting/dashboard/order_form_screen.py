"""What the form for an order by hand shows: the sheet, and around it all that helps to fill it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from aiohttp import web

from services.kit.errors import TransientError
from services.reporting.dashboard.completeness_pages import Shows
from services.reporting.dashboard.imports_told import StoreTold
from services.reporting.dashboard.order_form import ADDRESS, OrderForm, totals
from services.reporting.dashboard.order_form_desk import Desk
from services.reporting.dashboard.order_form_told import AddressFormTold, ChoiceTold, DraftTold, FieldTold, ProductTold
from services.reporting.dashboard.own_stores import own_stores
from services.reporting.dashboard.visit import Visit
from services.reporting.ports import Reports

T = TypeVar("T")

#: Every order needs these, whatever its country.
_REQUIRED = frozenset({"name", "line1", "city"})
_NO_PRODUCTS: Mapping[str, ProductTold] = {}
_NO_COUNTRIES: tuple[ChoiceTold, ...] = ()
_NO_DRAFTS: tuple[DraftTold, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A form on the screen: what is typed, and what the page says about it.

    `errors` by field. `found` are products that were looked for, None when none were. `notices` are a tone and a
    sentence each. `saved`: it is a draft too. `forced`: it may be given though its address is not complete.
    """

    form: OrderForm
    search: str = ""
    found: tuple[ProductTold, ...] | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[tuple[str, str], ...] = ()
    said: str = ""
    focus: str = ""
    saved: bool = False
    forced: bool = False

    def noting(self, tone: str, sentence: str) -> Sheet:
        """The sheet with one more notice, which is read out."""
        return replace(self, notices=(*self.notices, (tone, sentence)), focus="notices")


class Screen:
    """Shows sheets. A neighbour that is away leaves out what it would have told, and nothing that was typed."""

    def __init__(self, reports: Reports, desk: Desk, *, shows: Shows) -> None:
        self._reports = reports
        self._desk = desk
        self._shows = shows

    async def show(self, visit: Visit, sheet: Sheet) -> web.Response:
        """Show the sheet with all that its form needs to know."""
        form, key = sheet.form, visit.login.key
        # Side by side: somebody waits, and for one that is away not longer than for all.
        address_form, into, products, countries, drafts = await asyncio.gather(
            self.address_form(visit, form),
            self.stores(visit, form),
            _or_nothing(self._desk.products(key, {line.sku for line in form.lines}), _NO_PRODUCTS),
            _or_nothing(self._desk.countries(key), _NO_COUNTRIES),
            _or_nothing(self._desk.drafts(key), _NO_DRAFTS),
        )
        named = {each.name for each in address_form.fields}
        response = await self._shows(
            visit,
            "new_order.html",
            # The library puts in only what did not fail; without it a browser shows the page whatever its status.
            status=422 if sheet.errors and "HX-Request" not in visit.request.headers else 200,
            missing=(),
            sheet=sheet,
            form=form,
            errors=sheet.errors,
            # What belongs to no field of the form is said above it.
            homeless=_homeless(sheet, address_form),
            into=into,
            countries=countries,
            address_form=address_form,
            passed_over={name: text for name, text in form.address.items() if name not in {*named, "country"}},
            products=products,
            totals=totals(form, products),
            drafts=[each for each in drafts if each.draft_id != form.form_id],
        )
        # Products' pictures are where production keeps them.
        policy = response.headers["Content-Security-Policy"].replace("img-src 'self'", "img-src 'self' https:")
        response.headers["Content-Security-Policy"] = policy
        return response

    async def stores(self, visit: Visit, form: OrderForm) -> list[StoreTold]:
        """Return the stores that orders can be given to."""
        called = visit.viewer.texts("new_order.new_store")
        return await own_stores(self._reports, visit.seller_id, chosen=form.text("store_id"), called=called)

    async def address_form(self, visit: Visit, form: OrderForm) -> AddressFormTold:
        """Return what the country of a form needs; where nobody can tell, all fields there are."""
        try:
            found = await self._desk.address_form(visit.login.key, form.country)
        except TransientError:
            found = None
        if found is not None:
            return found
        t = visit.viewer.texts
        names = [name for name in ADDRESS if name != "country"]
        fields = tuple(
            FieldTold(name=each, label=t(f"new_order.address.{each}"), required=each in _REQUIRED) for each in names
        )
        return AddressFormTold(country=form.country, name=form.country, fields=fields)


def _homeless(sheet: Sheet, address_form: AddressFormTold) -> list[str]:
    homes = {"store_id", "reference", "currency", "email", "shipping_service", "shipping_price", "items", "note"}
    homes |= {"gift_message", "new_store", "ship_to.country", *(f"ship_to.{each.name}" for each in address_form.fields)}
    for place, line in enumerate(sheet.form.lines):
        at = f"items.{place}"
        homes |= {at, *(f"{at}.{name}" for name in ("sku", "quantity", "unit_price"))}
        homes |= {
            f"{at}.personalization.{n}.{part}" for n in range(len(line.personalization)) for part in ("name", "value")
        }
        homes |= {f"{at}.designs.{n}.{part}" for n in range(len(line.designs)) for part in ("area", "url")}
    return [f"{path}: {sentence}" for path, sentence in sheet.errors.items() if path not in homes]


async def _or_nothing(asking: Awaitable[T], nothing: T) -> T:
    try:
        return await asking
    except TransientError:
        return nothing
