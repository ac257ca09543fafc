"""The small page that a seller sees after the platform's authorization: what happened, in two sentences."""

from __future__ import annotations

from html import escape

from aiohttp import web

#: The query held a one-time code: it must not travel on as a referrer, nor the page be framed or kept.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }}
main {{ max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem; }}
h1 {{ font-size: 1.5rem; margin: 0 0 .5rem; }}
</style>
</head>
<body><main><h1>{title}</h1><p>{text}</p><p>You can close this window.</p></main></body>
</html>
"""


def callback_page(status: int, title: str, text: str) -> web.Response:
    """The page; `title` and `text` are plain text."""
    return web.Response(
        status=status,
        text=_PAGE.format(title=escape(title), text=escape(text)),
        content_type="text/html",
        headers=_HEADERS,
    )
