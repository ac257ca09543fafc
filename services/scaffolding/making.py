"""Writes the folders of a new platform from the templates, all of them or none, and never over anything."""

from __future__ import annotations

import importlib.util
import keyword
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import jinja2
from pydantic import TypeAdapter, ValidationError

from schemas.ids import PlatformSlug
from services.kit.errors import SettingsError

TEMPLATES = Path(__file__).parent / "templates"
#: What a slug may not be: it is the word for orders given to us by hand, or names something of ours beside platforms.
TAKEN = ("direct", "all", "factory", "control")

#: In a template's path, where the slug goes.
_SLUG = "__slug__"
_SUFFIX = ".jinja"
#: A name stands in sentences, docstrings and Python strings alike.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .&+-]{0,30}")
_PLATFORM_SLUG: TypeAdapter[str] = TypeAdapter(PlatformSlug)


def scaffold(slug: str, *, root: Path, name: str | None = None) -> tuple[Path, ...]:
    """Write the folders of the platform `slug` into the tree at `root` and return the files, formatted.

    `name` is what people call it; None: the slug with a capital.

    Raises:
        SettingsError: the slug or name is malformed or taken, or `root` is no tree of ours; nothing was written.
    """
    name = name or slug.capitalize()
    _refuse_slug(slug)
    if not _NAME.fullmatch(name):
        raise SettingsError("A platform's name is at most 31 letters, digits, blanks, dots and & + - in all.")
    folders = _folders(slug)
    if missing := [folder for folder in folders if not (root / folder).parent.is_dir()]:
        raise SettingsError(f"{root} is not the project's directory: it has no {missing[0].parent}.")
    if there := [folder for folder in folders if (root / folder).exists()]:
        raise SettingsError(f"{there[0]} exists: nothing was written.")
    files = {root / path: text for path, text in _rendered(slug, name).items()}
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    _format([root / folder for folder in folders], root=root)
    return tuple(files)


def _refuse_slug(slug: str) -> None:
    try:
        _PLATFORM_SLUG.validate_python(slug)
    except ValidationError:
        raise SettingsError(
            "A platform's slug is 2 to 31 lower-case letters and digits and begins with a letter."
        ) from None
    if slug in TAKEN or keyword.iskeyword(slug):
        raise SettingsError(f"A platform cannot have the slug {slug}: the word means something else here.")


def _templates() -> Iterable[Path]:
    return sorted(path for path in TEMPLATES.rglob(f"*{_SUFFIX}") if path.is_file())


def _folders(slug: str) -> tuple[Path, ...]:
    """The folders that are the platform's alone, relative to the tree."""
    found = set()
    for template in _templates():
        parts = template.relative_to(TEMPLATES).parts
        found.add(Path(*parts[: parts.index(_SLUG)], slug))
    return tuple(sorted(found))


def _rendered(slug: str, name: str) -> Mapping[Path, str]:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - what comes out is Python, not HTML
    )
    values = {"slug": slug, "name": name, "prefix": slug.capitalize()}
    texts = {}
    for template in _templates():
        path = template.relative_to(TEMPLATES)
        written = Path(*(slug if part == _SLUG else part for part in path.parts)).with_suffix("")
        texts[written] = environment.get_template(path.as_posix()).render(values)
    return texts


def _format(folders: Iterable[Path], *, root: Path) -> None:
    """Sort the imports and set the lines as the slug's length and first letter want them.

    The formatter is a tool of developers; where it is not installed, the files are right but not yet formatted.
    """
    if importlib.util.find_spec("ruff") is None:
        return
    paths = [str(folder.resolve()) for folder in folders]
    for command in (["check", "--quiet", "--fix", "--select", "I"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *paths], cwd=root, check=True)
