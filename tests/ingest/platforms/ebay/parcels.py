"""How parcels go on eBay."""

from __future__ import annotations

from services.ingest.platforms.ebay.tracking import CARRIER_CODES
from tests.ingest.platforms.parcel_ways import Hold, Refusal, Ways

WAYS = Ways(
    write_path="/shipping_fulfillment$",
    write_method="POST",
    cancelled=("cancelled", "refunded"),
    exempt=("fulfilled_by_ebay", "ebay_label"),
    holds=(
        Hold(state="unpaid_pending", release={"action": "pay"}),
        Hold(state="payment_failed", release={"action": "pay"}),
        Hold(hold={"action": "cancel_request"}, release={"action": "cancel_reject"}),
    ),
    # Each call tells the buyer.
    mails_unasked=1,
    spellings=CARRIER_CODES,
    other_carrier="Other",
    refusals=(
        Refusal(
            name="suspended", store={"suspended": True}, remedy="seller", code="ACCOUNT_SUSPENDED", store_wide=True
        ),
        Refusal(name="too_many", settings={"max_tracking_numbers": 0}, remedy="final", code="TOO_MANY_NUMBERS"),
        Refusal(name="global_shipping", state="global_shipping", remedy="seller", code="GLOBAL_SHIPPING"),
        Refusal(name="cancelled_meanwhile", changes=({"action": "cancel"},), remedy="wait", code="CONFLICT"),
        Refusal(name="no_number", parcel={"tracking_number": "- -"}, remedy="seller", code="NUMBER_REFUSED"),
        Refusal(name="unknown_lines", parcel={"lines": {"1": 1}}, remedy="seller", code="LINES_REFUSED"),
    ),
)
