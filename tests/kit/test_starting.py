"""A service starts only with addresses, and waits for what is away."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.kit.clock import SystemClock
from services.kit.errors import SettingsError
from services.kit.settings import KitSettings
from services.kit.starting import prepared, refuse_missing


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"database_url": "postgresql://db"}, "KAFKA_BOOTSTRAP_SERVERS"),
        ({"kafka_bootstrap_servers": "k"}, "DATABASE_URL"),
    ],
)
def test_a_missing_address_is_named(given: dict[str, Any], named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(SettingsError, match=f"^{named} is not set"):
        refuse_missing(KitSettings.model_validate(given))


@pytest.mark.integration
async def test_it_waits_for_postgres_until_told_to_stop(tmp_path: Path) -> None:
    # Port 1 of this machine has no listener.
    settings = KitSettings(database_url="postgresql://u:p@127.0.0.1:1/db", kafka_bootstrap_servers="127.0.0.1:1")
    stop = asyncio.Event()

    starting = asyncio.create_task(
        prepared(settings, schema="s", migrations=tmp_path, topics=(), clock=SystemClock(), stop=stop)
    )
    await asyncio.sleep(0.2)
    assert not starting.done()
    stop.set()

    assert await starting is False
