"""The page for an order by hand: a form that helps to type one, keeps what is typed, and gives it once."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Protocol

from aiohttp import web

from schemas.money import Money
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.http.problems import not_found
from services.reporting.dashboard.browser import redirect
from services.reporting.dashboard.completeness_pages import Shows
from services.reporting.dashboard.order_form import ADDRESS, MOST_LINES, OrderForm, copied, totals
from services.reporting.dashboard.order_form_desk import Desk
from services.reporting.dashboard.order_form_screen import Screen, Sheet
from services.reporting.dashboard.order_form_told import (
    CopiedItemTold,
    CopyTold,
    ProductTold,
)
from services.reporting.dashboard.view import query
from services.reporting.dashboard.visit import Visit
from services.reporting.neighbours import Neighbours, Refusal
from services.reporting.ports import Reports

READ_SCOPE, WRITE_SCOPE = "orders:read", "orders:write"
PATH = "/new-order"
#: Without signs that look alike.
_SIGNS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
#: As ingest takes a draft's id.
_FORM_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Renders(Protocol):
    """Renders a part of a page."""

    def __call__(self, visit: Visit, template: str, /, **values: object) -> web.Response:
        """Return the part."""
        ...


Action = Callable[[Visit, Sheet, str], Awaitable[Sheet | web.Response]]


class OrderFormPages:
    """Answers under `/new-order`."""

    def __init__(
        self, reports: Reports, neighbours: Neighbours, *, clock: Clock, shows: Shows, renders: Renders
    ) -> None:
        self._reports = reports
        self._desk = Desk(neighbours, clock=clock)
        self._screen = Screen(reports, self._desk, shows=shows)
        self._clock = clock
        self._shows = shows
        self._renders = renders
        self._actions: Mapping[str, Action] = {
            "enter": self._enter,
            "search": self._search,
            "add": self._add,
            "remove": self._remove,
            "more": self._more,
            "country": self._country,
            "store": self._store,
            "keep": self._keep,
            "drop": self._drop,
            "give": self._give,
        }

    async def show(self, visit: Visit) -> web.Response:
        """Show the form: empty, or filled from a draft or from an earlier order."""
        if not _may(visit):
            return await self._shows(visit, "new_order.html", missing=_missing(visit), sheet=None)
        form = OrderForm(secrets.token_urlsafe(12), texts={"reference": self._reference(), "currency": "USD"})
        sheet = Sheet(replace(form, address={"country": "US"}))
        try:
            sheet = await self._filled(visit, sheet)
        except TransientError:
            sheet = sheet.noting("wait", visit.viewer.texts("new_order.away"))
        return await self._screen.show(visit, sheet)

    async def take(self, visit: Visit) -> web.Response:
        """Take a button of the form. Whatever comes of it, the page shows again what was typed."""
        if not _may(visit):
            return await self._shows(visit, "new_order.html", status=403, missing=_missing(visit), sheet=None)
        sheet = _typed(visit)
        does, _, argument = visit.form.get("do", "enter").partition(":")
        try:
            answer = await self._actions.get(does, self._enter)(visit, sheet, argument)
        except TransientError:
            answer = sheet.noting("wait", visit.viewer.texts("new_order.away"))
        return answer if isinstance(answer, web.Response) else await self._screen.show(visit, answer)

    async def check(self, visit: Visit) -> web.Response:
        """Say what is wrong with what is being typed, and what it comes to."""
        form = _typed(visit).form
        try:
            errors = await self._address_errors(visit, form, missing=False)
            products = await self._desk.products(visit.login.key, {line.sku for line in form.lines})
        except TransientError:
            errors, products = {}, {}
        values = {"errors": errors, "totals": totals(form, products), "names": [f"ship_to.{each}" for each in ADDRESS]}
        return self._renders(visit, "new_order_check.html", **values)

    async def products(self, visit: Visit) -> web.Response:
        """Show products for what is being typed."""
        text = visit.request.query.get("search", "").strip()
        try:
            found = await self._desk.search(visit.login.key, text) if text else None
        except TransientError:
            found = None
        return self._renders(visit, "new_order_found.html", found=found)

    async def given(self, visit: Visit) -> web.Response:
        """Show that an order is given, and where it stands once the report has it."""
        key = visit.request.query.get("order", "")
        if not key:
            raise not_found("order")
        order = await self._reports.order(visit.seller_id, key)
        sessions = (
            [entry.data["session_id"] for entry in order.timeline if entry.data.get("session_id")] if order else []
        )
        return await self._shows(
            visit,
            "new_order_given.html",
            key=key,
            order=order,
            session_id=sessions[0] if sessions else None,
            existed=visit.request.query.get("result") == "existing",
        )

    async def _filled(self, visit: Visit, sheet: Sheet) -> Sheet:
        asked, key, t = visit.request.query, visit.login.key, visit.viewer.texts
        if draft_id := asked.get("draft"):
            draft = await self._desk.draft(key, draft_id) if _FORM_ID.fullmatch(draft_id) else None
            if draft is None:
                return sheet.noting("wait", t("new_order.draft_gone"))
            return Sheet(OrderForm.read(draft.fields, form_id=draft_id), saved=True)
        if order_key := asked.get("like"):
            copy = await self._desk.copy(key, order_key)
            if isinstance(copy, Refusal):
                copy = await self._copied_from_report(visit, order_key)
                sheet = sheet.noting("wait", t("new_order.copied_goods"))
            elif copy.ship_to is None:
                sheet = sheet.noting("wait", t("new_order.copied_without_buyer"))
            else:
                sheet = sheet.noting("good", t("new_order.copied"))
            sheet = replace(sheet, form=copied(copy, sheet.form))
        stores = await self._screen.stores(visit, sheet.form)
        if asked.get("store") in {store.store_id for store in stores}:
            sheet = replace(sheet, form=sheet.form.with_text("store_id", asked["store"]))
        return sheet

    async def _copied_from_report(self, visit: Visit, order_key: str) -> CopyTold:
        """Return the goods as the report has them: no buyer, and nothing in a buyer's words."""
        order = await self._reports.order(visit.seller_id, order_key)
        if order is None:
            raise not_found("order")
        nothing_paid = Money.zero(order.total.currency if order.total else "USD")
        items = tuple(
            CopiedItemTold(
                sku=item.made_as or item.sku,
                title=item.title,
                quantity=max(1, item.quantity_to_make),
                unit_price=nothing_paid,
                personalization=(),
                designs=(),
            )
            for item in order.items
            if item.kind == "physical"
        )
        nothing = dict.fromkeys(("ship_to", "email", "shipping_service", "gift_message", "note"))
        return CopyTold(order_key=order_key, items=items, **nothing)

    async def _enter(self, visit: Visit, sheet: Sheet, _argument: str) -> Sheet | web.Response:
        """Take the Enter key: what was looked for is added; elsewhere it has the form looked through."""
        if sheet.search:
            found = await self._desk.search(visit.login.key, sheet.search)
            if found:
                return self._with_product(visit, sheet, found[0])
            return replace(sheet, found=(), focus="search")
        errors = await self._address_errors(visit, sheet.form, missing=False)
        return replace(sheet, errors=errors)

    async def _search(self, visit: Visit, sheet: Sheet, _argument: str) -> Sheet:
        return replace(sheet, found=await self._desk.search(visit.login.key, sheet.search), focus="search")

    async def _add(self, visit: Visit, sheet: Sheet, sku: str) -> Sheet:
        product = (await self._desk.products(visit.login.key, {sku})).get(sku)
        if product is None:
            return replace(sheet, found=(), focus="search")
        return self._with_product(visit, sheet, product)

    def _with_product(self, visit: Visit, sheet: Sheet, product: ProductTold) -> Sheet:
        t = visit.viewer.texts
        if len(sheet.form.lines) >= MOST_LINES:
            return sheet.noting("bad", t("new_order.too_many_lines", n=MOST_LINES))
        said = t("new_order.added", title=product.title, sku=product.sku)
        return replace(sheet, form=sheet.form.with_product(product), search="", found=None, said=said, focus="search")

    async def _remove(self, _visit: Visit, sheet: Sheet, place: str) -> Sheet:
        form = sheet.form.without_line(int(place)) if place.isascii() and place.isdigit() else sheet.form
        return replace(sheet, form=form, focus="search")

    async def _more(self, _visit: Visit, sheet: Sheet, place: str) -> Sheet:
        return replace(sheet, focus=f"more-{place}")

    async def _country(self, visit: Visit, sheet: Sheet, _argument: str) -> Sheet:
        errors = await self._address_errors(visit, sheet.form, missing=False)
        return replace(sheet, errors=errors, focus="country")

    async def _store(self, visit: Visit, sheet: Sheet, _argument: str) -> Sheet:
        name = visit.form.get("new_store", "").strip()
        made = await self._desk.make_store(visit.login.key, name, form_id=sheet.form.form_id)
        if isinstance(made, Refusal):
            return replace(sheet, errors={"new_store": self._sentence(visit, made)}, focus="new_store")
        said = visit.viewer.texts("new_order.store_made", name=made.name)
        return replace(sheet, form=sheet.form.with_text("store_id", made.store_id), said=said, focus="store")

    async def _keep(self, visit: Visit, sheet: Sheet, _argument: str) -> Sheet | web.Response:
        refused = await self._desk.keep(visit.login.key, sheet.form)
        if refused is not None:
            return sheet.noting("bad", self._sentence(visit, refused))
        return replace(sheet, saved=True).noting("good", visit.viewer.texts("new_order.kept"))

    async def _drop(self, visit: Visit, sheet: Sheet, _argument: str) -> web.Response:
        await self._desk.drop(visit.login.key, sheet.form.form_id)
        return _go(visit, PATH)

    async def _give(self, visit: Visit, sheet: Sheet, argument: str) -> Sheet | web.Response:
        t, key = visit.viewer.texts, visit.login.key
        address_form = await self._screen.address_form(visit, sheet.form)
        form = sheet.form.with_address_of(each.name for each in address_form.fields)
        faults: Mapping[str, str] = {}
        # Without this check the order is judged all the same, and waits where its address is wrong.
        with contextlib.suppress(TransientError):
            faults = await self._address_errors(visit, form, missing=True)
        if not form.lines:
            errors = {**faults, "items": t("new_order.no_items")}
            return replace(sheet, errors=errors).noting("bad", t("new_order.refused"))
        if faults and argument != "as_it_is":
            return replace(sheet, errors=faults, forced=True).noting("bad", t("new_order.address_incomplete"))
        given = await self._desk.give(key, form)
        if isinstance(given, Refusal):
            errors, general = self._errors(visit, given)
            sheet = replace(sheet, errors={**faults, **errors})
            return sheet.noting("bad", general or t("new_order.refused"))
        # The order is given; a draft that stays is dropped by its seller, or after its time.
        with contextlib.suppress(TransientError):
            await self._desk.drop(key, form.form_id)
        return _go(visit, query(f"{PATH}/given", order=given.order_key, result=given.result))

    def _errors(self, visit: Visit, refusal: Refusal) -> tuple[dict[str, str], str]:
        """Return what is wrong by field, and what is wrong with none of them."""
        t = visit.viewer.texts
        if refusal.code == "reference_taken":
            return {"reference": t("new_order.reference_taken")}, ""
        if refusal.code == "store_not_found":
            return {"store_id": t("new_order.no_such_store")}, ""
        errors: dict[str, str] = {}
        for each in refusal.errors:
            errors.setdefault(each.path, each.sentence)
        return errors, "" if errors else self._sentence(visit, refusal)

    def _sentence(self, visit: Visit, refusal: Refusal) -> str:
        if scope := refusal.missing_scope:
            return visit.viewer.texts("new_order.missing_scope", scope=scope)
        return refusal.errors[0].sentence if refusal.errors else refusal.sentence

    async def _address_errors(self, visit: Visit, form: OrderForm, *, missing: bool) -> dict[str, str]:
        if not form.address:
            return {}
        faults = await self._desk.faults(visit.login.key, form.address)
        return {
            f"ship_to.{each.field}": f"{each.problem}. {each.remedy}" for each in faults if missing or not each.missing
        }

    def _reference(self) -> str:
        return f"H-{self._clock.now():%y%m%d}-" + "".join(secrets.choice(_SIGNS) for _ in range(5))


def _typed(visit: Visit) -> Sheet:
    form_id = visit.form.get("form_id", "")
    form = OrderForm.read(visit.form, form_id=form_id if _FORM_ID.fullmatch(form_id) else secrets.token_urlsafe(12))
    return Sheet(form, search=visit.form.get("search", "").strip(), saved=bool(visit.form.get("saved")))


def _may(visit: Visit) -> bool:
    return not _missing(visit)


def _missing(visit: Visit) -> tuple[str, ...]:
    return tuple(scope for scope in (READ_SCOPE, WRITE_SCOPE) if not visit.may(scope))


def _go(visit: Visit, path: str) -> web.Response:
    if "HX-Request" in visit.request.headers:
        # The whole page goes there, not only the form.
        return web.Response(headers={"HX-Redirect": path})
    return redirect(path)
