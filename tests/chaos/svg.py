"""Lines over time as an SVG of small panels, legible on light pages and on dark ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

LINE = "#2f8fdd"
#: Grey enough for both grounds.
TEXT = "#7d7d7d"
_COLUMNS, _WIDTH, _HEIGHT, _MARGIN, _TITLE = 3, 240, 90, 28, 34


@dataclass(frozen=True, slots=True)
class Panel:
    """One line: a title, and the points."""

    title: str
    points: Sequence[tuple[float, float]]


def draw(panels: Sequence[Panel], path: Path) -> None:
    """Write the panels, three in a row; each has its own scale, from zero."""
    rows = -(-len(panels) // _COLUMNS)
    step_x, step_y = _WIDTH + _MARGIN, _HEIGHT + _TITLE + _MARGIN
    width, height = _COLUMNS * step_x + _MARGIN, rows * step_y
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="10" fill="{TEXT}">'
    ]
    for number, panel in enumerate(panels):
        x = _MARGIN + number % _COLUMNS * step_x
        y = _TITLE + number // _COLUMNS * step_y
        parts.append(f'<g transform="translate({x} {y})">{_panel(panel)}</g>')
    path.write_text("\n".join([*parts, "</svg>\n"]))


def _panel(panel: Panel) -> str:
    last = max((x for x, _ in panel.points), default=0) or 1
    most = max((y for _, y in panel.points), default=0)
    points = " ".join(
        f"{x / last * _WIDTH:.1f},{_HEIGHT - y / (most or 1) * _HEIGHT:.1f}"
        for x, y in panel.points
    )
    return (
        f'<text y="-18" font-size="11">{escape(panel.title)}</text>'
        f'<text y="-5">{most:,.6g}</text>'
        f'<line y1="{_HEIGHT}" x2="{_WIDTH}" y2="{_HEIGHT}" stroke="{TEXT}"/>'
        f'<line x2="{_WIDTH}" stroke="{TEXT}" stroke-dasharray="1 4"/>'
        f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="1.2"/>'
        f'<text y="{_HEIGHT + 12}">0</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT + 12}" text-anchor="end">{last / 60:.0f} min</text>'
    )
