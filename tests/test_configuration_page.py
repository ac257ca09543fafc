"""The page of settings is the one that the settings models give."""

from pathlib import Path

from services.__main__ import _configuration_page, _know_all_settings


def test_the_page_is_up_to_date() -> None:
    _know_all_settings()

    assert Path("docs/configuration.md").read_text() == _configuration_page()
