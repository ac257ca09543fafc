"""Knows a store by its address: whatever of it a seller types, one store has one address."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from services.ingest.contract.stores import LinkingRefused

#: What sellers copy along with the address: the pages of WordPress behind it.
_BEHIND = re.compile(r"/(wp-json|wp-admin|wp-login\.php|wc-auth|wc-api|index\.php|my-account)(/.*)?$")
_PORTS = {"https": 443, "http": 80}
_LONGEST = 300
_WHAT_TO_TYPE = "Enter the address of your store as buyers see it, for example https://store.example.com."


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """`place` is host, port where it is not the scheme's own, and path: the store's identity, whatever the scheme."""

    scheme: str
    place: str

    @property
    def url(self) -> str:
        """The address without a slash at its end."""
        return f"{self.scheme}://{self.place}"

    @property
    def is_loopback(self) -> bool:
        """Whether the store is on this very machine, so that nobody is in between."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def store_address(typed: str) -> StoreAddress:
    """Return the address that a seller means. Raises LinkingRefused, saying what to type."""
    text = typed.strip()
    if not text or len(text) > _LONGEST or any(sign.isspace() for sign in text):
        raise LinkingRefused(_WHAT_TO_TYPE)
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = _host(parts), parts.port
    except ValueError:
        raise LinkingRefused(_WHAT_TO_TYPE) from None
    if parts.scheme not in _PORTS or not host or parts.username is not None:
        raise LinkingRefused(_WHAT_TO_TYPE)
    shown = host if port in {None, _PORTS[parts.scheme]} else f"{host}:{port}"
    path = _BEHIND.sub("", parts.path).rstrip("/")
    return StoreAddress(parts.scheme, f"{shown}{path}")


def leads_to(address: StoreAddress, location: str) -> StoreAddress | None:
    """Return where a redirect of the store's leads if that is the same store: with or without www, now with TLS."""
    try:
        other = store_address(location)
    except LinkingRefused:
        return None
    if address.scheme == "https" and other.scheme != "https":
        return None
    return other if _bare(other.place) == _bare(address.place) and other != address else None


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    if ":" in host:
        return f"[{host}]"
    return host if host.isascii() else host.encode("idna").decode()


def _bare(place: str) -> str:
    return place.removeprefix("www.")
