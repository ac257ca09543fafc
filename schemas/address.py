"""Where a parcel goes: personal data, as the platform gave it."""

from schemas.base import Value


class Address(Value):
    """A postal address in the platform's own words; None where the platform gave nothing.

    `region` is the ISO 3166-2 part after the country where the platform has one ("CA"), else its text;
    `country` is ISO 3166-1 alpha-2. All of it is personal data: it never enters a log, a key or the report.
    """

    name: str | None = None
    company: str | None = None
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
    phone: str | None = None
