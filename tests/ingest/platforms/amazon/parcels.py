"""How parcels go on Amazon."""

from __future__ import annotations

from services.ingest.platforms.amazon.packages import CARRIER_CODES
from tests.ingest.platforms.parcel_ways import Hold, Refusal, Ways

WAYS = Ways(
    write_path="/shipmentConfirmation",
    exempt=("ship_plus", "fulfilled_by_amazon", "unfulfillable", "label_bought"),
    holds=(
        Hold(state="unpaid_pending", release={"action": "pay"}),
        Hold(state="pending_availability", release={"action": "pay"}),
    ),
    # Amazon mails the buyer of every package, and of none that is corrected.
    mails_unasked=1,
    spellings=CARRIER_CODES,
    lossy={"confirmation_dropped": 3, "confirmation_lag": 40},
    refusals=(
        Refusal(name="transparency", state="transparency", remedy="seller", code="TRANSPARENCY_CODES"),
        Refusal(
            name="without_the_role", store={"confirms": False}, remedy="seller", code="RIGHT_MISSING", store_wide=True
        ),
        Refusal(name="shipped_meanwhile", changes=({"action": "ship"},), remedy="wait", code="CHANGED"),
        Refusal(name="cancelled_meanwhile", changes=({"action": "cancel"},), remedy="wait", code="CHANGED"),
        Refusal(name="unknown_lines", parcel={"lines": {"1": 1}}, remedy="seller", code="LINES_REFUSED"),
    ),
)
