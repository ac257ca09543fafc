"""A client of the Amazon sandbox that is linked to one seller: calls as an app does, and arranges as a test may."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

ALL = "BUYER,RECIPIENT,PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES,TAX,PAYMENT,FULFILLMENT_ORDERS"
ORDERS = "/orders/2026-01-01/orders"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    json: Any
    body: bytes


@dataclass
class Client:
    """Calls the platform as a linked app would, and the control API as a test may."""

    session: aiohttp.ClientSession
    base: str
    control_url: str
    app: dict[str, str] = field(default_factory=dict)
    store: dict[str, Any] = field(default_factory=dict)
    access: str = ""
    refresh: str = ""

    async def send(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Answer:
        async with self.session.request(
            method, self.base + path, headers=headers, allow_redirects=False, **sent
        ) as answer:
            body = await answer.read()
            found = {name.lower(): value for name, value in answer.headers.items()}
            is_json = answer.content_type == "application/json"
            return Answer(answer.status, found, await answer.json() if is_json and body else None, body)

    async def call(self, method: str, path: str, *, token: str | None = None, **sent: Any) -> Answer:
        headers = {"x-amz-access-token": self.access if token is None else token, "x-amz-date": "20261123T120000Z"}
        return await self.send(method, path, headers=headers, **sent)

    async def token(self, **form: str) -> Answer:
        credentials = {"client_id": self.app["client_id"], "client_secret": self.app["client_secret"]}
        return await self.send("POST", "/auth/o2/token", data=credentials | form)

    async def renew(self) -> None:
        answer = await self.token(grant_type="refresh_token", refresh_token=self.refresh)
        assert answer.status == 200, answer.json
        self.access = answer.json["access_token"]

    async def grantless(self) -> str:
        answer = await self.token(grant_type="client_credentials", scope="sellingpartnerapi::notifications")
        return str(answer.json["access_token"])

    async def search(self, **query: str) -> Answer:
        """All that changed in the last two days, in full, unless told otherwise."""
        if not any(name.endswith("After") for name in query):
            query["lastUpdatedAfter"] = instant(-2 * 86_400)
        return await self.call("GET", ORDERS, params={"includedData": ALL} | query)

    async def one(self, order: str, **query: str) -> Any:
        answer = await self.call("GET", f"{ORDERS}/{order}", params={"includedData": ALL} | query)
        assert answer.status == 200, answer.json
        return answer.json["order"]

    async def control(self, method: str, path: str, /, **body: Any) -> Any:
        async with self.session.request(method, self.control_url + "/amazon" + path, json=body) as answer:
            found = await answer.json()
            assert answer.status < 300, found
            return found

    async def orders(self, state: str = "ready", *, count: int = 1, ago: str = "PT10M", **body: Any) -> list[str]:
        path = f"/stores/{self.store['store']}/orders"
        created = await self.control("POST", path, state=state, count=count, created_ago=ago, **body)
        return list(created["ids"])

    async def order(self, state: str = "ready", **body: Any) -> str:
        return (await self.orders(state, **body))[0]

    async def change(self, order: str, action: str, **change: Any) -> Any:
        path = f"/stores/{self.store['store']}/orders/{order}"
        return await self.control("PATCH", path, action=action, **change)

    async def open_store(self, **body: Any) -> Client:
        """Another seller, linked by a self-authorized refresh token."""
        app = await self.control("GET", "/app")
        store = await self.control("POST", "/stores", link_by="credentials", **body)
        refresh = store["link"]["credentials"]["refresh_token"]
        client = Client(self.session, self.base, self.control_url, app, store, refresh=refresh)
        await client.renew()
        return client


def instant(seconds: float) -> str:
    """So many seconds from now, as Amazon's parameters want it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
