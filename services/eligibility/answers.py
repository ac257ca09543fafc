"""What eligibility's API is asked and answers, as models."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.address import Address
from schemas.decisions import Outcome
from schemas.money import Money
from schemas.order import Design
from schemas.reasons import REASONS, Actor, Fact, Reason, ReasonCode
from services.eligibility.dossier import Dossier
from services.eligibility.facts import ANY_STORE, MatchKind, SellerSettings
from services.eligibility.ports import StoredMatch

#: Orders that one request may approve.
MOST_APPROVALS = 1000

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=2000)]


class Asked(BaseModel):
    """A body: an unknown field is a mistake worth telling, and errors never repeat what was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class OrderPath(BaseModel):
    """An order key: platform, store and the platform's order id, with colons between."""

    key: str = Field(min_length=5, max_length=500)


class ReasonView(BaseModel):
    """One objection in plain words: who must act, and what has the order judged again by itself."""

    code: ReasonCode
    sentence: str
    actor: Actor
    rechecked_by: tuple[Fact, ...]
    item_id: str | None = None
    evidence: dict[str, str] = {}

    @classmethod
    def of(cls, reason: Reason) -> Self:
        """Return the view of a reason."""
        text = REASONS[reason.code]
        return cls(
            code=reason.code,
            sentence=reason.sentence(),
            actor=text.actor,
            rechecked_by=text.rechecked_by,
            item_id=reason.item_id,
            evidence=reason.evidence,
        )


class ProductionView(BaseModel):
    """What production was told and how far it is."""

    revision: int
    cancelled: bool
    state: str | None
    past_return: bool


class DecisionView(BaseModel):
    """The valid decision about an order. `reassessing`: it is being judged again because of this request."""

    order_key: str
    store_id: str
    number: int
    outcome: Outcome
    reasons: tuple[ReasonView, ...]
    cost: Money | None
    decided_at: datetime
    approved: bool
    held_by_seller: bool
    production: ProductionView | None
    reassessing: bool = False

    @classmethod
    def of(cls, dossier: Dossier, *, reassessing: bool = False) -> Self:
        """Return the view of an order that was judged."""
        decided, told = dossier.decided, dossier.told
        if decided is None:
            raise ValueError("the order was not judged yet")
        return cls(
            order_key=dossier.order_key,
            store_id=dossier.store_id,
            number=decided.number,
            outcome=decided.outcome,
            reasons=tuple(map(ReasonView.of, decided.reasons)),
            cost=decided.cost,
            decided_at=decided.decided_at,
            approved=dossier.approval.given,
            held_by_seller=dossier.held_by_seller,
            production=ProductionView(
                revision=told.revision, cancelled=told.cancelled, state=told.state, past_return=told.past_return
            )
            if told
            else None,
            reassessing=reassessing,
        )


class CorrectedAddress(Asked):
    """The address to send the parcel to."""

    name: Text
    company: Text | None = None
    line1: Text
    line2: Text | None = None
    city: Text | None = None
    region: Text | None = None
    postal_code: Text | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    phone: Text | None = None

    def address(self) -> Address:
        """Return it as the rules read it."""
        return Address(**self.model_dump())


Number = Annotated[
    int,
    Field(ge=1, le=2**31 - 1, description="The decision's `number`: approve only if it is still the valid one."),
]


class Approval(Asked):
    """Which decision the seller saw; without it the order is approved as it stands."""

    number: Number | None = None


class KeyedApproval(Asked):
    """One order to approve, and which decision about it the seller saw."""

    order_key: str
    number: Number | None = None


class Approvals(Asked):
    """Orders to approve at once: `keys` as they stand, `items` each with the decision that the seller saw."""

    keys: tuple[str, ...] = ()
    items: tuple[KeyedApproval, ...] = ()

    @model_validator(mode="after")
    def _names_some(self) -> Self:
        if not 1 <= len(self.order_keys()) <= MOST_APPROVALS:
            raise ValueError(f"name 1 to {MOST_APPROVALS} orders in keys and items together")
        if self.items and len(set(self.order_keys())) < len(self.order_keys()):
            raise ValueError("name each order once when items are given")
        return self

    def order_keys(self) -> tuple[str, ...]:
        """Return all orders, in the order they were sent."""
        return (*self.keys, *(item.order_key for item in self.items))

    def numbers(self) -> dict[str, int]:
        """Return the numbers of the decisions that the seller saw, by order."""
        return {item.order_key: item.number for item in self.items if item.number is not None}


class ApprovalResult(BaseModel):
    """What became of one of them. `number` tells which decision was approved."""

    order_key: str
    result: Literal["approved", "not_found", "already_released", "erased", "decision_changed"]
    number: int | None = None


class ApprovalResults(BaseModel):
    """One result an order, in the order they were sent."""

    items: tuple[ApprovalResult, ...]
    next: None = None


class NewDesign(Asked):
    """Artwork for one print area of the product: where production fetches the file."""

    area: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    url: Url

    def design(self) -> Design:
        """Return it as production is told of it."""
        return Design(area=self.area, url=self.url)


class NewMatch(Asked):
    """Say what production makes for a platform's variant, product, or SKU; without `store_id` in all stores."""

    store_id: Text | None = None
    platform_variant_id: Text | None = None
    product_id: Text | None = None
    sku: Text | None = None
    production_sku: Text
    designs: tuple[NewDesign, ...] = Field(default=(), max_length=20)

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        if sum(value is not None for value in (self.platform_variant_id, self.product_id, self.sku)) != 1:
            raise ValueError("give exactly one of platform_variant_id, product_id and sku")
        return self

    def subject(self) -> tuple[MatchKind, str]:
        """Return what the match is about."""
        if self.platform_variant_id is not None:
            return "variant", self.platform_variant_id
        if self.product_id is not None:
            return "product", self.product_id
        return "sku", self.sku or ""


class MatchView(BaseModel):
    """A match."""

    id: str
    store_id: str | None
    platform_variant_id: str | None = None
    product_id: str | None = None
    sku: str | None = None
    production_sku: str
    designs: tuple[Design, ...]
    changed_at: datetime

    @classmethod
    def of(cls, stored: StoredMatch) -> Self:
        """Return the view of a match."""
        kind, value = stored.ref.kind, stored.ref.value
        return cls(
            id=stored.match_id,
            store_id=None if stored.ref.store_id == ANY_STORE else stored.ref.store_id,
            platform_variant_id=value if kind == "variant" else None,
            product_id=value if kind == "product" else None,
            sku=value if kind == "sku" else None,
            production_sku=stored.match.production_sku,
            designs=stored.match.designs,
            changed_at=stored.changed_at,
        )


class MatchPath(BaseModel):
    """A match's id."""

    id: str


class MatchQuery(BaseModel):
    """Which matches to list."""

    store_id: str | None = None
    limit: int = Field(default=100, ge=1, le=500)
    cursor: str = ""


class MatchList(BaseModel):
    """Matches; `next` goes into `cursor` for those that follow."""

    items: tuple[MatchView, ...]
    next: str | None


class SettingsView(BaseModel):
    """What the seller leaves to us."""

    auto_match: bool
    auto_approve: bool
    auto_pay: bool

    @classmethod
    def of(cls, settings: SellerSettings) -> Self:
        """Return the view of the settings."""
        return cls(auto_match=settings.auto_match, auto_approve=settings.auto_approve, auto_pay=settings.auto_pay)


class SettingsChange(Asked):
    """What to change; what is left out stays."""

    auto_match: bool | None = None
    auto_approve: bool | None = None
    auto_pay: bool | None = None


class RuleView(BaseModel):
    """A reason code: its sentence, who must act, and what has the order judged again by itself."""

    code: ReasonCode
    sentence: str
    actor: Actor
    rechecked_by: tuple[Fact, ...]


class RuleList(BaseModel):
    """Every reason an order can be held or rejected for."""

    rules_version: str
    items: tuple[RuleView, ...]
    next: None = None


class Amount(BaseModel):
    """Money in major units, as people write it."""

    amount: str
    currency: str

    @classmethod
    def of(cls, money: Money) -> Self:
        """Return the amount as text."""
        return cls(amount=money.text(), currency=money.currency)


class BalanceView(BaseModel):
    """What the seller has prepaid, one amount a currency."""

    balances: tuple[Amount, ...]


class TopUp(Asked):
    """Money that came in. The same `reference` counts once."""

    amount: Annotated[str, StringConstraints(pattern=r"^\d{1,12}(\.\d{1,4})?$")]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    reference: Text


class Reassessments(Asked):
    """Which held orders to judge again; `dry_run` only counts."""

    dry_run: bool = False
    reason_code: ReasonCode | None = None
    store_id: Text | None = None


class ReassessmentsView(BaseModel):
    """How many orders are judged again, or what would become of them."""

    dry_run: bool
    orders: int
    outcomes: dict[str, int] | None = None
