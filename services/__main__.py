"""`python -m services …`: the one command line, from starting a service to replaying dead letters."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from schemas.topics import TOPICS
from services.kit.errors import SettingsError, TransientError
from services.kit.kafka.topics import ensure_topics
from services.kit.keys import ACCESS_MIGRATIONS, ACCESS_SCHEMA, ALL_SCOPES, create_key, list_keys, revoke_key
from services.kit.loop import run
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from services.kit.settings import KitSettings, describe_settings, load_settings

SERVICES = ("ingest", "eligibility", "reporting")

command_line = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Sync Order's services and tools."
)
keys = typer.Typer(no_args_is_help=True, help="API keys: one key works at all three services.")
command_line.add_typer(keys, name="keys")


@command_line.command()
def ingest(
    platforms: Annotated[list[str], typer.Argument(help="Platforms by their slugs, or all.")],
) -> None:
    """Serve webhooks and links, and poll the stores, of the named platforms."""
    run(lambda stop: _app("ingest").serve(platforms=_chosen(platforms), stop=stop))


@command_line.command()
def eligibility() -> None:
    """Judge orders and release what can be made to production."""
    run(lambda stop: _app("eligibility").serve(stop=stop))


@command_line.command()
def reporting() -> None:
    """Build and serve what sellers see."""
    run(lambda stop: _app("reporting").serve(stop=stop))


@command_line.command(name="all")
def everything() -> None:
    """Run the three services, with every platform, in one process: enough for a small machine."""

    async def serve(stop: asyncio.Event) -> None:
        services: Sequence[Awaitable[None]] = (
            _app("ingest").serve(platforms=_chosen(["all"]), stop=stop),
            _app("eligibility").serve(stop=stop),
            _app("reporting").serve(stop=stop),
        )
        async with asyncio.TaskGroup() as group:
            for service in services:
                group.create_task(_whole(service))

    run(serve)


@command_line.command(name="migrate")
def migrate_schemas() -> None:
    """Bring every service's Postgres schema up to date."""
    settings = _needing("database_url")

    async def bring_up_to_date() -> None:
        schemas = [(ACCESS_SCHEMA, ACCESS_MIGRATIONS), *(_app(name).MIGRATIONS for name in SERVICES)]
        for schema, directory in schemas:
            await migrate(settings.database_url, schema=schema, directory=directory)
            typer.echo(f"{schema}: up to date")

    _do(bring_up_to_date)


@command_line.command()
def topics() -> None:
    """Create the topics that do not exist, as schemas/topics.py declares them."""
    settings = _needing("kafka_bootstrap_servers")

    async def create() -> None:
        created = await ensure_topics(
            settings.kafka,
            TOPICS,
            partitions=settings.topic_partitions,
            replicas=settings.topic_replicas,
        )
        typer.echo(f"created: {', '.join(created) or 'none, all were there'}")

    _do(create)


@command_line.command()
def rebuild() -> None:
    """Build reporting's tables again from the topics; the page stays readable meanwhile."""
    _do(import_module("services.reporting.rebuild").main)


@command_line.command()
def replay(
    topic: Annotated[str, typer.Argument(help="The topic whose dead letters go back, e.g. orders.raw.")],
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 1000,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason.")] = None,
) -> None:
    """Put dead letters back on their topic, oldest first, after what stopped them was mended.

    What ingest set aside is a platform's own text, not yet an order: have such an order read again instead, by
    POST /v1/stores/{store_id}/orders/{external_id}/read.
    """
    settings = _needing("kafka_bootstrap_servers")
    from services.kit.kafka.dead_letters import replay as put_back  # noqa: PLC0415 - only this command needs it

    async def go() -> None:
        count = await put_back(
            settings.kafka,
            topic,
            limit=limit,
            where=lambda told: told.get("group") != b"ingest" and reason in {None, told.get("reason", b"").decode()},
            group=None if reason else "replay",
        )
        typer.echo(f"replayed: {count}")

    _do(go)


@command_line.command()
def openapi(service: Annotated[str, typer.Argument(help="ingest, eligibility or reporting.")]) -> None:
    """Print a service's OpenAPI document."""
    typer.echo(json.dumps(_app(service).routes_document(), indent=2))


@command_line.command()
def asyncapi() -> None:
    """Print the AsyncAPI document of every topic."""
    document = import_module("services.kit.kafka.asyncapi").document(TOPICS)
    typer.echo(json.dumps(document, indent=2))


@command_line.command()
def configuration() -> None:
    """Print docs/configuration.md, from the settings models."""
    typer.echo(_configuration_page(), nl=False)


@command_line.command()
def scaffold(
    platform: Annotated[str, typer.Argument(help="The new platform's slug: 2 to 31 lower-case letters and digits.")],
    name: Annotated[str | None, typer.Option(help="What people call it; by default the slug with a capital.")] = None,
    into: Annotated[Path, typer.Option(help="The project's directory.")] = Path(),
) -> None:
    """Make the folders of a new platform: a small working connector, its sandbox, and tests of both."""
    for file in import_module("services.scaffolding.making").scaffold(platform, root=into, name=name):
        typer.echo(file)
    typer.echo("Next: docs/adding-a-platform.md.")


@keys.command("create")
def create(
    seller: Annotated[str, typer.Option(help="The seller's id.")],
    label: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="What it may do; default: everything.")] = None,
) -> None:
    """Make a key and print it; it is shown this once."""

    async def make(pool: Any) -> None:
        text, _ = await create_key(pool, seller, scope or [ALL_SCOPES], label)
        typer.echo(text)

    _with_keys(make)


@keys.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="The eight characters after osk_live_.")]) -> None:
    """End a key; every service refuses it within 5 seconds."""

    async def end(pool: Any) -> None:
        if not await revoke_key(pool, key_id):
            raise SettingsError(f"There is no living key {key_id}.")
        typer.echo(f"revoked: {key_id}")

    _with_keys(end)


@keys.command("list")
def list_of(seller: Annotated[str, typer.Option(help="The seller's id.")]) -> None:
    """List a seller's keys, without the keys."""

    async def show(pool: Any) -> None:
        for record in await list_keys(pool, seller):
            state = "revoked" if record.revoked_at else "living"
            typer.echo(f"{record.key_id}  {state}  {record.created_at:%Y-%m-%d}  {record.label}")

    _with_keys(show)


def _know_all_settings() -> None:
    """Load every settings model, so that a name in `.env` is unknown only when nobody reads it."""
    import_module("services.ingest.registry").platforms()
    for name in SERVICES:
        import_module(f"services.{name}.settings")


def _app(service: str) -> ModuleType:
    # Loaded on demand, so that a process holds only the service that it runs.
    if service not in SERVICES:
        raise SettingsError(f"There is no service {service}; there are {', '.join(SERVICES)}.")
    return import_module(f"services.{service}.app")


def _chosen(platforms: Sequence[str]) -> list[str]:
    known = import_module("services.ingest.registry").slugs()
    if list(platforms) == ["all"]:
        return list(known)
    for slug in platforms:
        if slug not in known:
            raise SettingsError(f"There is no platform {slug}; there are {', '.join(known)}.")
    return list(platforms)


def _needing(name: str) -> KitSettings:
    settings = load_settings(KitSettings)
    if not getattr(settings, name):
        raise SettingsError(f"{name.upper()} is not set; `make up` starts an embedded one and prints it.")
    return settings


def _with_keys(work: Callable[[Any], Awaitable[None]]) -> None:
    settings = _needing("database_url")

    async def go() -> None:
        await migrate(settings.database_url, schema=ACCESS_SCHEMA, directory=ACCESS_MIGRATIONS)
        pool = await create_pool(settings.database_url, schema=ACCESS_SCHEMA, max_size=1)
        try:
            await work(pool)
        finally:
            await pool.close()

    _do(go)


def _do(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(_whole(work()))


async def _whole(work: Awaitable[None]) -> None:
    await work


def _configuration_page() -> str:
    registry = import_module("services.ingest.registry")
    groups = [
        ("Every service", KitSettings),
        *((name.capitalize(), _app(name).SETTINGS) for name in SERVICES),
        *((platform.name, platform.settings) for platform in registry.platforms()),
    ]
    shared = {described.name for described in describe_settings(KitSettings)}
    lines = [(Path(__file__).parent / "configuration.head.md").read_text().rstrip()]
    for title, model in groups:
        rows = [row for row in describe_settings(model) if model is KitSettings or row.name not in shared]
        if rows:
            lines += ["", f"## {title}", "", "| setting | default | meaning |", "|---|---|---|"]
            lines += [
                f"| `{row.name}` | {f'`{row.default}`' if row.default else ''} | {row.description} |" for row in rows
            ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the command line; what an operator can mend is said in one sentence, with exit code 2."""
    _know_all_settings()
    try:
        command_line()
    except (SettingsError, TransientError) as error:
        typer.echo(str(error), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
