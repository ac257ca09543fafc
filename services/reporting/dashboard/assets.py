"""The page's own files and those that `build-assets` fetched, each served under an address that names its content."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

import structlog
from aiohttp import web
from pydantic import BaseModel

from services.kit.http.problems import not_found

log = structlog.get_logger()

_DIRECTORY = Path(__file__).parent / "static"
#: Fetched by `build-assets`; without it pages do not refresh by themselves, all else works.
_LIBRARY = "vendor/htmx.min.js"
_FOR_A_YEAR = "public, max-age=31536000, immutable"
_TYPES = {".css", ".js", ".svg"}


class FilePath(BaseModel):
    """One of the page's files."""

    name: str


class Assets:
    """All files, read once."""

    def __init__(self, directory: Path = _DIRECTORY) -> None:
        self._files = {
            path.relative_to(directory).as_posix(): path.read_bytes()
            for path in sorted(directory.rglob("*"))
            if path.is_file() and path.suffix in _TYPES
        }
        if _LIBRARY not in self._files:
            log.warning("page.assets_missing", file=_LIBRARY, remedy="services/reporting/dashboard/build-assets")

    def links(self) -> dict[str, str | None]:
        """Return the address of each file that the pages name; None for one that was not fetched."""
        return {
            "css": self._link("page.css"),
            "imports_css": self._link("imports.css"),
            "order_form_css": self._link("order-form.css"),
            "order_form": self._link("order-form.js"),
            "js": self._link("live.js"),
            "upload": self._link("upload.js"),
            "library": self._link(_LIBRARY),
            "icon": self._link("icon.svg"),
        }

    def answer(self, name: str) -> web.Response:
        """Return a file. Raises a 404 `Problem` for a name that is none."""
        content = self._files.get(name)
        if content is None:
            raise not_found("file")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return web.Response(body=content, content_type=kind, charset="utf-8", headers={"Cache-Control": _FOR_A_YEAR})

    def _link(self, name: str) -> str | None:
        content = self._files.get(name)
        return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}" if content is not None else None
