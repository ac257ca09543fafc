"""How parcels go on Etsy."""

from __future__ import annotations

from services.ingest.platforms.etsy.tracking import CARRIER_NAMES
from tests.ingest.platforms.parcel_ways import Hold, Refusal, Ways

WAYS = Ways(
    write_path="/tracking$",
    cancelled=("cancelled", "refunded"),
    exempt=("digital_only",),
    holds=(
        Hold(state="unpaid_pending", release={"action": "pay"}),
        Hold(state="unpaid_open", release={"action": "pay"}),
    ),
    # Each call tells the buyer, of the whole receipt.
    mails_unasked=1,
    several=False,
    spellings=CARRIER_NAMES,
    other_carrier="other",
    refusals=(
        Refusal(
            name="restricted_shop",
            store={"restricted": True},
            remedy="seller",
            code="TRACKING_NOT_PERMITTED",
            store_wide=True,
        ),
        Refusal(name="cancelled_meanwhile", changes=({"action": "cancel"},), remedy="wait", code="CONFLICT"),
        Refusal(name="no_number", parcel={"tracking_number": "- -"}, remedy="seller", code="NUMBER_REFUSED"),
    ),
)
