"""What a buyer had written on an item of Amazon Custom: a ZIP with a JSON file, behind a link that soon ends.

The documentation names the link and the ZIP, not the JSON's fields; these follow the layouts that sellers publish: a
tree of what the buyer was asked (`customizationData`), surfaces with areas of text, and the old list of aspects.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import secrets
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import orjson

from deploy.sandbox.amazon.orders import Order

#: How the JSON is laid out, and what it tells of a buyer's picture: nothing, its address, or only its file's name.
Form = Literal["tree", "surfaces", "aspects"]
Images = Literal["none", "linked", "named"]
FORMS: tuple[Form, ...] = get_args(Form)
IMAGES: tuple[Images, ...] = get_args(Images)
Words = list[tuple[str, str]]

_SIGNED = 16
#: A PNG of one pixel.
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000a49444154789c63000100000500010d0a2db4"
    "0000000049454e44ae426082"
)


@dataclass(slots=True)
class CustomLinks:
    """Makes links and knows its own again; times are Unix seconds."""

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)

    def link(self, base_url: str, *, order: Order, item_id: str, ends: int) -> str:
        """Where the item's ZIP can be had until `ends`."""
        name = f"{order.order_id}_{item_id}"
        return f"{base_url}/custom/{name}.zip?expires={ends}&signature={self._sign(name, ends)}"

    def opens(self, name: str, *, expires: str, signature: str, now: float) -> bool:
        """Whether a link is one of ours, and still good."""
        if not expires.isdecimal() or int(expires) < now:
            return False
        return hmac.compare_digest(self._sign(name, int(expires)).encode(), signature.encode())

    def _sign(self, name: str, ends: int) -> str:
        return hmac.digest(self._key, f"{name}:{ends}".encode(), hashlib.sha256).hex()[:_SIGNED]


def customization_zip(order: Order, item: dict[str, Any], *, seller_id: str, form: Form, images: Images) -> bytes:
    """The ZIP: one JSON file named after the item, and the buyer's picture where there is one."""
    item_id = item["orderItemId"]
    content = {
        "orderId": order.order_id,
        "orderItemId": item_id,
        "asin": item["product"]["asin"],
        "title": item["product"].get("title", ""),
        "quantity": item["quantityOrdered"],
        "merchantId": seller_id,
        "marketplaceId": order.market.id,
    }
    content |= _LAYOUTS[form](order.words[item_id], _picture(item_id, images))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{item_id}.json", orjson.dumps(content))
        if images != "none":
            archive.writestr(f"{item_id}.png", _PIXEL)
    return packed.getvalue()


def _picture(item_id: str, images: Images) -> dict[str, str]:
    if images == "none":
        return {}
    name = {"imageName": f"{item_id}.png"}
    return name | {"imageUrl": f"https://images.example.com/{item_id}.png"} if images == "linked" else name


def _tree(words: Words, picture: dict[str, str]) -> dict[str, Any]:
    """Each text in a container with its font and color; the flat areas stand beside it."""
    blocks: list[dict[str, Any]] = [
        {
            "type": "PlacementContainerCustomization",
            "label": surface,
            "children": [
                {"type": "TextCustomization", "label": surface, "inputValue": text},
                {"type": "TextCustomization", "label": "Second line", "inputValue": ""},
                {"type": "FontCustomization", "label": "Font", "fontSelection": {"family": "Arial"}},
                {"type": "ColorCustomization", "label": "Color", "colorSelection": {"name": "Red", "value": "#f00"}},
            ],
        }
        for surface, text in words
    ]
    if picture:
        blocks.append({"type": "ImageCustomization", "label": "Your picture", "image": picture})
    preview = {"type": "PreviewContainerCustomization", "label": "Surface 1", "children": blocks}
    root = {"type": "PageContainerCustomization", "children": [preview]}
    return {"customizationData": root} | _surfaces(words, picture)


def _surfaces(words: Words, picture: dict[str, str]) -> dict[str, Any]:
    areas: list[dict[str, Any]] = [
        {"customizationType": "TextPrinting", "name": surface, "label": surface, "text": text, "fontFamily": "Arial"}
        for surface, text in words
    ]
    if picture:
        areas.append({"customizationType": "ImagePrinting", "name": "Picture", "label": "Picture", "image": picture})
    return {"customizationInfo": {"version3.0": {"surfaces": [{"name": "Surface 1", "areas": areas}]}}}


def _aspects(words: Words, picture: dict[str, str]) -> dict[str, Any]:
    told: list[dict[str, Any]] = [
        {"title": surface, "text": {"value": text}, "font": {"value": "Arial"}, "color": {"value": "Red"}}
        for surface, text in words
    ]
    if picture:
        told.append({"title": "Picture", "image": picture})
    return {"customizationInfo": {"aspects": told}}


_LAYOUTS: dict[Form, Callable[[Words, dict[str, str]], dict[str, Any]]] = {
    "tree": _tree,
    "surfaces": _surfaces,
    "aspects": _aspects,
}
