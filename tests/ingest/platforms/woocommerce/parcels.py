"""How parcels go in WooCommerce stores: by order and note, by the core's fulfilments, and by a tracking plugin."""

from __future__ import annotations

from dataclasses import replace

from services.ingest.platforms.woocommerce.parcel_names import PROVIDERS
from tests.ingest.platforms.parcel_ways import Hold, Refusal, Ways

_READS_ONLY = {"link_by": "credentials", "permissions": "read"}
_NO_NUMBER = Refusal(name="no_number", parcel={"tracking_number": "- -"}, remedy="seller", code="NUMBER_REFUSED")


def _right_missing(*plugins: str) -> Refusal:
    return Refusal(
        name="reads_only",
        store={**_READS_ONLY, "plugins": list(plugins)},
        remedy="seller",
        code="RIGHT_MISSING",
        store_wide=True,
    )


#: Stores as most are: the completed mail, and the note that has the number.
WAYS = Ways(
    write_path=r"/orders/\d+$",
    write_method="PUT",
    by_hand={"action": "complete"},
    delete={"action": "delete", "force": True},
    cancelled=("cancelled", "refunded"),
    exempt=("gift_card_only",),
    holds=(
        Hold(state="unpaid_pending", release={"action": "pay"}),
        Hold(state="unpaid_authorized", release={"action": "pay"}),
        Hold(state="failed", release={"action": "pay"}),
        Hold(state="custom_status", release={"action": "status", "status": "processing"}),
    ),
    refusals=(_right_missing(), _NO_NUMBER),
    mails=2,
    goes_on=True,
    # Completing an order mails its buyer.
    mails_unasked=1,
    other_carrier=None,
    tells_ship_by=False,
)
MORE_WAYS = {
    "fulfillments": replace(
        WAYS,
        store={"plugins": ["fulfillments"]},
        write_path=r"/fulfillments(/\d+)?\b",
        write_method="POST",
        refusals=(
            _right_missing("fulfillments"),
            _NO_NUMBER,
            Refusal(name="unknown_lines", parcel={"lines": {"1": 1}}, remedy="seller", code="LINES_REFUSED"),
        ),
        mails=1,
        mails_unasked=0,
        goes_on=False,
        spellings=PROVIDERS,
        other_carrier="other",
    ),
    "plugin": replace(
        WAYS,
        store={"plugins": ["shipment-tracking"]},
        write_path="/shipment-trackings$",
        write_method="POST",
        refusals=(_right_missing("shipment-tracking"), _NO_NUMBER),
        mails=1,
        several=False,
        spellings={"fedex": "Fedex", "dhl-de": "DHL Intraship (DE)"},
        other_carrier="Pigeon Post",
    ),
}
