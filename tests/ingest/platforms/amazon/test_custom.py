"""What a buyer had written on an item of Amazon Custom, in every layout of its file, and the order by it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.order import Design, NameValue, RawOrder
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import parsed
from services.ingest.platforms.amazon.custom import MOST_ANSWERS, Customization, read_customization
from services.ingest.platforms.amazon.mapping import to_raw_order
from services.ingest.platforms.amazon.payloads import AmazonOrder
from tests.ingest.platforms.golden import FETCHED_AT, payload, store_ref

PICTURE = "https://images.example.com/dog.png"


def tree(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"customizationData": {"type": "PageContainerCustomization", "children": list(nodes)}}


def block(label: str, *children: dict[str, Any]) -> dict[str, Any]:
    return {"type": "PlacementContainerCustomization", "label": label, "children": list(children)}


def areas(*found: dict[str, Any]) -> dict[str, Any]:
    return {"customizationInfo": {"surfaces": [{"name": "Surface 1", "areas": list(found)}]}}


TEXT = {"type": "TextCustomization", "label": "Name", "inputValue": " Zoë &amp; Max\n2026 "}
FONT = {
    "type": "FontCustomization",
    "label": "Font",
    "fontSelection": {"family": "Arial", "fontUrl": "https://x.example"},
}
COLOR = {"type": "ColorCustomization", "label": "Color", "colorSelection": {"name": "Red", "value": "#f00"}}
OPTION = {"type": "OptionCustomization", "label": "Size", "optionSelection": {"name": "L", "label": "large"}}
IMAGE = {"type": "ImageCustomization", "label": "Photo", "image": {"imageName": "dog.png", "imageUrl": PICTURE}}
PRINTED = {
    "customizationType": "TextPrinting",
    "label": "Line 1",
    "text": "Cash",
    "fontFamily": "Times",
    "colorName": "Red",
}
MOVED = {
    "customizationType": "ImagePrinting",
    "label": "Line 1",
    "svgImage": {"imageName": "1.svg", "imageUrl": PICTURE},
}
ASPECT = {"title": "Line 1", "text": {"value": "Cash"}, "font": {"value": "Times"}, "color": {"value": "Red"}}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (tree(TEXT), [("Name", " Zoë &amp; Max\n2026 ")]),
        (tree(FONT, COLOR, OPTION), [("Font", "Arial"), ("Color", "Red"), ("Size", "L")]),
        (tree({"type": "TextCustomization", "name": "field 1", "inputValue": "A"}), [("field 1", "A")]),
        # What was left empty was not asked for.
        (tree({"type": "TextCustomization", "label": "Second line", "inputValue": ""}), []),
        (tree({"type": "ColorCustomization", "label": "C", "colorSelection": {"value": "#f00"}}), [("C", "#f00")]),
        (tree({"type": "OptionCustomization", "label": "O", "displayValue": "Fiori"}), [("O", "Fiori")]),
        # A kind that is new still shows its choice.
        (tree({"type": "NewCustomization", "label": "New", "optionSelection": {"label": "that"}}), [("New", "that")]),
        # Two colors are told apart by the text that they belong to.
        (
            tree(block("Title", COLOR), block("Names", COLOR)),
            [("Title: Color", "Red"), ("Names: Color", "Red")],
        ),
        # The flat areas hold a picture of a text that was moved.
        (tree(TEXT) | {"version3.0": areas(MOVED)}, [("Name", " Zoë &amp; Max\n2026 ")]),
        ({"version3.0": areas(PRINTED)}, [("Line 1", "Cash"), ("Line 1: font", "Times"), ("Line 1: color", "Red")]),
        (
            {"customizationInfo": {"version3.0": areas(PRINTED)["customizationInfo"]}},
            [
                ("Line 1", "Cash"),
                ("Line 1: font", "Times"),
                ("Line 1: color", "Red"),
            ],
        ),
        ({"version3.0": areas({"customizationType": "Options", "label": "Size", "optionValue": "L"})}, [("Size", "L")]),
        (
            {"customizationInfo": {"aspects": [ASPECT]}},
            [("Line 1", "Cash"), ("Line 1: font", "Times"), ("Line 1: color", "Red")],
        ),
        # The newest layout that says anything counts.
        (
            {"version3.0": areas(), "customizationInfo": {"aspects": [ASPECT]}},
            [
                ("Line 1", "Cash"),
                ("Line 1: font", "Times"),
                ("Line 1: color", "Red"),
            ],
        ),
    ],
)
def test_texts_and_choices_are_read_under_the_sellers_questions(
    document: dict[str, Any], words: list[tuple[str, str]]
) -> None:
    found = read_customization(document)

    assert [(word.name, word.value) for word in found.words] == words
    assert not found.images_elsewhere


@pytest.mark.parametrize(
    ("document", "designs"),
    [
        (tree(IMAGE), [("photo", PICTURE)]),
        (tree(block("Back side", IMAGE)), [("back", PICTURE)]),
        (tree({"type": "ImageCustomization", "label": "Front photo", "imageUrl": PICTURE}), [("front", PICTURE)]),
        ({"version3.0": areas(MOVED)}, [("line 1", PICTURE)]),
        ({"customizationInfo": {"aspects": [{"title": "Logo", "image": {"imageUrl": PICTURE}}]}}, [("logo", PICTURE)]),
    ],
)
def test_pictures_with_an_address_are_designs(document: dict[str, Any], designs: list[tuple[str, str]]) -> None:
    found = read_customization(document)

    assert [(design.area, design.url) for design in found.designs] == designs
    assert not found.images_elsewhere


@pytest.mark.parametrize(
    "url",
    [
        "",
        "dog.png",
        "http://images.example.com/dog.png",
        "https://[",
        "https://" + "x" * 3000,
        "https://images.example.com/dog.png?X-Amz-Expires=900&X-Amz-Signature=ab",
        "https://images.example.com/dog.png?Expires=1764000000&Signature=ab",
    ],
)
def test_a_picture_without_an_address_is_named_and_told(url: str) -> None:
    found = read_customization(tree(IMAGE | {"image": {"imageName": "dog.png", "imageUrl": url}}))

    assert found == Customization((NameValue(name="Photo", value="dog.png"),), (), images_elsewhere=True)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"customizationInfo": {"version4.0": {}}},
        {"customizationData": [TEXT]},
        tree(*[TEXT] * (MOST_ANSWERS + 1)),
        tree(TEXT | {"inputValue": "x" * 200_000}),
    ],
)
def test_a_layout_that_is_new_or_too_much_is_not_guessed_at(document: dict[str, Any]) -> None:
    with pytest.raises(UnreadablePayload):
        read_customization(document)


def test_a_very_deep_tree_is_walked() -> None:
    node = TEXT
    for _ in range(5000):
        node = block("", node)

    assert len(read_customization(tree(node)).words) == 1


def mapped(custom: Customization | None, status: str = "UNSHIPPED") -> RawOrder:
    told = json.loads(payload("amazon", "personalized.json"))
    told["fulfillment"]["fulfillmentStatus"] = status
    order = parsed(AmazonOrder, told)
    read = {"60519841730001": custom}
    return to_raw_order(
        order, store_ref("amazon", currency="USD"), body="", way="poll", fetched_at=FETCHED_AT, custom=read
    )


def test_what_was_written_is_the_items_personalization_and_pictures_are_its_designs() -> None:
    design = Design(area="front", url=PICTURE)

    found = mapped(Customization((NameValue(name="Name", value="Zoë"),), (design,)))

    custom, usual = found.items
    assert custom.personalization == (NameValue(name="Name", value="Zoë"),)
    assert custom.designs == (design,)
    assert (usual.personalization, usual.designs, found.holds) == ((), (), ())


@pytest.mark.parametrize(
    ("custom", "status", "holds"),
    [
        (None, "UNSHIPPED", ("CUSTOMIZATION_UNREAD",)),
        (None, "PENDING", ("CUSTOMIZATION_UNREAD",)),
        (Customization(images_elsewhere=True), "UNSHIPPED", ("CUSTOMIZATION_IMAGES_ONLY_IN_FILE",)),
        (Customization(), "UNSHIPPED", ()),
        # Nothing is left to make.
        (None, "SHIPPED", ()),
        (None, "CANCELLED", ()),
    ],
)
def test_an_order_is_held_while_it_is_not_known_what_to_make(
    custom: Customization | None, status: str, holds: tuple[str, ...]
) -> None:
    assert mapped(custom, status).holds == holds
