"""The page where a merchant lets software in: a key is made, told to the software, and deleted if that fails."""

from __future__ import annotations

import html
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import aiohttp
from aiohttp import web

from deploy.sandbox.woocommerce.site import PERMISSIONS, Site
from deploy.sandbox.woocommerce.wire import encode

_NEEDED = ("app_name", "user_id", "return_url", "callback_url", "scope")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TAKEN = 200


class DeniedError(Exception):
    """The page ends in an error; nothing was given to anybody."""


async def authorize(site: Site, query: Mapping[str, str], *, session: aiohttp.ClientSession) -> web.Response:
    """The signed-in merchant approves at once (or denies); the key is posted before the browser goes back."""
    try:
        _validate(site, query)
        if site.options.denies:
            return _back(query, success=0)
        await _hand_over(site, query, session)
    except DeniedError as error:
        page = f"<!DOCTYPE html><title>Access denied</title><p>Error: {html.escape(str(error))}.</p>"
        return web.Response(status=401, text=page, content_type="text/html")
    return _back(query, success=1)


def _validate(site: Site, query: Mapping[str, str]) -> None:
    for name in _NEEDED:
        if not query.get(name):
            raise DeniedError(f"Missing parameter {name}")
    if query["scope"] not in PERMISSIONS:
        raise DeniedError(f"Invalid scope {query['scope']}")
    for name in ("return_url", "callback_url"):
        if not urlsplit(_formatted(query[name])).hostname:
            raise DeniedError(f"The {name} is not a valid URL")
    callback = urlsplit(_formatted(query["callback_url"]))
    if callback.scheme.lower() != "https" and callback.hostname not in _LOOPBACK:
        raise DeniedError("The callback_url needs to be over SSL")
    if site.demoted:
        raise DeniedError("You do not have permission to access this page")


async def _hand_over(site: Site, query: Mapping[str, str], session: aiohttp.ClientSession) -> None:
    """The store's server posts the new key, unsigned; anything but a 200 and the key is deleted again."""
    key = site.new_key(query["scope"])
    told = {
        "key_id": key.id,
        "user_id": query["user_id"],
        "consumer_key": key.consumer_key,
        "consumer_secret": key.consumer_secret,
        "key_permissions": key.permissions,
    }
    headers = {
        "Content-Type": "application/json;charset=UTF-8",
        "User-Agent": f"WordPress/{site.wordpress}; {site.url}",
    }
    try:
        async with session.post(
            _formatted(query["callback_url"]), data=encode(told), headers=headers, allow_redirects=False
        ) as answer:
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        del site.keys[key.consumer_key]
        raise DeniedError("A valid URL was not provided or could not be reached") from error
    if status != _TAKEN:
        del site.keys[key.consumer_key]
        raise DeniedError("An error occurred in the request and at the time were unable to send the consumer data")


def _back(query: Mapping[str, str], *, success: int) -> web.Response:
    address = urlsplit(_formatted(query["return_url"]))
    asked = [*parse_qsl(address.query, keep_blank_values=True), ("success", success), ("user_id", query["user_id"])]
    return web.Response(status=302, headers={"Location": address._replace(query=urlencode(asked)).geturl()})


def _formatted(url: str) -> str:
    """An address as the page reads it: decoded once more, and https where no scheme is given."""
    url = unquote(url)
    return url if "://" in url else f"https://{url}"
