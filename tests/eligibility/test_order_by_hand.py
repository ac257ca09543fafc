"""What the form for an order by hand asks: products, addresses, and what an earlier order held."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from schemas.address import Address
from schemas.order import Design, NameValue
from services.eligibility.adapters.catalog import MemoryCatalog
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.address_routes import address_routes
from services.eligibility.catalog_routes import CatalogApi, catalog_routes
from services.eligibility.copies import CopyApi, copy_routes
from services.eligibility.facts import ANY_STORE, Match, MatchRef
from services.kit.health import Health
from services.kit.http.server import build_app, serve
from services.kit.keys import MemoryKeyRing
from services.kit.metrics import Metrics
from tests.eligibility.test_api import Asked
from tests.eligibility.workbench import KEY, SELLER, SKU, Bench, variant
from tests.schemas.orders import NOON, order_item, raw_order

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

#: An address as an order carries it.
THERE = Address(
    name="Buyer 0042", line1="1 Example Street", city="Springfield", region="IL", postal_code="62701", country="US"
)


@pytest.fixture
async def ask(bench: Bench) -> AsyncIterator[Asked]:
    keys, repository = MemoryKeyRing(), bench.repository
    assert isinstance(repository, MemoryRepository)
    routes = catalog_routes(CatalogApi(MemoryCatalog(repository)))
    routes.include(address_routes())
    routes.include(copy_routes(CopyApi(repository, bench.sealer)))
    server = await serve(build_app(routes, keys=keys, metrics=Metrics(), health=Health()), "127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield Asked(bench, session, keys.grant(SELLER), keys.grant("seller-2"))
    await server.stop()


async def test_a_sku_that_was_typed_whole_comes_first_with_what_it_costs(ask: Asked) -> None:
    picture = "https://files.example.com/tee.png"
    await ask.bench.repository.put_variants(
        [variant(sku="A-TEE-BLK-M"), variant(picture_url=picture, options=(NameValue(name="Color", value="Black"),))]
    )

    page = await ask("GET", "/v1/catalog?q=tee-blk-m")
    first = await ask("GET", "/v1/catalog?q=tee&limit=1")
    rest = await ask("GET", f"/v1/catalog?q=tee&cursor={first['next']}")
    named = await ask("GET", f"/v1/catalog?sku={SKU}&sku=NONE")

    assert [item["sku"] for item in page["items"]] == [SKU, "A-TEE-BLK-M"]
    assert page["items"][0]["cost"] == {"amount": 900, "currency": "USD"}
    assert (page["items"][0]["picture_url"], page["items"][0]["areas"]) == (picture, ["front"])
    assert [item["sku"] for item in (*first["items"], *rest["items"])] == ["A-TEE-BLK-M", SKU]
    assert rest["next"] is None
    assert [item["sku"] for item in named["items"]] == [SKU]


async def test_addresses_are_asked_for_and_checked_by_country(ask: Asked) -> None:
    form = await ask("GET", "/v1/address-forms/US")
    await ask("GET", "/v1/address-forms/XX", expect=404)
    countries = await ask("GET", "/v1/address-forms")
    fine = await ask("POST", "/v1/address-checks", THERE.model_dump())
    wrong = await ask("POST", "/v1/address-checks", {**THERE.model_dump(), "postal_code": "x"})

    assert [field["name"] for field in form["fields"] if field["required"]] == [
        *("name", "line1", "city", "region", "postal_code")
    ]
    assert {"value": "US", "name": "United States"} in countries["items"]
    assert fine == {"complete": True, "problems": []}
    assert [problem["field"] for problem in wrong["problems"]] == ["postal_code"]


async def test_an_order_given_by_hand_is_copied_whole(ask: Asked) -> None:
    line = order_item(
        sku=SKU,
        quantity=2,
        quantity_to_make=2,
        personalization=(NameValue(name="Name", value="RIVERA"),),
        designs=(Design(area="front", url="https://files.example.com/own.png"),),
    )
    await ask.bench.arrive(raw_order(way="form", ship_to=THERE, items=(line,), gift_message="Hello", note="Fold it"))

    copy = await ask("GET", f"/v1/orders/{KEY}/copy")

    assert copy["ship_to"] == THERE.model_dump()
    assert (copy["gift_message"], copy["note"]) == ("Hello", "Fold it")
    [item] = copy["items"]
    assert (item["sku"], item["quantity"]) == (SKU, 2)
    assert item["personalization"] == [{"name": "Name", "value": "RIVERA"}]
    assert item["designs"][0]["url"] == "https://files.example.com/own.png"


async def test_of_a_platforms_order_only_what_is_made_is_copied(ask: Asked) -> None:
    repository = ask.bench.repository
    await repository.put_match(MatchRef(SELLER, ANY_STORE, "sku", "SHOP-1"), Match(SKU), now=NOON)
    await ask.bench.arrive(raw_order(way="poll", ship_to=THERE, items=(order_item(sku="SHOP-1"),)))

    copy = await ask("GET", f"/v1/orders/{KEY}/copy")

    assert copy["ship_to"] is None
    assert [item["sku"] for item in copy["items"]] == [SKU]


async def test_nobody_else_copies_an_order_and_nobody_an_erased_one(ask: Asked) -> None:
    await ask.bench.arrive(raw_order(way="form", ship_to=THERE))
    await ask("GET", f"/v1/orders/{KEY}/copy", other=True, expect=404)
    assert isinstance(ask.bench.repository, MemoryRepository)
    ask.bench.repository.tables.erase_after[KEY] = NOON
    await ask.bench.repository.erase_personal_data(now=NOON, limit=9)

    problem = await ask("GET", f"/v1/orders/{KEY}/copy", expect=409)

    assert problem["code"] == "order_erased"
