"""What a measurement is, and how a list of them is shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. `baseline` was measured in the same run; `wanted` says what the project promises itself.

    `calls` went to the platform, which found `over_budget` of them too many; `note` is the arithmetic behind a limit.
    """

    name: str
    value: float
    unit: str
    wanted: str
    met: bool
    baseline: float | None = None
    ratio: float | None = None
    calls: int | None = None
    over_budget: int | None = None
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The figure as the summary file holds it; keys without a value are left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def table(figures: list[Figure]) -> Table:
    """The figures as a person reads them."""
    shown = Table("figure", "measured", "baseline", "ratio", "calls (too many)", "wanted", "met")
    for figure in figures:
        shown.add_row(
            figure.name,
            f"{figure.value:g} {figure.unit}",
            "" if figure.baseline is None else f"{figure.baseline:g} {figure.unit}",
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            "" if figure.calls is None else f"{figure.calls} ({figure.over_budget})",
            figure.wanted,
            "yes" if figure.met else "NO",
        )
    return shown


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, round(share * len(ranked) + 0.5) - 1))]
