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
        values = [one.counted for one in figures]
        _bars(axis, figures, values, [f"{value:,.0f}" for value in values])
        axis.set_title(f"{title}, jobs/s", loc="left", fontsize=10, color=TEXT)
    _write(figure, path)


def _pickup(outcome: Outcome, path: Path) -> None:
    figures = _measured(outcome)
    figure, axes = plt.subplots(figsize=(7.5, len(figures) * 0.3 + 0.7))
    tails = [one.median("p99") for one in figures]
    texts = [
        f"p50 {one.value:.3g}, p99 {tail:.3g}" for one, tail in zip(figures, tails, strict=True)
    ]
    _bars(axes, figures, [one.value for one in figures], texts, tails)
    axes.set_xscale("log")
    axes.set_title("ms from enqueue to start, idle worker", loc="left", fontsize=10, color=TEXT)
    _write(figure, path)


def _bars(
    axis: Any,
    figures: list[Figure],
    values: list[float],
    texts: list[str],
    tails: list[float] | None = None,
) -> None:
    """Draw one horizontal bar for each figure, and a mark for its tail."""
    places = range(len(figures))
    colours = [RIVAL if one.rival else OURS for one in figures]
    axis.barh(places, values, color=colours, height=0.7)
    if tails:
        axis.plot(tails, places, "|", color=TEXT, markersize=9)
    for place, value, text in zip(places, tails or values, texts, strict=True):
        axis.annotate(text, (value, place), (5, 0), textcoords="offset points", va="center")
    axis.set_yticks(places, [one.label for one in figures])
    axis.tick_params(axis="y", length=0)
    axis.margins(x=0.2)
    axis.invert_yaxis()


def _measured(outcome: Outcome) -> list[Figure]:
    return [one for one in outcome.figures if one.values]


def _write(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)
