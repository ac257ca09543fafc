"""The closed set of reasons why an order is held or rejected: a sentence, who must act, what re-checks it."""

from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import Field

from schemas.base import Value


class ReasonCode(StrEnum):
    """A stable name; the page and the API show its sentence."""

    CANCELLED = "CANCELLED"
    DELETED_ON_PLATFORM = "DELETED_ON_PLATFORM"
    REFUNDED = "REFUNDED"
    TEST_ORDER = "TEST_ORDER"
    ALREADY_FULFILLED = "ALREADY_FULFILLED"
    NOTHING_TO_MAKE = "NOTHING_TO_MAKE"
    PAYMENT_PENDING = "PAYMENT_PENDING"
    PARTIAL_REFUND_UNCLEAR = "PARTIAL_REFUND_UNCLEAR"
    PLACED_BEFORE_LINKING = "PLACED_BEFORE_LINKING"
    PLATFORM_HOLD = "PLATFORM_HOLD"
    FRAUD_REVIEW = "FRAUD_REVIEW"
    ADDRESS_NOT_VISIBLE = "ADDRESS_NOT_VISIBLE"
    ADDRESS_INCOMPLETE = "ADDRESS_INCOMPLETE"
    ITEM_NOT_MATCHED = "ITEM_NOT_MATCHED"
    VARIANT_UNAVAILABLE = "VARIANT_UNAVAILABLE"
    ARTWORK_MISSING = "ARTWORK_MISSING"
    HELD_BY_SELLER = "HELD_BY_SELLER"
    NOT_APPROVED = "NOT_APPROVED"
    PRODUCTION_NOT_PAID = "PRODUCTION_NOT_PAID"
    LAST_LOOK_ASKED = "LAST_LOOK_ASKED"
    LAST_LOOK_UNANSWERED = "LAST_LOOK_UNANSWERED"
    CHANGED_TOO_LATE = "CHANGED_TOO_LATE"
    BUYER_DATA_ERASED = "BUYER_DATA_ERASED"


Actor = Literal["seller", "buyer", "platform", "production", "nobody"]
#: The fact whose arrival has the order judged again by itself.
Fact = Literal["revision", "match", "catalog", "approval", "balance", "settings", "address", "look", "none"]


class ReasonText(NamedTuple):
    """What a reason says. `{name}` in the sentence is filled from the reason's evidence."""

    sentence: str
    actor: Actor
    rechecked_by: tuple[Fact, ...]


REASONS: dict[ReasonCode, ReasonText] = {
    ReasonCode.CANCELLED: ReasonText("The order was cancelled on the platform.", "nobody", ("revision",)),
    ReasonCode.DELETED_ON_PLATFORM: ReasonText("The platform no longer has this order.", "nobody", ("revision",)),
    ReasonCode.REFUNDED: ReasonText("The buyer's payment was refunded or voided.", "nobody", ("revision",)),
    ReasonCode.TEST_ORDER: ReasonText(
        "This is a test order of the platform; test orders are not made.", "nobody", ("revision",)
    ),
    ReasonCode.ALREADY_FULFILLED: ReasonText("The order was already shipped on the platform.", "nobody", ("revision",)),
    ReasonCode.NOTHING_TO_MAKE: ReasonText(
        "Nothing is left to make: the items are digital, gift cards, tips, or were removed.",
        "nobody",
        ("revision",),
    ),
    ReasonCode.PAYMENT_PENDING: ReasonText(
        "The buyer has not paid yet (the platform says: {payment}).", "buyer", ("revision",)
    ),
    ReasonCode.PARTIAL_REFUND_UNCLEAR: ReasonText(
        "Part of the payment was refunded and the platform does not say for which item. Approve the order to "
        "make it as it stands, or hold it.",
        "seller",
        ("approval", "revision"),
    ),
    ReasonCode.PLACED_BEFORE_LINKING: ReasonText(
        "The order was placed before you linked the store, so it may already be made elsewhere. Approve it to have "
        "it made here.",
        "seller",
        ("approval", "revision"),
    ),
    ReasonCode.PLATFORM_HOLD: ReasonText("The platform put the order on hold ({hold}).", "platform", ("revision",)),
    ReasonCode.FRAUD_REVIEW: ReasonText(
        "The platform's fraud check recommends: {risk}. Approve the order to make it all the same.",
        "seller",
        ("approval", "revision"),
    ),
    ReasonCode.ADDRESS_NOT_VISIBLE: ReasonText(
        "The platform shows no shipping address for this order. Enter the address, or reconnect the store with "
        "the right permissions.",
        "seller",
        ("address", "revision"),
    ),
    ReasonCode.ADDRESS_INCOMPLETE: ReasonText(
        "The shipping address cannot be verified: {fields}. Correct it, or confirm that it is right.",
        "seller",
        ("address", "revision"),
    ),
    ReasonCode.ITEM_NOT_MATCHED: ReasonText(
        "No product of ours is matched to this item (SKU {sku}). Match it once and every order that waits for it "
        "goes on.",
        "seller",
        ("match", "catalog", "revision"),
    ),
    ReasonCode.VARIANT_UNAVAILABLE: ReasonText(
        "The matched product {sku} is not available at present.",
        "production",
        ("catalog", "match", "revision"),
    ),
    ReasonCode.ARTWORK_MISSING: ReasonText(
        "The matched product {sku} needs artwork and has none. Add a design to the match.",
        "seller",
        ("match", "catalog", "revision"),
    ),
    ReasonCode.HELD_BY_SELLER: ReasonText("You put this order on hold.", "seller", ("approval",)),
    ReasonCode.NOT_APPROVED: ReasonText("The order waits for your approval.", "seller", ("approval", "settings")),
    ReasonCode.PRODUCTION_NOT_PAID: ReasonText(
        "Production costs {cost} and your balance is {balance}. Top up, and waiting orders go on by themselves.",
        "seller",
        ("balance", "settings"),
    ),
    ReasonCode.LAST_LOOK_ASKED: ReasonText(
        "We ask the platform once more before the order is made: it was read last at {read}, and may have been "
        "cancelled or changed since. It goes on by itself.",
        "platform",
        ("look", "revision", "approval"),
    ),
    ReasonCode.LAST_LOOK_UNANSWERED: ReasonText(
        "Since {since} the platform could not tell whether the order still stands: {problem}. We go on asking. Approve "
        "the order to have it made as it was last read.",
        "seller",
        ("look", "revision", "approval"),
    ),
    ReasonCode.CHANGED_TOO_LATE: ReasonText(
        "The order changed on the platform after production had started ({change}). What is being made does not "
        "follow the change: contact production.",
        "seller",
        ("revision",),
    ),
    ReasonCode.BUYER_DATA_ERASED: ReasonText(
        "The platform asked that the buyer's data be erased, and production did not have the order yet, so it cannot "
        "be made.",
        "nobody",
        ("none",),
    ),
}


class Reason(Value):
    """One objection. `evidence` holds what the sentence needs: field names, SKUs, amounts, never personal data."""

    code: ReasonCode
    item_id: str | None = None
    evidence: dict[str, str] = Field(default_factory=dict)

    def sentence(self) -> str:
        """Return the objection in plain words; evidence that is missing shows as "?"."""
        return REASONS[self.code].sentence.format_map(_Evidence(self.evidence))


class _Evidence(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"
