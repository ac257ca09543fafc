"""Buyers and addresses: invented people, at addresses that their countries' rules accept, or plainly do not."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Address:
    """A shipping address; `region` is the subdivision's short code, `region_name` its full name, "" if none."""

    name: str
    line1: str
    line2: str
    city: str
    region: str
    region_name: str
    zip: str
    country: str
    country_name: str
    phone: str
    company: str = ""


@dataclass(frozen=True, slots=True)
class Buyer:
    """An invented buyer; e-mail and phone use ranges reserved for examples."""

    first_name: str
    last_name: str
    email: str
    phone: str

    @property
    def name(self) -> str:
        """First and last name as one string."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True, slots=True)
class Place:
    """A real city with a postal code of its own."""

    country: str
    country_name: str
    city: str
    region: str
    region_name: str
    zip: str
    streets: tuple[str, ...]


def _places(country: str, name: str, streets: tuple[str, ...], *cities: tuple[str, str, str, str]) -> tuple[Place, ...]:
    return tuple(Place(country, name, *city, streets) for city in cities)


PLACES: dict[str, tuple[Place, ...]] = {
    "US": _places(
        "US",
        "United States",
        ("{n} Main Street", "{n} Oak Avenue", "{n} W 5th St"),
        ("New York", "NY", "New York", "10001"),
        ("Los Angeles", "CA", "California", "90012"),
        ("Chicago", "IL", "Illinois", "60601"),
        ("Austin", "TX", "Texas", "78701"),
        ("Seattle", "WA", "Washington", "98101"),
        ("Denver", "CO", "Colorado", "80202"),
        ("Boston", "MA", "Massachusetts", "02108"),
    ),
    "CA": _places(
        "CA",
        "Canada",
        ("{n} King Street West", "{n} rue Saint-Denis"),
        ("Toronto", "ON", "Ontario", "M5V 2T6"),
        ("Vancouver", "BC", "British Columbia", "V6B 1A1"),
        ("Montréal", "QC", "Quebec", "H2Y 1C6"),
    ),
    "GB": _places(
        "GB",
        "United Kingdom",
        ("{n} High Street", "Flat 2, {n} Station Road"),
        ("London", "", "", "SW1A 2AA"),
        ("Manchester", "", "", "M1 1AE"),
        ("Edinburgh", "", "", "EH1 1YZ"),
    ),
    "DE": _places(
        "DE",
        "Germany",
        ("Hauptstraße {n}", "Gärtnerweg {n}"),
        ("Berlin", "", "", "10115"),
        ("München", "", "", "80331"),
        ("Köln", "", "", "50667"),
    ),
    "FR": _places(
        "FR",
        "France",
        ("{n} rue de l'Église", "{n} bis avenue Victor Hugo"),
        ("Paris", "", "", "75001"),
        ("Lyon", "", "", "69001"),
    ),
    "AU": _places(
        "AU",
        "Australia",
        ("{n} George Street", "Unit 4/{n} Queen Street"),
        ("Sydney", "NSW", "New South Wales", "2000"),
        ("Melbourne", "VIC", "Victoria", "3000"),
        ("Brisbane", "QLD", "Queensland", "4000"),
    ),
    "JP": _places(
        "JP",
        "Japan",
        ("1-{n} Chiyoda", "2-{n}-1 Marunouchi"),
        ("Chiyoda-ku", "JP-13", "Tokyo", "100-0001"),
        ("Osaka-shi", "JP-27", "Osaka", "530-0001"),
    ),
}
#: Where orders go, of 100.
COUNTRY_SHARES: dict[str, int] = {"US": 70, "CA": 9, "GB": 7, "DE": 5, "FR": 4, "AU": 3, "JP": 2}

_COUNTRIES = tuple(country for country, share in COUNTRY_SHARES.items() for _ in range(share))
_NAMES = (
    ("Buyer", "{n:04d}"),
    ("Buyer", "{n:04d}"),
    ("Buyer", "{n:04d}"),
    ("Zoë", "Ångström-{n}"),
    ("Nguyễn", "Văn {n}"),
    ("O'Brien", "Test {n}"),
    ("山田", "太郎 {n}"),
)


def make_buyer(rng: random.Random) -> Buyer:
    """An invented buyer, repeatable by the generator's seed."""
    number = rng.randrange(10_000)
    first, last = rng.choice(_NAMES)
    return Buyer(
        first_name=first,
        last_name=last.format(n=number),
        email=f"buyer{number:04d}@example.com",
        phone=f"+1202555{100 + number % 100:04d}",
    )


def make_address(rng: random.Random, buyer: Buyer, *, country: str | None = None) -> Address:
    """A complete address that is valid for its country (chosen by `COUNTRY_SHARES` if not given)."""
    place = rng.choice(PLACES[country or rng.choice(_COUNTRIES)])
    return Address(
        name=buyer.name,
        line1=rng.choice(place.streets).format(n=rng.randrange(1, 900)),
        line2=rng.choice(("", "", "", "Apt 4B", "Floor 2")),
        city=place.city,
        region=place.region,
        region_name=place.region_name,
        zip=place.zip,
        country=place.country,
        country_name=place.country_name,
        phone=buyer.phone,
    )


def make_invalid_address(rng: random.Random, buyer: Buyer) -> Address:
    """A US address that cannot be delivered: the ZIP of another state, no city, or no street."""
    good = make_address(rng, buyer, country="US")
    other_state = {"NY": "90012", "CA": "10001"}.get(good.region, "10001")
    return rng.choice((replace(good, zip=other_state), replace(good, city=""), replace(good, line1="", line2="")))


#: First digits of ZIP codes by state, for the states in `PLACES`.
_ZIP_STARTS = {"NY": "1", "CA": "9", "IL": "6", "TX": "7", "WA": "9", "CO": "8", "MA": "0"}


def is_deliverable(address: Address | None) -> bool:
    """Whether an address is complete, and its ZIP of its state where both are known."""
    if address is None or not all((address.line1, address.city, address.zip, address.country)):
        return False
    return address.country != "US" or address.zip.startswith(_ZIP_STARTS.get(address.region, ""))
