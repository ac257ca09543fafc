"""Reads what a buyer had written on an item of Amazon Custom, from the JSON file that Amazon keeps of it.

Amazon documents the file's address and not its fields. Sellers know three layouts, often side by side in one file: a
tree of what the buyer was asked (`customizationData`), flat areas of surfaces (`version3.0`), and the oldest, a list of
aspects. The tree comes first: where a buyer moved a text, the flat areas hold a picture of it and not the text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard
from urllib.parse import urlsplit

from schemas.order import Design, NameValue
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import text
from services.ingest.platforms.amazon.payloads import AmazonLine

#: More than anybody is asked; a message to the others has room for no more.
MOST_ANSWERS = 200
MOST_CHARACTERS = 100_000
LONGEST_ADDRESS = 2000
#: What the query of a link says that is good for a while only.
_ENDING = ("expires", "signature")

_TEXT, _IMAGE = "TextCustomization", "ImageCustomization"
#: What holds the choice in each kind of the tree's leaves, best first; of a kind that is new all are tried.
_CHOICES = (
    ("inputValue",),
    ("fontSelection", "family"),
    ("colorSelection", "name"),
    ("colorSelection", "value"),
    ("optionSelection", "name"),
    ("displayValue",),
    ("optionSelection", "label"),
    ("optionSelection", "value"),
)
#: What belongs to a text in the flat layouts, and has no name of its own there.
_BESIDE_TEXT = (("fontFamily", "font"), ("colorName", "color"))
_BESIDE_ASPECT = ("font", "color")


@dataclass(frozen=True, slots=True)
class Customization:
    """What the buyer asked for: `words` under the seller's questions, and the pictures they gave.

    `images_elsewhere`: there are pictures that the file names without an address.
    """

    words: tuple[NameValue, ...] = ()
    designs: tuple[Design, ...] = ()
    images_elsewhere: bool = False


#: What was read of an order's items by their ids; None: the item's file could not be read.
Customizations = Mapping[str, Customization | None]


class _Answer(NamedTuple):
    """One answer; `within` is the part of the product that it belongs to. `image`: it is a picture, maybe at `url`."""

    name: str
    value: str
    within: str = ""
    image: bool = False
    url: str = ""


def read_customization(document: Mapping[str, Any]) -> Customization:
    """Return what the file says. Raises UnreadablePayload for a layout that is new, or for too much."""
    answers = _answers(document)
    if len(answers) > MOST_ANSWERS or sum(len(one.name) + len(one.value) for one in answers) > MOST_CHARACTERS:
        raise UnreadablePayload("customization", "more than an order can hold")
    names = Counter(answer.name for answer in answers)
    named = [(_full_name(answer, shared=names[answer.name] > 1), answer) for answer in answers]
    return Customization(
        words=tuple(NameValue(name=name, value=answer.value) for name, answer in named if answer.value),
        designs=tuple(Design(area=_area(answer), url=answer.url) for _, answer in named if answer.url),
        images_elsewhere=any(answer.image and not answer.url for answer in answers),
    )


def link_of(line: AmazonLine) -> str | None:
    """Return where the item's file is; None for an item that is like any other."""
    return text(line.product.customization.customized_url) if line.product.customization else None


def _answers(document: Mapping[str, Any]) -> list[_Answer]:
    """Return the answers of the first layout that has any; all may be there and empty, for nothing was asked for."""
    info, version = document.get("customizationInfo"), document.get("version3.0")
    tree = document.get("customizationData")
    surfaces = _part(_part(version, "customizationInfo"), "surfaces") or _part(_part(info, "version3.0"), "surfaces")
    aspects = _part(info, "aspects")
    if not any((_is_object(tree), isinstance(surfaces, list), isinstance(aspects, list))):
        raise UnreadablePayload("customization", "a layout that we do not know")
    return [*_of_tree(tree)] or [*_of_surfaces(surfaces)] or [*_of_aspects(aspects)]


def _of_tree(tree: object) -> Iterator[_Answer]:
    waiting: list[tuple[object, str]] = [(tree, "")]
    while waiting:
        node, within = waiting.pop()
        if not _is_object(node):
            continue
        children = node.get("children")
        name = _words(node, "label") or _words(node, "name")
        if isinstance(children, list) and children:
            waiting += [(child, name or within) for child in reversed(children)]
        elif (answer := _leaf(node, name, within)) is not None:
            yield answer


def _leaf(node: Mapping[str, Any], name: str, within: str) -> _Answer | None:
    """Return the answer; None where the buyer gave none."""
    if node.get("type") == _IMAGE:
        return _picture(name, within, node.get("image") or node)
    choices = _CHOICES[:1] if node.get("type") == _TEXT else _CHOICES
    for path in choices:
        found: object = node
        for step in path:
            found = _part(found, step)
        if isinstance(found, str) and found.strip():
            return _Answer(name, found, within)
    return None


def _of_surfaces(surfaces: object) -> Iterator[_Answer]:
    for surface in surfaces if isinstance(surfaces, list) else ():
        areas, within = _part(surface, "areas"), _words(surface, "name")
        for area in areas if isinstance(areas, list) else ():
            if not _is_object(area):
                continue
            name = _words(area, "label") or _words(area, "name")
            if (value := _words(area, "text")) or (value := _words(area, "optionValue")):
                yield _Answer(name, value, within)
                for field, what in _BESIDE_TEXT:
                    if more := _words(area, field):
                        yield _Answer(f"{name}: {what}", more, within)
            picture = _picture(name, within, area.get("image") or area.get("svgImage"))
            if picture is not None:
                yield picture


def _of_aspects(aspects: object) -> Iterator[_Answer]:
    for aspect in aspects if isinstance(aspects, list) else ():
        if not _is_object(aspect):
            continue
        name = _words(aspect, "title")
        for field, part in aspect.items():
            if value := _words(part, "value"):
                yield _Answer(f"{name}: {field}" if field in _BESIDE_ASPECT else name, value)
        picture = _picture(name, "", aspect.get("image"))
        if picture is not None:
            yield picture


def _picture(name: str, within: str, image: object) -> _Answer | None:
    """Return the picture that a buyer gave, by its name and its address where it has one."""
    told = image if isinstance(image, str) else _words(image, "imageUrl")
    url = told if _is_address(told) else ""
    file = _words(image, "imageName") or _words(image, "buyerFilename")
    return _Answer(name, file, within, image=True, url=url) if url or file else None


def _full_name(answer: _Answer, *, shared: bool) -> str:
    """Return the seller's question, with the part of the product that it is about where several are asked it."""
    return f"{answer.within}: {answer.name}" if shared and answer.within not in ("", answer.name) else answer.name


def _area(answer: _Answer) -> str:
    """Return where the picture goes: front or back where the seller's words say so, otherwise these words."""
    said = f"{answer.within} {answer.name}".lower()
    return next((side for side in ("front", "back") if side in said.split()), (answer.name or "image").lower())


def _is_address(url: str) -> bool:
    """Tell whether production can fetch it whenever it likes: a signed link ends, and is another at each reading."""
    if len(url) > LONGEST_ADDRESS:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    ends = any(word in parts.query.lower() for word in _ENDING)
    return parts.scheme == "https" and bool(parts.hostname) and not ends


def _words(value: object, name: str) -> str:
    """Return a text without blanks around it; "" where there is none."""
    found = _part(value, name)
    return found.strip() if isinstance(found, str) else ""


def _part(value: object, name: str) -> object:
    return value.get(name) if _is_object(value) else None


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
