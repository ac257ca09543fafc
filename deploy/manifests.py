"""`python -m deploy.manifests [--check]`: writes what Kubernetes runs for each platform, from one template for all."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.ingest.registry import slugs

KUBERNETES = Path(__file__).parent / "kubernetes"
#: In a template, where the platform's slug goes.
PLACE = "PLATFORM"
_HEAD = "# Written by `python -m deploy.manifests` from {template}: change that.\n"


def rendered(platforms: Sequence[str]) -> Mapping[Path, str]:
    """Return the text of each generated file: its template once for every platform."""
    files = {}
    for template in sorted(KUBERNETES.rglob("*.template")):
        text = template.read_text()
        objects = "---\n".join(text.replace(PLACE, slug) for slug in platforms)
        files[template.with_suffix(".yaml")] = _HEAD.format(template=template.name) + objects
    return files


def main(arguments: Sequence[str]) -> int:
    """Write the files; with `--check` only compare, and return 1 when one is stale."""
    files = rendered(slugs())
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"stale: {path}; run `python -m deploy.manifests`", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(files[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
