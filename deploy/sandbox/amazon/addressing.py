"""Where Amazon's orders go, in Amazon's fields."""

from __future__ import annotations

import random
from typing import Any

from deploy.sandbox.amazon.markets import Market
from deploy.sandbox.people import PLACES, Address, Buyer, make_address, make_invalid_address

_SHORT_REGIONS = ("US", "CA", "AU")


def delivery_address(market: Market, buyer: Buyer, *, invalid: bool, rng: random.Random) -> Address:
    """Inside the marketplace's country where we know its cities; from the US to anywhere."""
    if invalid:
        return make_invalid_address(rng, buyer)
    if market.country == "BR":
        return _BRAZIL
    if market.country == "US":
        return make_address(rng, buyer)
    return make_address(rng, buyer, country=market.country if market.country in PLACES else "DE")


def address_fields(address: Address) -> dict[str, Any]:
    """The address in Amazon's fields; what is not there is left out, or an empty text in the second line."""
    state = address.region if address.country in _SHORT_REGIONS else address.region_name
    fields = {
        "name": address.name,
        "companyName": address.company,
        "addressLine1": address.line1,
        "city": address.city,
        "stateOrRegion": state,
        "postalCode": address.zip,
        "countryCode": address.country,
        "phone": address.phone,
        "addressType": "COMMERCIAL" if address.company else "RESIDENTIAL",
    }
    shown = {name: value for name, value in fields.items() if value} | {"addressLine2": address.line2}
    return shown | _brazilian(address) if address.country == "BR" else shown


def _brazilian(address: Address) -> dict[str, Any]:
    fields = {"streetName": address.line1.split(",")[0], "streetNumber": "1000", "neighborhood": "Bela Vista"}
    return {"extendedFields": fields}


_BRAZIL = Address(
    name="Buyer 0001",
    line1="Avenida Paulista, 1000",
    line2="Sala 301",
    city="São Paulo",
    region="SP",
    region_name="SP",
    zip="01310-100",
    country="BR",
    country_name="Brazil",
    phone="+5511912340000",
)
