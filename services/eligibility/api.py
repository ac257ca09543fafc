"""Eligibility's HTTP API: decisions, and the facts by which a seller changes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from schemas.decisions import Cause
from schemas.money import Money, MoneyError
from schemas.reasons import REASONS
from services.eligibility import words
from services.eligibility.answers import (
    Amount,
    Approval,
    ApprovalResult,
    ApprovalResults,
    Approvals,
    BalanceView,
    CorrectedAddress,
    DecisionView,
    MatchList,
    MatchPath,
    MatchQuery,
    MatchView,
    NewMatch,
    OrderPath,
    Reassessments,
    ReassessmentsView,
    RuleList,
    RuleView,
    SettingsChange,
    SettingsView,
    TopUp,
)
from services.eligibility.dossier import Dossier
from services.eligibility.dry_run import count_changes
from services.eligibility.facts import ANY_STORE, Match, MatchRef
from services.eligibility.judging import Judge
from services.eligibility.ports import Repository
from services.eligibility.rules import RULES_VERSION
from services.eligibility.sealing import Sealer
from services.eligibility.words import Word
from services.kit.clock import Clock
from services.kit.http.auth import principal
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes

_ORDER = "/v1/orders/{key}"
_LOOK_AGAIN = "Read the order's decision again, and approve with the number that it has now if you still want it made."
_ABOUT_ORDERS: dict[str, Any] = {"status": 202, "tags": ["orders"], "scope": "orders:write"}


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes work with."""

    repository: Repository
    judge: Judge
    sealer: Sealer
    clock: Clock

    async def decision(self, key: str, seller_id: str) -> DecisionView:
        """Return an order's valid decision."""
        dossier = (await self.repository.dossiers([key])).get(key)
        if dossier is None or dossier.seller_id != seller_id or dossier.decided is None:
            raise not_found("order")
        return DecisionView.of(dossier)

    async def say(self, request: web.Request, key: str, word: Word, cause: Cause) -> DecisionView:
        """Say a word about one order."""
        answers = await words.say(
            word,
            [key],
            seller_id=principal(request).seller_id,
            cause=cause,
            repository=self.repository,
            sealer=self.sealer,
            now=self.clock.now(),
        )
        match answers[key]:
            case Dossier() as dossier if dossier.decided is not None:
                return DecisionView.of(dossier, reassessing=True)
            case "already_released":
                raise Problem(409, "already_released", "Production already has this order.")
            case "erased":
                raise Problem(409, "order_erased", "The buyer's data of this order were erased.")
            case "decision_changed":
                raise Problem(409, "decision_changed", "The decision about this order has changed.", _LOOK_AGAIN)
            case _:
                raise not_found("order")


def api_routes(api: Api) -> Routes:
    """Declare all routes."""
    routes = Routes(
        title="Sync Order: eligibility",
        version="1",
        description="Which orders production may make, why others wait, and what a seller can do about it.",
    )
    for area in (_order_routes, _approval_routes, _reassessment_routes, _match_routes, _setting_routes, _money_routes):
        routes.include(area(api))
    return routes


def _new_routes() -> Routes:
    return Routes(title="Sync Order: eligibility", version="1")


def _order_routes(api: Api) -> Routes:
    routes = _new_routes()

    @routes.get(f"{_ORDER}/decision", summary="An order's decision", tags=["orders"], scope="orders:read", errors=[404])
    async def get_decision(request: web.Request, *, path: OrderPath) -> DecisionView:
        return await api.decision(path.key, principal(request).seller_id)

    def declare(name: str, summary: str, word: Word, cause: Cause) -> None:
        async def act(request: web.Request, *, path: OrderPath) -> DecisionView:
            return await api.say(request, path.key, word, cause)

        act.__name__ = name.replace("-", "_")
        routes.post(f"{_ORDER}/{name}", summary=summary, errors=[404, 409], **_ABOUT_ORDERS)(act)

    declare("hold", "Put the order on hold", words.hold, "approval")
    declare("release", "Lift the hold", words.release, "approval")
    declare("address-confirmation", "Say that the address is right", words.confirm_address, "address")
    declare("pay", "Pay production from the balance", words.pay, "balance")

    @routes.post(f"{_ORDER}/address", summary="Correct the address", errors=[404, 409], **_ABOUT_ORDERS)
    async def correct_address(request: web.Request, *, path: OrderPath, body: CorrectedAddress) -> DecisionView:
        return await api.say(request, path.key, words.correct_address(body.address()), "address")

    return routes


def _approval_routes(api: Api) -> Routes:
    routes = _new_routes()

    @routes.post(f"{_ORDER}/approve", summary="Have the order made", errors=[404, 409], **_ABOUT_ORDERS)
    async def approve(request: web.Request, *, path: OrderPath, body: Approval | None) -> DecisionView:
        """With the `number` of the decision that you saw, 409 `decision_changed` if it is no longer the valid one."""
        numbers = {path.key: body.number} if body and body.number is not None else {}
        return await api.say(request, path.key, words.approve_as_seen(numbers), "approval")

    @routes.post("/v1/approvals", summary="Approve many orders", **_ABOUT_ORDERS)
    async def approve_many(request: web.Request, *, body: Approvals) -> ApprovalResults:
        """Each is approved or refused by itself; `decision_changed`: look at it again."""
        keys = body.order_keys()
        answers = await words.say(
            words.approve_as_seen(body.numbers()),
            set(keys),
            seller_id=principal(request).seller_id,
            cause="approval",
            repository=api.repository,
            sealer=api.sealer,
            now=api.clock.now(),
        )
        return ApprovalResults(items=tuple(_approval_result(key, answers[key]) for key in keys))

    return routes


def _approval_result(key: str, said: Dossier | words.Refusal) -> ApprovalResult:
    if not isinstance(said, Dossier):
        return ApprovalResult(order_key=key, result=said)
    return ApprovalResult(order_key=key, result="approved", number=said.decided.number if said.decided else None)


def _reassessment_routes(api: Api) -> Routes:
    routes = _new_routes()

    @routes.post("/v1/reassessments", summary="Judge held orders again", **_ABOUT_ORDERS)
    async def reassess(request: web.Request, *, body: Reassessments) -> ReassessmentsView:
        """Held orders are judged again by themselves when a fact arrives; this is for everything else."""
        seller, store, reason = principal(request).seller_id, body.store_id, body.reason_code
        code = reason.value if reason else None
        if not body.dry_run:
            requested = await api.repository.wake_seller(seller, store_id=store, reason=code)
            return ReassessmentsView(dry_run=False, orders=requested)
        counts = await count_changes(api.repository, api.judge, seller_id=seller, store_id=store, reason=code)
        return ReassessmentsView(dry_run=True, orders=counts.total(), outcomes=dict(counts))

    return routes


def _match_routes(api: Api) -> Routes:
    routes = _new_routes()

    @routes.get("/v1/matches", summary="The matches", tags=["matches"], scope="matches:read")
    async def list_matches(request: web.Request, *, query: MatchQuery) -> MatchList:
        found = await api.repository.matches(
            principal(request).seller_id, after=query.cursor, store_id=query.store_id, limit=query.limit + 1
        )
        page = found[: query.limit]
        following = page[-1].match_id if len(found) > query.limit else None
        return MatchList(items=tuple(map(MatchView.of, page)), next=following)

    @routes.post(
        "/v1/matches",
        summary="Match an item to what production makes",
        status=201,
        tags=["matches"],
        scope="matches:write",
        errors=[404],
    )
    async def put_match(request: web.Request, *, body: NewMatch) -> MatchView:
        """Every order that waits for this match is judged again by itself. The same item again replaces its match."""
        seller = principal(request).seller_id
        if body.store_id is not None and await api.repository.seller_of_store(body.store_id) != seller:
            raise not_found("store")
        ref = MatchRef(seller, body.store_id or ANY_STORE, *body.subject())
        match = Match(body.production_sku, tuple(design.design() for design in body.designs))
        return MatchView.of(await api.repository.put_match(ref, match, now=api.clock.now()))

    @routes.delete(
        "/v1/matches/{id}",
        summary="Forget a match",
        status=204,
        tags=["matches"],
        scope="matches:write",
        errors=[404],
    )
    async def forget_match(request: web.Request, *, path: MatchPath) -> None:
        if not await api.repository.forget_match(principal(request).seller_id, path.id):
            raise not_found("match")

    return routes


def _setting_routes(api: Api) -> Routes:
    routes = _new_routes()

    @routes.get("/v1/settings", summary="What is done by itself", tags=["settings"], scope="settings:read")
    async def get_settings(request: web.Request) -> SettingsView:
        return SettingsView.of(await api.repository.settings(principal(request).seller_id))

    @routes.patch("/v1/settings", summary="Change that", tags=["settings"], scope="settings:write")
    async def change_settings(request: web.Request, *, body: SettingsChange) -> SettingsView:
        """Orders that waited for it are judged again by themselves."""
        seller = principal(request).seller_id
        changes = body.model_dump(exclude_none=True)
        return SettingsView.of(await api.repository.change_settings(seller, changes))

    @routes.get("/v1/rules", summary="Why orders are held or rejected", tags=["settings"], scope="orders:read")
    async def list_rules(_request: web.Request) -> RuleList:
        views = (RuleView(code=code, **text._asdict()) for code, text in REASONS.items())
        return RuleList(rules_version=RULES_VERSION, items=tuple(views))

    return routes


def _money_routes(api: Api) -> Routes:
    routes = _new_routes()

    async def balance_of(seller_id: str) -> BalanceView:
        return BalanceView(balances=tuple(map(Amount.of, await api.repository.balances(seller_id))))

    @routes.get("/v1/balance", summary="The prepaid balance", tags=["balance"], scope="balance:read")
    async def get_balance(request: web.Request) -> BalanceView:
        return await balance_of(principal(request).seller_id)

    @routes.post(
        "/v1/balance/top-ups",
        summary="Add to the balance",
        status=201,
        tags=["balance"],
        scope="balance:write",
        errors=[409],
    )
    async def top_up(request: web.Request, *, body: TopUp) -> BalanceView:
        """Orders that waited for money are judged again by themselves. The same reference counts once."""
        seller, amount = principal(request).seller_id, _money(body)
        made = await api.repository.top_up(seller, amount, reference=body.reference, now=api.clock.now())
        if made != amount:
            raise Problem(409, "reference_used", "This reference stands for another amount.")
        return await balance_of(seller)

    return routes


def _money(body: TopUp) -> Money:
    try:
        amount = Money.parse(body.amount, body.currency)
    except MoneyError as error:
        raise Problem(422, "invalid_amount", "The amount is not one.", str(error)) from None
    if amount.amount <= 0:
        raise Problem(422, "invalid_amount", "The amount is not one.", "it must be more than nothing")
    return amount
