"""Small HTTP clients of the demo: our services with the seller's key, and the sandboxes' control API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp

from deploy.demo.world import World

Json = dict[str, Any]


class RefusedError(Exception):
    """A call was not answered with success; says which and what was answered."""


class Api:
    """Calls to the running world: `ingest`, `eligibility` and `reporting` by name, `control` for the platforms."""

    def __init__(self, world: World, session: aiohttp.ClientSession) -> None:
        self._world = world
        self._session = session

    async def call(self, service: str, method: str, path: str, *, body: Json | None = None) -> Json:
        """Call a service of ours as the seller."""
        return await self._answer(method, self._world.services[service] + path, body=body, headers=self._as_seller())

    async def control(self, method: str, path: str, *, body: Json | None = None) -> Json:
        """Call the sandboxes' control API."""
        return await self._answer(method, self._world.control + path, body=body)

    async def factory(self, path: str, *, method: str = "GET", body: Json | None = None) -> Json:
        """Ask the factory, or tell it something."""
        return await self._answer(method, self._world.factory + path, body=body)

    async def fetch(self, service: str, path: str) -> bytes:
        """Get a file from a service of ours as the seller."""
        async with self._session.get(self._world.services[service] + path, headers=self._as_seller()) as answer:
            if not answer.ok:
                raise RefusedError(f"GET {path}: {answer.status} {(await answer.text())[:500]}")
            return await answer.read()

    async def upload(self, service: str, path: str, content: bytes) -> Json:
        """Give a file to a service of ours as the seller."""
        return await self._answer(
            "POST", self._world.services[service] + path, content=content, headers=self._as_seller()
        )

    async def browse(self, url: str) -> str:
        """Open a page as a browser does, following redirects; the text of where it ends."""
        async with self._session.get(url) as answer:
            text = await answer.text()
            if not answer.ok:
                raise RefusedError(f"GET {answer.url.with_query(None)}: {answer.status} {text[:500]}")
            return text

    async def pages(self, service: str, path: str, query: Mapping[str, str]) -> AsyncIterator[Json]:
        """Every item of a list resource, page by page."""
        after: str | None = None
        while True:
            asked = urlencode({**query, **({"cursor": after} if after else {})})
            page = await self.call(service, "GET", f"{path}?{asked}")
            for item in page["items"]:
                yield item
            after = page["next"]
            if after is None:
                return

    def _as_seller(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._world.key}"}

    async def _answer(
        self,
        method: str,
        url: str,
        *,
        body: Json | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        async with self._session.request(method, url, json=body, data=content, headers=headers) as answer:
            if not answer.ok:
                raise RefusedError(
                    f"{method} {url.split('?', maxsplit=1)[0]}: {answer.status} {(await answer.text())[:500]}"
                )
            result: Json = await answer.json() if answer.status != 204 else {}  # noqa: PLR2004 - no content
            return result
