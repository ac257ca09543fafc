"""How parcels go on ShopBase."""

from __future__ import annotations

from tests.ingest.platforms.parcel_ways import Hold, Refusal, Ways

WAYS = Ways(
    # The list of an order's parcels is asked for by the same path, and a query.
    write_path=r"/fulfillments(/\d+)?\.json$",
    by_hand={"action": "fulfil"},
    cancelled=("cancelled", "refunded", "voided"),
    holds=(Hold(hold={"action": "post_purchase", "seconds": 900}, release={"action": "post_purchase", "seconds": 0}),),
    # Unless the order came in through an API, the buyer is told: what else a new parcel says is ignored.
    mails_unasked=1,
    spellings={},
    tells_ship_by=False,
    refusals=(
        Refusal(
            name="may_not_ship",
            store={"link_by": "credentials", "scopes": ["read_orders"]},
            remedy="seller",
            code="RIGHT_MISSING",
            store_wide=True,
        ),
        Refusal(name="partly_refunded", state="partly_refunded", remedy="seller", code="REFUNDED"),
        Refusal(name="with_another_service", state="processing", remedy="seller", code="WITH_ANOTHER"),
        Refusal(name="cancelled_meanwhile", changes=({"action": "cancel"},), remedy="wait", code="CONFLICT"),
        Refusal(name="shipped_meanwhile", changes=({"action": "fulfil"},), remedy="wait", code="CONFLICT"),
        Refusal(name="unknown_lines", parcel={"lines": {"1": 1}}, remedy="seller", code="LINES_REFUSED"),
        Refusal(name="no_number", parcel={"tracking_number": "- -"}, remedy="seller", code="NUMBER_REFUSED"),
    ),
)
