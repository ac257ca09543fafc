"""What becomes of parcels is told as the schema asks, and each thing once."""

from __future__ import annotations

import pytest

from deploy.sandbox.factory.floor import Floor, Pace
from deploy.sandbox.factory.parcels import KINDS
from schemas.production import PRODUCTION_UPDATE, UpdateLabelReplaced
from tests.deploy.sandbox.factory.orders import KEY, released
from tests.deploy.sandbox.factory.test_floor import NOW, run


def test_an_order_goes_out_in_several_parcels_that_hold_its_units_once() -> None:
    floor = Floor(pace=Pace(parcels=2))

    answers = [one for one in run(floor, released(quantity=3)) if one.event["type"] == "production.shipped"]

    parcels = [one.event["shipment"] for one in answers]
    assert [parcel["items"] for parcel in parcels] == [
        [{"item_id": "1", "quantity": 2}],
        [{"item_id": "1", "quantity": 1}],
    ]
    assert len({one.event_id for one in answers}) == len({parcel["tracking_number"] for parcel in parcels}) == 2
    assert floor.book.entry(KEY).units_made == 3


@pytest.mark.parametrize("what", KINDS)
def test_what_becomes_of_a_parcel_reads_as_agreed_and_is_the_same_fact_again(what: str) -> None:
    floor = Floor()
    run(floor, released())
    [sent] = floor.parcels.of_order(KEY)

    told, again = (floor.parcels.tell(sent.shipment["shipment_id"], what, now=NOW) for _ in range(2))

    update = PRODUCTION_UPDATE.validate_python(told.event)
    assert (update.type, told.key, told.event_id) == (KINDS[what], KEY, again.event_id)


def test_a_replaced_label_gives_a_parcel_with_a_number_of_its_own() -> None:
    floor = Floor()
    run(floor, released())
    [sent] = floor.parcels.of_order(KEY)

    update = PRODUCTION_UPDATE.validate_python(
        floor.parcels.tell(sent.shipment["shipment_id"], "replace", now=NOW).event
    )

    assert isinstance(update, UpdateLabelReplaced)
    assert update.shipment.tracking_number != sent.shipment["tracking_number"]
    assert len(floor.parcels.of_order(KEY)) == 2


def test_a_parcel_that_never_left_is_not_told_of() -> None:
    with pytest.raises(KeyError):
        Floor().parcels.tell("sh-unknown", "scan", now=NOW)
