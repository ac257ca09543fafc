"""Where an order goes, in eBay's words: to the buyer, to a hub of eBay's, to a shop, or nowhere."""

from __future__ import annotations

from typing import Any

from deploy.sandbox.ebay.ledger import day_after
from deploy.sandbox.people import Address

#: A hub of eBay's in the seller's country, which forwards to the buyer.
_HUB = {
    "addressLine1": "100 Hub Road",
    "addressLine2": "Suite 200",
    "city": "Austin",
    "stateOrProvince": "TX",
    "postalCode": "78701",
    "countryCode": "US",
}
_NO_STATE = ("GB", "DE", "FR")


def instruction(scenario: str, address: Address, *, created_ms: int) -> dict[str, Any]:
    """How the order is to be fulfilled."""
    match scenario:
        case "digital_only" | "gift_card_only":
            return {"fulfillmentInstructionsType": "DIGITAL"}
        case "fulfilled_by_ebay":
            return {"fulfillmentInstructionsType": "FULFILLED_BY_EBAY", **_window(created_ms)}
        case "pickup":
            step = {"merchantLocationKey": "store-7"}
            return {"fulfillmentInstructionsType": "PREPARE_FOR_PICKUP", "pickupStep": step}
    return {
        "fulfillmentInstructionsType": "SHIP_TO",
        **_window(created_ms),
        "shippingStep": {
            "shipTo": contact(address, alias=address.phone[-7:]),
            "shippingCarrierCode": "USPS",
            "shippingServiceCode": "USPSPriority" if address.country == "US" else "USPSFirstClassMailInternational",
        },
    }


def hub_instruction(address: Address, *, created_ms: int) -> dict[str, Any]:
    """To a hub: the parcel goes there, and what the buyer calls home is told beside."""
    told = contact(address, alias=address.phone[-7:])
    ship_to = {name: told[name] for name in ("fullName", "primaryPhone", "email")} | {"contactAddress": _HUB}
    return {
        "fulfillmentInstructionsType": "SHIP_TO",
        "ebaySupportedFulfillment": True,
        **_window(created_ms),
        "finalDestinationAddress": told["contactAddress"],
        "shippingStep": {
            "shipTo": ship_to,
            "shipToReferenceId": f"REF{address.phone[-7:]}",
            "shippingServiceCode": "US_eBayInternationalShipping",
        },
    }


def contact(address: Address, *, alias: str) -> dict[str, Any]:
    """A person at an address; eBay leaves out what is empty, and tells an alias in place of the e-mail address."""
    told: dict[str, Any] = {
        "fullName": address.name,
        "contactAddress": contact_address(address),
        "primaryPhone": {"phoneNumber": address.phone},
        "email": f"{alias}@members.example.com",
    }
    if address.company:
        told["companyName"] = address.company
    return told


def contact_address(address: Address) -> dict[str, str]:
    """The address alone."""
    fields = {
        "addressLine1": address.line1,
        "addressLine2": address.line2,
        "city": address.city,
        "stateOrProvince": "" if address.country in _NO_STATE else address.region or address.region_name,
        "postalCode": address.zip,
        "countryCode": address.country,
    }
    if address.country == "JP":
        fields["stateOrProvince"] = address.region_name
    return {name: value for name, value in fields.items() if value}


def _window(created_ms: int) -> dict[str, str]:
    return {
        "minEstimatedDeliveryDate": day_after(created_ms, days=5),
        "maxEstimatedDeliveryDate": day_after(created_ms, days=9),
    }
