"""How parcels go on Shopify."""

from __future__ import annotations

from services.ingest.platforms.shopify.tracking import COMPANIES
from tests.ingest.platforms.parcel_ways import Hold, Refusal, Ways

RELEASE = {"action": "release_hold"}

WAYS = Ways(
    write_path="#mutation (Ship|Retrack)$",
    cancelled=("cancelled", "refunded"),
    holds=(
        Hold(hold={"action": "hold"}, release=RELEASE),
        Hold(hold={"action": "schedule", "seconds": 600}, release=RELEASE),
    ),
    spellings=COMPANIES,
    # Its order's deadline is told with its fulfilment orders, which a page of orders does not hold.
    tells_ship_by=False,
    refusals=(
        Refusal(
            name="may_not_see_what_to_ship",
            store={"link_by": "token", "scopes": ["read_orders"]},
            remedy="seller",
            code="RIGHT_MISSING",
            store_wide=True,
        ),
        Refusal(
            name="may_not_ship",
            store={"link_by": "token", "scopes": ["read_orders", "read_merchant_managed_fulfillment_orders"]},
            remedy="seller",
            code="RIGHT_MISSING",
            store_wide=True,
        ),
        Refusal(name="cancelled_meanwhile", changes=({"action": "cancel"},), remedy="wait", code="CONFLICT"),
        Refusal(name="held_meanwhile", changes=({"action": "hold"},), remedy="wait", code="CONFLICT"),
        Refusal(name="moved_meanwhile", changes=({"action": "move"},), remedy="wait", code="CONFLICT"),
        Refusal(name="deleted_lines", parcel={"lines": {"1": 1}}, remedy="seller", code="LINES_REFUSED"),
        Refusal(name="no_number", parcel={"tracking_number": "- -"}, remedy="seller", code="NUMBER_REFUSED"),
    ),
)
