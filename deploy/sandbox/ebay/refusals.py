"""eBay's refusals: every documented error by its number, in the shape that all of its REST APIs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

FULFILLMENT, NOTIFICATION = "API_FULFILLMENT", "API_NOTIFICATION"
#: Fulfillment API v1.20.7, response codes of its methods.
_FULFILLMENT_ERRORS: dict[int, str] = {
    30700: "Invalid filter name: {value}",
    30800: "Invalid filter value {value}",
    30810: "Invalid date format",
    30820: "Start date is missing",
    30830: "Time range between start date and end date must be within '2' years.",
    30840: "Start date should be before end date",
    30850: "Start and end dates can't be in the future",
    30900: "Exceeded maximum number of order IDs (the current limit is 50)",
    31000: "Invalid offset: {value}",
    31100: "Invalid limit: {value}",
    32100: "Invalid order ID: {value}",
    32200: "Invalid line item id: {value}",
    32210: "Duplicate line item in the request",
    32300: "Invalid shipment tracking number or carrier",
    32400: "Requested user is suspended",
    32500: "Invalid shipped date",
    32600: "Invalid input data",
    32800: "Invalid field group: {value}",
    34100: "Maximum tracking number for order is exceeded",
    34200: "Line Items contain Global Shipping Program and non-Global Shipping Program orders",
    34300: "Mark As Shipped for multiple Global Shipping Program line items is not supported",
    34500: "Please use PUT operation for updating shipping fulfillment",
}
#: Notification API v1.5.1, response codes of its methods.
_NOTIFICATION_ERRORS: dict[int, tuple[int, str]] = {
    195001: (404, "The specified key id is invalid."),
    195002: (404, "Invalid or missing topic id."),
    195003: (409, "Please provide configurations required for notifications. Refer to /config"),
    195004: (400, "Invalid limit. Supported ranges 10 - 100."),
    195005: (400, "Invalid continuation token."),
    195006: (400, "Invalid or missing subscription status."),
    195007: (400, "Invalid or missing destination id."),
    195008: (400, "Invalid or missing schema version. Please refer to /topic/{topic_id}."),
    195009: (400, "Specified format is not supported for the topic."),
    195010: (400, "Invalid or missing protocol"),
    195011: (403, "Not authorized for this topic."),
    195012: (409, "Subscription already exists"),
    195013: (404, "The subscription id does not exist."),
    195015: (409, "The subscription cannot be enabled since the destination is not enabled."),
    195016: (400, "Invalid name. Markups or lengths greater than 64 not supported"),
    195017: (400, "Invalid or missing endpoint."),
    195018: (400, "Invalid or missing destination status. Supported values:[ENABLED,DISABLED]"),
    195019: (400, "Invalid or missing verification token for this endpoint."),
    195020: (409, "Challenge verification failed for requested endpoint"),
    195021: (409, "Destination exists for this endpoint"),
    195022: (404, "Invalid or missing destination id."),
    195024: (409, "Destination is in use and cannot be deleted."),
    195025: (400, "Invalid or missing email."),
    195026: (404, "Configuration Not Found."),
    195027: (400, "Invalid or missing topic id."),
    195032: (400, "The specified subscription topic is not filterable."),
}


class EbayError(Exception):
    """eBay answers with this status and one entry of `errors`."""

    def __init__(self, status: int, entry: dict[str, Any]) -> None:
        super().__init__(entry["message"])
        self.status = status
        self.error_id = int(entry["errorId"])
        self._entry = entry

    def response(self) -> web.Response:
        """The answer; eBay promises no header with it."""
        return web.Response(status=self.status, body=orjson.dumps({"errors": [self._entry]}), content_type=JSON)


@dataclass(slots=True)
class OAuthError(Exception):
    """The token endpoint's refusal, in the shape of RFC 6749 section 5.2."""

    error: str
    description: str
    status: int = 400

    def response(self) -> web.Response:
        """The answer."""
        body = orjson.dumps({"error": self.error, "error_description": self.description})
        return web.Response(status=self.status, body=body, content_type=JSON)


JSON = "application/json"


def refused(error_id: int, value: str | None = None, *, status: int = 400, field: str = "") -> EbayError:
    """A refusal of the Fulfillment API; `value` is what was wrong, `field` the parameter that it came in."""
    message = _FULFILLMENT_ERRORS[error_id].format(value=value)
    entry = _entry(error_id, FULFILLMENT, message)
    if value is not None:
        entry["parameters"] = [{"name": field or "value", "value": value}]
    return EbayError(status, entry)


def unacceptable(error_id: int) -> EbayError:
    """A refusal of the Notification API."""
    status, message = _NOTIFICATION_ERRORS[error_id]
    return EbayError(status, _entry(error_id, NOTIFICATION, message))


def no_token() -> EbayError:
    """The call carries no bearer token."""
    return EbayError(401, _entry(1002, "OAuth", "Missing access token"))


def bad_token() -> EbayError:
    """The token is unknown, has expired or was revoked: eBay tells these apart in nothing."""
    text = "Invalid access token. Check the value of the Authorization HTTP request header."
    return EbayError(401, _entry(1001, "OAuth", "Invalid access token") | {"longMessage": text})


def forbidden() -> EbayError:
    """The token is good, and not for this: another kind of token or another scope is needed."""
    text = "Insufficient permissions to fulfill the request."
    return EbayError(403, _entry(1100, "ACCESS", "Access denied") | {"longMessage": text})


def too_many() -> EbayError:
    """The day's quota is used up; no header says when to come back."""
    text = "The request limit has been reached for the resource."
    return EbayError(429, _entry(2001, "ACCESS", "Too many requests.") | {"longMessage": text})


def _entry(error_id: int, domain: str, message: str) -> dict[str, Any]:
    return {"errorId": error_id, "domain": domain, "category": "REQUEST", "message": message, "longMessage": message}
