"""Who is calling: keys by header or query over HTTPS, OAuth 1.0a signatures anywhere, as WooCommerce checks them.

The sandbox speaks plain HTTP; a store that is to be an HTTPS one takes keys as if it were.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from urllib.parse import quote, unquote

from aiohttp import web

from deploy.sandbox.woocommerce.routing import WpError
from deploy.sandbox.woocommerce.site import Key, Site

#: How wrong a signed request's time may be, in seconds, and how long its nonce is remembered.
SIGNATURE_WINDOW = 15 * 60
_PARAMETERS = ("consumer_key", "timestamp", "nonce", "signature", "signature_method")
_METHODS = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
_HEADER = re.compile(r'(oauth_[a-z_-]*)=(?:"([^"]*)"|([^,]*))')


def identify(site: Site, request: web.Request) -> Key | None:
    """The key behind a request, None for a stranger (an unknown key is one); WpError for a wrong secret."""
    key = _by_secret(site, request) if site.options.https else None
    return key or _by_signature(site, request)


def allow(site: Site, request: web.Request, verb: str) -> None:
    """Let the request pass, or refuse it as stock WooCommerce does."""
    key = identify(site, request)
    if key is None or site.demoted:
        noun = "list resources" if verb == "list" else f"{verb} this resource"
        code = "view" if verb == "list" else verb
        status = 401 if key is None else 403
        raise WpError(f"woocommerce_rest_cannot_{code}", f"Sorry, you cannot {noun}.", status=status)
    if not key.may(request.method):
        needed = "read" if request.method in ("GET", "HEAD") else "write"
        raise _refused(f"The API key provided does not have {needed} permissions.")


def _by_secret(site: Site, request: web.Request) -> Key | None:
    """Key and secret from the query first, else from the Authorization header, unless the host strips that."""
    name, secret = request.query.get("consumer_key", ""), request.query.get("consumer_secret", "")
    if not (name and secret) and site.options.auth == "header":
        name, secret = _basic(request.headers.get("Authorization", ""))
    key = site.keys.get(name)
    if key is None or not secret:
        return None
    if not hmac.compare_digest(key.consumer_secret.encode(), secret.encode()):
        raise _refused("Consumer secret is invalid.")
    return key


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret


def _by_signature(site: Site, request: web.Request) -> Key | None:
    params = dict(request.query) | _from_header(site, request)
    missing = [name for name in _PARAMETERS if not params.get(f"oauth_{name}")]
    if len(missing) == len(_PARAMETERS):
        return None
    if missing:
        raise _refused(f"Missing OAuth parameters {', '.join(f'oauth_{name}' for name in missing)}")
    key = site.keys.get(params["oauth_consumer_key"])
    if key is None:
        raise _refused("Consumer key is invalid.")
    _check_signature(site, request, params, key)
    _check_time(site, params)
    return key


def _from_header(site: Site, request: web.Request) -> dict[str, str]:
    header = request.headers.get("Authorization", "").strip()
    if site.options.auth == "query" or not header.startswith("OAuth "):
        return {}
    return {name: unquote(quoted or bare) for name, quoted, bare in _HEADER.findall(header)}


def _check_signature(site: Site, request: web.Request, params: dict[str, str], key: Key) -> None:
    """The base string is the method, the store's configured home address with the path, and the sorted parameters."""
    digest = _METHODS.get(params["oauth_signature_method"])
    if digest is None:
        raise _refused("Invalid signature - signature method is invalid.")
    given = unquote(params["oauth_signature"].replace(" ", "+"))
    path = request.rel_url.raw_path.removeprefix(f"/{site.name}")
    pairs = sorted((_twice(name), _twice(value)) for name, value in params.items() if name != "oauth_signature")
    query = "%26".join(f"{name}%3D{value}" for name, value in pairs)
    # WordPress names its home without the slash at the end, clients sign what they ask for: either will do.
    addresses = {site.url + path, (site.url + path).rstrip("/")}
    bases = ["&".join((request.method, quote(address, safe=""), query)) for address in addresses]
    secret = f"{key.consumer_secret}&".encode()
    signed = [base64.b64encode(hmac.new(secret, base.encode(), digest).digest()) for base in bases]
    if not any(hmac.compare_digest(each, given.encode()) for each in signed):
        raise _refused("Invalid signature - provided signature does not match.")


def _twice(text: str) -> str:
    """Percent-encoded once as a parameter and once as a part of the base string."""
    return quote(unquote(text), safe="").replace("%", "%25")


def _check_time(site: Site, params: dict[str, str]) -> None:
    now = site.now()
    stamp = params["oauth_timestamp"]
    if not stamp.isdecimal() or abs(now - int(stamp)) > SIGNATURE_WINDOW:
        raise _refused("Invalid timestamp.")
    for nonce in [nonce for nonce, at in site.nonces.items() if at < now - SIGNATURE_WINDOW]:
        del site.nonces[nonce]
    if params["oauth_nonce"] in site.nonces:
        raise _refused("Invalid nonce - nonce has already been used.")
    site.nonces[params["oauth_nonce"]] = now


def _refused(message: str) -> WpError:
    return WpError("woocommerce_rest_authentication_error", message, status=401)
