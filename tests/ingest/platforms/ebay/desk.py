"""eBay's desk for notifications, in memory: destinations and subscriptions, for tests of what keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.ebay.shop import Shop, refusal
from tests.ingest.platforms.twin_http import Asked, answer

_BASE = "/commerce/notification/v1"


@dataclass
class Desk:
    """What is set up; subscriptions by the token that made them."""

    destinations: dict[str, dict[str, Any]] = field(default_factory=dict)
    subscriptions: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    alert_email: str | None = None
    #: Answers given instead, by method and path.
    instead: dict[tuple[str, str], HttpAnswer] = field(default_factory=dict)
    page: int = 100
    asked: list[Asked] = field(default_factory=list)
    shop: Shop = field(default_factory=Shop)

    def calls(self) -> list[str]:
        """What was asked of the desk, without what only looked."""
        found = [f"{asked.method} {urlsplit(asked.url).path.removeprefix(_BASE)}" for asked in self.asked]
        return [call for call in found if not call.startswith("GET")]

    def answer(self, asked: Asked) -> HttpAnswer:
        address = urlsplit(asked.url)
        if not address.path.startswith(_BASE):
            return self.shop.answer(asked)
        self.asked.append(asked)
        path = address.path.removeprefix(_BASE)
        if (asked.method, path) in self.instead:
            return self.instead[asked.method, path]
        mine = self.subscriptions.setdefault(asked.headers["Authorization"], {})
        match path.split("/")[1:]:
            case ["topic", topic]:
                old = {"schemaVersion": "1.1", "deprecated": True}
                return answer({"topicId": topic, "supportedPayloads": [{"schemaVersion": "1.0"}, old]})
            case ["config"]:
                return self._config(asked)
            case ["destination", *rest]:
                return self._entry(asked, self.destinations, "destination", rest, dict(parse_qsl(address.query)))
            case ["subscription", *rest]:
                return self._entry(asked, mine, "subscription", rest, dict(parse_qsl(address.query)))
        return refusal(1, status=404)

    def _config(self, asked: Asked) -> HttpAnswer:
        if asked.method == "PUT":
            self.alert_email = asked.json["alertEmail"]
            return answer(b"", status=204)
        return answer({"alertEmail": self.alert_email}) if self.alert_email else refusal(195001, status=404)

    def _entry(
        self, asked: Asked, held: dict[str, dict[str, Any]], kind: str, rest: list[str], query: dict[str, str]
    ) -> HttpAnswer:
        if not rest and asked.method == "GET":
            first = int(query.get("continuation_token", "0"))
            shown = [entry | {f"{kind}Id": number} for number, entry in held.items()][first : first + self.page]
            following = f"https://api.ebay.com{_BASE}/{kind}?continuation_token={first + self.page}"
            return answer({"total": len(held), f"{kind}s": shown, "next": following})
        if not rest:
            number = f"{kind}-{len(held) + 1}"
            held[number] = asked.json
            return answer(b"", status=201, headers={"Location": f"https://api.ebay.com{_BASE}/{kind}/{number}"})
        if asked.method == "DELETE":
            del held[rest[0]]
        else:
            held[rest[0]] |= asked.json
        return answer(b"", status=204)
