"""What sellers read about orders by API is true: the JSON in it is what the API takes and answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.ingest.direct import views as direct_views

TEXT = (Path(__file__).parents[2] / "docs" / "orders-api.md").read_text()
BLOCKS = re.findall(r"```json (\w+)\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize(("model", "text"), BLOCKS, ids=[model for model, _ in BLOCKS])
def test_each_example_is_what_the_api_says(model: str, text: str) -> None:
    getattr(direct_views, model).model_validate_json(text)


def test_every_field_of_an_order_is_explained_or_obvious() -> None:
    obvious = {"ship_to", "shipping_service", "store_id"}

    assert [name for name in direct_views.NewOrder.model_fields if f"`{name}" not in TEXT and name not in obvious] == []
