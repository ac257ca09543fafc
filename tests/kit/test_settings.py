from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from services.kit.errors import SettingsError
from services.kit.settings import KitSettings, describe_settings, load_settings


class ShopSettings(KitSettings):
    platform_url_example: str = Field(default="https://example.com", description="Where the example platform is.")


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*(setting.name for setting in describe_settings(ShopSettings)), "SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_defaults_hold_when_nothing_is_set() -> None:
    settings = load_settings(ShopSettings)

    assert settings.kafka_bootstrap_servers == ""
    assert settings.master_key_file == Path("var/master.key")
    assert settings.topic_partitions == 8


def test_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=debug\nTOPIC_PARTITIONS=3\n")
    monkeypatch.setenv("TOPIC_PARTITIONS", "5")

    settings = load_settings(ShopSettings)

    assert (settings.log_level, settings.topic_partitions) == ("DEBUG", 5)


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPIC_PARTITIONS", "")

    assert load_settings(ShopSettings).topic_partitions == 8


def test_secrets_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "database_url").write_text("postgresql://example/db")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))

    settings = load_settings(ShopSettings)

    assert settings.database_url == "postgresql://example/db"
    assert "postgresql" not in repr(settings)


def test_a_malformed_value_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPIC_PARTITIONS", "hunter2")

    with pytest.raises(SettingsError, match=r"^TOPIC_PARTITIONS is malformed") as caught:
        load_settings(ShopSettings)

    assert "hunter2" not in str(caught.value)


def test_an_unknown_name_in_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVELL=debug\n")

    with pytest.raises(SettingsError, match="LOG_LEVELL"):
        load_settings(ShopSettings)


def test_an_unknown_platform_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_URL_EXAMPEL", "https://example.com")

    with pytest.raises(SettingsError, match="PLATFORM_URL_EXAMPEL"):
        load_settings(ShopSettings)


def test_the_settings_of_another_service_may_stand_in_the_same_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLATFORM_URL_EXAMPLE=https://example.org\n")

    assert load_settings(KitSettings).log_level == "INFO"


def test_a_missing_secrets_directory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS_DIR", "/does/not/exist")

    with pytest.raises(SettingsError, match="SECRETS_DIR"):
        load_settings(KitSettings)


def test_every_setting_says_what_it_is_for() -> None:
    described = describe_settings(ShopSettings)

    assert described[-1] == ("PLATFORM_URL_EXAMPLE", "https://example.com", "Where the example platform is.")
    assert all(setting.description for setting in described)
