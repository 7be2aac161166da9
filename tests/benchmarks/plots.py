"""Plots of the results, legible on light pages and on dark ones."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

from tests.benchmarks.figures import Figure, Outcome

OURS = "#2f8fdd"
RIVAL = "#9a9a9a"
#: Grey enough for both grounds.
TEXT = "#7d7d7d"
DRAINS = {
    "drain-postgres": "PostgreSQL",
    "drain-sqlite": "SQLite",
    "drain-mariadb": "MariaDB",
    "drain-redis": "Redis",
}

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "repid",  # the same results make the same file
    "font.size": 9,
    "text.color": TEXT,
    "axes.edgecolor": TEXT,
    "axes.labelcolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


def draw(outcomes: list[Outcome], folder: Path) -> list[tuple[str, str]]:
    """Draw what there are results for; return file names and what each shows."""
    rows = {outcome.name: outcome for outcome in outcomes if outcome.figures}
    drawn = []
    with mpl.rc_context(STYLE):
        if any(name in rows for name in DRAINS):
            _drains(rows, folder / "drains.svg")
            drawn.append(("drains.svg", "Jobs per second until the last is recorded, by store"))
        if "pickup" in rows:
            _pickup(rows["pickup"], folder / "pickup.svg")
            drawn.append(("pickup.svg", "Pick-up by an idle worker: median and 99th percentile"))
    return drawn


def _drains(rows: dict[str, Outcome], path: Path) -> None:
    panels = [(DRAINS[name], _measured(rows[name])) for name in DRAINS if name in rows]
    heights = [len(figures) + 1.2 for _, figures in panels]
    figure, axes = plt.subplots(
        len(panels), figsize=(7.5, sum(heights) * 0.27), height_ratios=heights, squeeze=False
    )
    for axis, (title, figures) in zip(axes[:, 0], panels, strict=True):
        _bars(axis, figures)
        axis.set_title(f"{title}, jobs/s", loc="left", fontsize=10, color=TEXT)
    _save(figure, path)


def _pickup(outcome: Outcome, path: Path) -> None:
    """Draw a dot at the median and a line to the 99th percentile; times need a log scale."""
    figures = _measured(outcome)
    figure, axis = plt.subplots(figsize=(7.5, len(figures) * 0.3 + 0.7))
    for place, one in enumerate(figures):
        tail, colour = one.median("p99"), _colour(one)
        axis.plot([one.value, tail], [place, place], "-", color=colour, linewidth=2)
        axis.plot(one.value, place, "o", color=colour)
        axis.plot(tail, place, "|", color=colour, markersize=9)
        _write_beside(axis, tail, place, f"p50 {one.value:.3g}, p99 {tail:.3g}")
    axis.set_xscale("log")
    _name(axis, figures, 0.4)
    axis.set_title("ms from enqueue to start, idle worker", loc="left", fontsize=10, color=TEXT)
    _save(figure, path)


def _bars(axis: Any, figures: list[Figure]) -> None:
    """Draw one horizontal bar for each figure."""
    values = [one.counted for one in figures]
    axis.barh(range(len(figures)), values, color=[_colour(one) for one in figures], height=0.7)
    for place, value in enumerate(values):
        _write_beside(axis, value, place, f"{value:,.0f}")
    _name(axis, figures, 0.2)


def _colour(figure: Figure) -> str:
    return OURS if figure.label.startswith("django_repid") else RIVAL


def _write_beside(axis: Any, value: float, place: int, text: str) -> None:
    axis.annotate(text, (value, place), (6, 0), textcoords="offset points", va="center")


def _name(axis: Any, figures: list[Figure], margin: float) -> None:
    axis.set_yticks(range(len(figures)), [one.label for one in figures])
    axis.tick_params(axis="y", length=0)
    axis.margins(x=margin)
    axis.invert_yaxis()


def _measured(outcome: Outcome) -> list[Figure]:
    return [one for one in outcome.figures if one.values]


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)
