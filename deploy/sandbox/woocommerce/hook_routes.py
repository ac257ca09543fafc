"""The REST API's webhooks; the secret is taken and never shown, failures are counted and never shown."""

from __future__ import annotations

import re
import secrets
from typing import Any

from deploy.sandbox.woocommerce.listing import refuse_past_end
from deploy.sandbox.woocommerce.query import parse_page
from deploy.sandbox.woocommerce.routing import Call, Reply, Route, WpError
from deploy.sandbox.woocommerce.site import Hook, Site
from deploy.sandbox.woocommerce.wire import gmt, local

STATUSES = ("active", "paused", "disabled")
_HOOKS = "/wc/v3/webhooks"
_HOOK = rf"{_HOOKS}/(?P<id>[\d]+)"
_TOPIC = re.compile(r"(coupon|customer|order|product)\.(created|updated|deleted|restored)|action\.\w+")
_BEHIND = {
    "created": ["woocommerce_new_order", "woocommerce_process_shop_order_meta"],
    "updated": ["woocommerce_update_order", "woocommerce_order_refunded"],
    "deleted": ["wp_trash_post", "woocommerce_trash_order"],
    "restored": ["untrashed_post", "woocommerce_untrash_order"],
}


def hook_routes() -> list[Route]:
    """Every endpoint of webhooks."""
    return [
        Route("GET", _HOOKS, _list, "list"),
        Route("POST", _HOOKS, _create, "create"),
        Route("GET", _HOOK, _one),
        Route("PUT", _HOOK, _update, "edit"),
        Route("POST", _HOOK, _update, "edit"),
        Route("PATCH", _HOOK, _update, "edit"),
        Route("DELETE", _HOOK, _delete, "delete"),
    ]


async def _list(call: Call) -> Reply:
    page = parse_page(call.query)
    status = call.query.get("status", "all")
    found = [hook for hook in call.site.hooks.values() if status in ("all", hook.status)]
    found.sort(key=lambda hook: hook.id, reverse=call.query.get("order", "desc") == "desc")
    shown = [_payload(call.site, hook) for hook in found[page.start : page.start + page.size]]
    pages = -(-len(found) // page.size)
    if not shown and page.start:
        refuse_past_end(call.site)
    return Reply(shown, headers={"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(pages)})


async def _create(call: Call) -> Reply:
    """Made active whatever the ping is answered; without a secret it gets one that nobody is told."""
    site, given = call.site, call.given
    if given.get("id"):
        raise WpError("woocommerce_rest_shop_webhook_exists", "Cannot create existing shop_webhook.", status=400)
    now = site.now()
    hook = Hook(
        id=site.next_id(),
        name=str(given.get("name") or "Webhook created on " + (local(now, site.zone) or "")),
        topic=_topic(given),
        delivery_url=_address(given),
        secret=str(given.get("secret") or secrets.token_hex(25)),
        created=now,
        modified=now,
        status=_status(given) or "active",
    )
    site.hooks[hook.id] = hook
    await _saved(call, hook)
    return Reply(_payload(site, hook), status=201)


async def _one(call: Call) -> Reply:
    return Reply(_payload(call.site, _find(call)))


async def _update(call: Call) -> Reply:
    hook, given = _find(call), call.given
    if given.get("topic"):
        hook.topic = _topic(given)
    if given.get("delivery_url"):
        hook.delivery_url = _address(given)
        hook.pending_ping = True
    hook.secret = str(given.get("secret") or hook.secret)
    hook.name = str(given.get("name") or hook.name)
    if status := _status(given):
        if status == "active" and hook.status != "active" and call.site.options.failures_reset:
            hook.failures = 0
        hook.status = status
    hook.modified = call.site.now()
    await _saved(call, hook)
    return Reply(_payload(call.site, hook))


async def _delete(call: Call) -> Reply:
    hook = _find(call)
    if not call.flag("force"):
        raise WpError("woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.", status=501)
    del call.site.hooks[hook.id]
    return Reply(_payload(call.site, hook))


async def _saved(call: Call, hook: Hook) -> None:
    """Every save of an active webhook pings until one ping was answered."""
    if hook.status == "active" and hook.pending_ping:
        await call.behind.announcer.ping(hook)


def _find(call: Call) -> Hook:
    hook = call.site.hooks.get(int(call.ids[0]))
    if hook is None:
        raise WpError("woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.", status=404)
    return hook


def _topic(given: dict[str, Any]) -> str:
    topic = str(given.get("topic") or "").lower()
    if not _TOPIC.fullmatch(topic):
        message = "Webhook topic is required and must be valid."
        raise WpError("woocommerce_rest_shop_webhook_invalid_topic", message, status=400)
    return topic


def _address(given: dict[str, Any]) -> str:
    url = str(given.get("delivery_url") or "")
    if not url.startswith(("http://", "https://")):
        message = "Webhook delivery URL must be a valid URL starting with http:// or https://."
        raise WpError("woocommerce_rest_shop_webhook_invalid_delivery_url", message, status=400)
    return url


def _status(given: dict[str, Any]) -> str | None:
    status = str(given.get("status") or "").lower()
    if status and status not in STATUSES:
        message = "Webhook status must be valid."
        raise WpError("woocommerce_rest_shop_webhook_invalid_status", message, status=400)
    return status or None


def _payload(site: Site, hook: Hook) -> dict[str, Any]:
    resource, _, event = hook.topic.partition(".")
    base = f"{site.url}/wp-json{_HOOKS}"
    return {
        "id": hook.id,
        "name": hook.name,
        "status": hook.status,
        "topic": hook.topic,
        "resource": resource,
        "event": event,
        "hooks": _BEHIND.get(event, []),
        "delivery_url": hook.delivery_url,
        "date_created": local(hook.created, site.zone),
        "date_created_gmt": gmt(hook.created),
        "date_modified": local(hook.modified, site.zone),
        "date_modified_gmt": gmt(hook.modified),
        "_links": {"self": [{"href": f"{base}/{hook.id}"}], "collection": [{"href": base}]},
    }
