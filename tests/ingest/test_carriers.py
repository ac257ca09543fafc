"""Carriers are found by what production calls them, else by the form and check digit of the number."""

from __future__ import annotations

import pytest

from services.ingest.tracking.carriers import ANYWHERE, BY_ID, CARRIERS, carrier_of, tracking_url_of


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("USPS", "usps"),
        ("usps first class", "usps"),
        ("United States Postal Service", "usps"),
        ("UPS", "ups"),
        ("UPS Mail Innovations", "ups-mi"),
        ("UPS MI", "ups-mi"),
        ("FedEx Home Delivery", "fedex"),
        ("FedEx SmartPost 2-7 days", "fedex-smartpost"),
        ("DHL", "dhl"),
        ("DHL Global Mail", "dhl-ecommerce"),
        ("DHL eCommerce Parcel Expedited", "dhl-ecommerce"),
        ("Hermes", "evri"),
        ("La Poste", "la-poste"),
        ("SF", "sf-express"),
        ("sfumato couriers", None),
        ("Some Local Courier", None),
        ("", None),
    ],
)
def test_a_carrier_is_known_by_its_words(name: str, found: str | None) -> None:
    carrier = carrier_of(name, "")

    assert (carrier.id if carrier else None) == found


@pytest.mark.parametrize(
    ("number", "found"),
    [
        ("9400111202555842332669", "usps"),
        ("9400 1112 0255 5842 3326 69", "usps"),
        ("9400111202555842332660", None),
        ("1Z999AA10123456784", "ups"),
        ("1z999aa10123456784", "ups"),
        ("1Z999AA10123456785", None),
        ("986578788855", "fedex"),
        ("YT2312345678901234", "yunexpress"),
        ("RB123456785GB", "royal-mail"),
        ("RB123456784GB", None),
        ("LX473124829US", "usps"),
        ("TBA123456789012", None),
        ("GM60511234500000001", "dhl-ecommerce"),
        ("1234567890", None),
        ("", None),
        ("#-?", None),
    ],
)
def test_a_number_without_a_name_tells_its_carrier_where_its_form_is_certain(number: str, found: str | None) -> None:
    carrier = carrier_of("", number)

    assert (carrier.id if carrier else None) == found


def test_the_name_counts_more_than_the_number() -> None:
    carrier = carrier_of("YunExpress", "9400111202555842332669")

    assert carrier is BY_ID["yunexpress"]


def test_no_two_carriers_share_a_word() -> None:
    words = [word.casefold() for each in CARRIERS for word in {each.id, each.name, *each.also}]
    plain = ["".join(sign for sign in word if sign.isalnum()) for word in words]

    for each in CARRIERS:
        for word in (each.id, each.name, *each.also):
            assert carrier_of(word, "") is each, word
    assert len(set(plain)) >= len(CARRIERS)


def test_every_number_can_be_followed_somewhere() -> None:
    told = tracking_url_of(BY_ID["usps"], "94", told="https://track.example/94")
    known = tracking_url_of(BY_ID["usps"], "94 00", told=None)
    unknown = tracking_url_of(None, "94&00", told=None)

    assert told == "https://track.example/94"
    assert known == "https://tools.usps.com/go/TrackConfirmAction?tLabels=94%2000"
    assert unknown == ANYWHERE.replace("{number}", "94%2600")
