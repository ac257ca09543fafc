from __future__ import annotations

from typing import Annotated, Literal

import pytest
from aiohttp import web
from openapi_spec_validator import validate
from pydantic import BaseModel, Field

from services.kit.errors import TransientError
from services.kit.http.auth import SESSION_COOKIE, principal
from services.kit.http.openapi import document
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes
from services.kit.keys import Principal
from tests.kit.http.conftest import Serve

pytestmark = pytest.mark.integration


class ThingPath(BaseModel):
    thing_id: Annotated[str, Field(pattern="^t-")]


class Window(BaseModel):
    limit: Annotated[int, Field(ge=1, le=100)] = 10
    state: list[Literal["new", "old"]] = []


class Item(BaseModel):
    quantity: Annotated[int, Field(ge=1)]


class NewThing(BaseModel):
    name: str
    items: list[Item] = []


class Thing(BaseModel):
    thing_id: str
    seller_id: str
    asked: Window | None = None


class Things(BaseModel):
    items: list[Thing]
    next: str | None = None


def thing_routes() -> Routes:
    routes = Routes(title="Things", version="1", description="For tests.")

    @routes.get("/v1/things/{thing_id}", summary="One thing", scope="things:read", tags=["things"], errors=[404])
    async def get_thing(request: web.Request, *, path: ThingPath, query: Window) -> Thing:
        """Tells what is known of a thing."""
        if path.thing_id == "t-none":
            raise not_found("thing")
        return Thing(thing_id=path.thing_id, seller_id=principal(request).seller_id, asked=query)

    @routes.get("/v1/things", summary="All things", scope="things:read")
    async def list_things(_request: web.Request, *, query: Window) -> Things:
        return Things(items=[Thing(thing_id=state, seller_id="s") for state in query.state])

    @routes.post("/v1/things", status=201, summary="A new thing", scope="things:write")
    async def add_thing(request: web.Request, *, body: NewThing) -> Thing:
        return Thing(thing_id=body.name, seller_id=principal(request).seller_id)

    @routes.delete("/v1/things/{thing_id}", summary="No thing", scope="things:write")
    async def remove_thing(_request: web.Request, *, path: ThingPath) -> None:
        del path

    @routes.get("/secret", summary="Not granted", scope="secrets:read")
    async def secret(_request: web.Request) -> Things:
        raise AssertionError

    @routes.get("/broken", summary="Breaks", scope=None)
    async def broken(_request: web.Request) -> Things:
        raise ValueError("Ada Lovelace")

    @routes.get("/away", summary="Away", scope=None)
    async def away(_request: web.Request) -> Things:
        raise TransientError("postgres is away", retry_after=7)

    return routes


async def test_what_was_declared_is_parsed_and_rendered(served: Serve) -> None:
    things = await served(thing_routes())

    got = await things.session.get("/v1/things/t-1?limit=3&state=new&state=old", headers=things.authorization)
    listed = await things.session.get("/v1/things?state=old", headers=things.authorization)
    made = await things.session.post("/v1/things", json={"name": "t-2"}, headers=things.authorization)
    gone = await things.session.delete("/v1/things/t-2", headers=things.authorization)

    assert (got.status, listed.status, made.status, gone.status) == (200, 200, 201, 204)
    assert await got.json() == {
        "thing_id": "t-1",
        "seller_id": "seller-1",
        "asked": {"limit": 3, "state": ["new", "old"]},
    }
    assert await listed.json() == {
        "items": [{"thing_id": "old", "seller_id": "s", "asked": None}],
        "next": None,
    }
    assert got.headers["Cache-Control"] == "no-store"
    assert "Server" not in got.headers


async def test_all_that_is_invalid_is_told_at_once_without_its_values(served: Serve) -> None:
    things = await served(thing_routes())

    path = await things.session.get("/v1/things/hunter2?limit=hunter2", headers=things.authorization)
    body = await things.session.post(
        "/v1/things", json={"items": [{"quantity": 0}, {"quantity": "hunter2"}]}, headers=things.authorization
    )
    text = await things.session.post("/v1/things", data=b"{hunter2", headers=things.authorization)

    assert (path.status, body.status, text.status) == (422, 422, 422)
    assert [(error["in"], error["path"]) for error in (await path.json())["errors"]] == [
        ("path", "thing_id"),
        ("query", "limit"),
    ]
    assert [error["path"] for error in (await body.json())["errors"]] == [
        "name",
        "items.0.quantity",
        "items.1.quantity",
    ]
    for answer in (path, body, text):
        assert answer.content_type == "application/problem+json"
        assert (await answer.json())["code"] == "invalid_request"
        assert "hunter2" not in await answer.text()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/things/t-none", 404, "thing_not_found"),
        ("GET", "/nowhere", 404, "route_not_found"),
        ("PUT", "/v1/things", 405, "method_not_allowed"),
        ("GET", "/secret", 403, "forbidden"),
        ("GET", "/broken", 500, "internal"),
        ("GET", "/away", 503, "unavailable"),
    ],
)
async def test_every_refusal_is_a_problem_with_a_code(
    served: Serve, method: str, path: str, status: int, code: str
) -> None:
    things = await served(thing_routes())

    answer = await things.session.request(method, path, headers=things.authorization)

    problem = await answer.json()
    assert (answer.status, problem["status"], problem["code"]) == (status, status, code)
    assert answer.content_type == "application/problem+json"
    assert "Lovelace" not in str(problem)


async def test_refusals_say_what_to_do(served: Serve) -> None:
    things = await served(thing_routes())

    away = await things.session.get("/away")
    method = await things.session.put("/v1/things")
    nobody = await things.session.get("/v1/things")

    assert away.headers["Retry-After"] == "7"
    assert method.headers["Allow"] == "GET, POST"
    assert nobody.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer garbage", "Basic abc", "Bearer \u00fc"])
async def test_without_a_living_key_nothing_is_shown(served: Serve, authorization: str) -> None:
    things = await served(thing_routes())

    answer = await things.session.get("/v1/things", headers={"Authorization": authorization})

    assert answer.status == 401


async def test_a_session_cookie_works_from_our_own_pages_only(served: Serve) -> None:
    async def sessions(value: str) -> Principal | None:
        return Principal("session", "seller-2", frozenset({"*"})) if value == "good" else None

    things = await served(thing_routes(), sessions=sessions)
    good, bad = {"Cookie": f"{SESSION_COOKIE}=good"}, {"Cookie": f"{SESSION_COOKIE}=bad"}

    async def post(headers: dict[str, str]) -> int:
        return (await things.session.post("/v1/things", json={"name": "t"}, headers=headers)).status

    assert (await things.session.get("/v1/things", headers=good)).status == 200
    assert (await things.session.get("/v1/things", headers=bad)).status == 401
    assert await post({**good, "Sec-Fetch-Site": "same-origin"}) == 201
    assert await post({**good, "Origin": things.url}) == 201
    assert await post({**good, "Sec-Fetch-Site": "cross-site"}) == 403
    assert await post({**good, "Origin": "https://evil.example"}) == 403
    assert await post(good) == 403


async def test_the_description_is_valid_and_served(served: Serve) -> None:
    routes = thing_routes()
    things = await served(routes)

    api = await (await things.session.get("/openapi.json")).json()
    docs = await things.session.get("/docs")
    text = await docs.text()

    validate(api)
    assert api == document(routes)
    assert api["paths"]["/v1/things"]["post"]["x-scope"] == "things:write"
    assert set(api["components"]["schemas"]) >= {"Thing", "NewThing", "Problem"}
    parameters = api["paths"]["/v1/things/{thing_id}"]["get"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == ["thing_id", "limit", "state"]
    assert "/v1/things/{thing_id}" in text
    assert "http://" not in text
    assert "<script" not in text


async def test_a_route_that_takes_a_file_reads_it_itself_and_is_described_so(served: Serve) -> None:
    routes = Routes(title="Files", version="1")

    @routes.post(
        "/v1/files", summary="A file", scope="things:write", takes=["text/csv"], body_limit=10, gives=["text/csv"]
    )
    async def take_file(request: web.Request) -> web.Response:
        return web.Response(body=b"".join([part async for part in request.content.iter_any()]), content_type="text/csv")

    async def never(*_: object) -> web.StreamResponse:
        raise AssertionError("nobody may read the file to repeat an answer")

    files = await served(routes, repeat=never)
    answer = await files.session.post("/v1/files", data=b"a,b", headers={**files.authorization, "Idempotency-Key": "k"})
    refused = await files.session.post("/v1/files", data=b"x" * 11, headers=files.authorization, expect100=True)
    operation = document(routes)["paths"]["/v1/files"]["post"]

    assert (answer.status, await answer.read(), refused.status) == (200, b"a,b", 413)
    validate(document(routes))
    assert operation["requestBody"]["content"] == {"text/csv": {"schema": {"type": "string", "format": "binary"}}}
    assert operation["responses"]["200"]["content"].keys() == {"text/csv"}
    assert operation["parameters"] == []


def test_a_path_and_its_model_must_agree() -> None:
    routes = Routes(title="Things", version="1")

    with pytest.raises(TypeError, match="thing"):

        @routes.get("/v1/things/{thing}", summary="One", scope=None)
        async def get_thing(_request: web.Request, *, path: ThingPath) -> Thing:
            raise Problem(500, "never", "Never.")


async def test_health_is_shown_to_anyone(served: Serve) -> None:
    things = await served(thing_routes())
    ready = await things.session.get("/readyz")

    async def postgres() -> str | None:
        raise TransientError("postgres: away")

    class Stuck:
        def liveness(self) -> list[str]:
            return ["readers handle nothing"]

    things.health.add_check("postgres", postgres)
    things.health.watch(Stuck())
    unready = await things.session.get("/readyz")
    dead = await things.session.get("/livez")
    metrics = await things.session.get("/metrics")

    assert ready.status == 200
    assert (unready.status, (await unready.json())["problems"]) == (503, {"postgres": "postgres: away"})
    assert (dead.status, (await dead.json())["problems"]) == (503, ["readers handle nothing"])
    assert "syncorder_http_request_seconds" in await metrics.text()
