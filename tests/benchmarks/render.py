"""docs/benchmarks.md from the raw results, apart from measuring them."""

import math
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure, Goal, Outcome, load
from tests.benchmarks.rows import all_rows
from tests.benchmarks.stores import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
PLOTS = ROOT / "docs" / "benchmarks"
OURS = "django_repid"
#: Further numbers of which less is better; of others nothing is said.
LESS = {
    "p50, ms", "p99, ms", "p99", "resident, MB", "PSS, MB", "transactions/s", "statements/s",
    "WAL bytes, enqueue in bulk", "transactions, drain", "statements, drain",
}  # fmt: skip

METHOD = """\
# Benchmarks

`make bench` measures all of this and writes this page; `make bench-quick` looks at django_repid
alone, before and after a change. Figures hold for one machine and one run: **compare them with each
other, not with those of another page**.

- A job does nothing and has three small JSON arguments; the result is kept wherever the system
  keeps results as it comes. One worker process, unless said otherwise.
- Each drain begins with a new database that holds the backlog, after VACUUM ANALYZE and a
  checkpoint on PostgreSQL, and is sized by a short trial. The order of the systems rotates between
  rounds; medians of the rounds count, and of tails (p99, max) all samples together.
- A rate goes from the start of the first job to the end of the last. "Recorded" goes on until the
  store has recorded the last one, and is what comparisons use.
- Jobs note the time in a file mapped into their process's memory, which takes about a microsecond;
  the store is asked nothing while jobs run.
- Every job is checked to have run exactly once.
- Rivals run on the same Python, with the best settings we found for this work; the settings stand
  beside the figures.
"""

NOTHING = """
No full run has been recorded yet. `make bench` makes one; it wants an otherwise idle machine with
PostgreSQL, MariaDB and Redis. What it measures:
"""


def render(path: Path) -> None:
    """Write the page, and the plots that it shows."""
    if not path.exists():
        rows = "".join(f"- `{row.name}`: {row.title}\n" for row in all_rows().values())
        PAGE.write_text(f"{METHOD}{NOTHING}\n{rows}")
        print(f"{PAGE}: no results in {path}")
        return
    about, outcomes = load(path)
    order = list(all_rows())
    outcomes.sort(key=lambda one: order.index(one.name) if one.name in order else len(order))
    shown = _plots(outcomes)
    parts = [METHOD, _about(about), _goals(outcomes), _ahead(outcomes), shown]
    parts += [_section(outcome, about) for outcome in outcomes]
    text = "\n".join(part.strip("\n") + "\n" for part in parts if part)
    PAGE.write_text(text)
    print(f"{PAGE}: {len(outcomes)} rows")


def _plots(outcomes: list[Outcome]) -> str:
    try:
        from tests.benchmarks.plots import draw
    except ImportError as error:
        print(f"No plots: {error}")
        return ""
    PLOTS.mkdir(exist_ok=True)
    return "".join(f"![{text}](benchmarks/{name})\n\n" for name, text in draw(outcomes, PLOTS))


def _about(about: dict[str, Any]) -> str:
    machine = about["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    size = "" if about["scale"] == "full" else f" (scale: {about['scale']})"
    return (
        f"Measured on {about['date']} at commit `{about['commit']}`{size}: "
        f"{machine['cores']} cores of {machine['processor']}, {machine['memory, GB']} GB, "
        f"{machine['system']}, databases and workers on one machine.\n\n"
        f"Versions: {versions}.\n"
    )


# ---- Goals


def _goals(outcomes: list[Outcome]) -> str:
    lines = ["## Goals", "", "| | goal | result | reached |", "|---|---|---|---|"]
    for outcome in outcomes:
        where = f"[{outcome.name}](#{outcome.name})"
        if outcome.error and not outcome.goals:
            lines.append(f"| {where} | | failed | |")
        lines += [
            f"| {where} | {goal.text} | {_result(goal)} | {_reached(goal)} |"
            for goal in outcome.goals
        ]
    return "\n".join(lines) + "\n"


def _result(goal: Goal) -> str:
    if goal.unit == "×":
        return f"{_number(goal.result)} ×"
    beside = f" (wanted {_number(goal.wanted)})"
    return f"{_number(goal.result)} {goal.unit}{beside}"


def _reached(goal: Goal) -> str:
    if math.isinf(goal.share):
        return "yes"
    return f"yes, {goal.share:.0%}" if goal.met else f"**no, {goal.share:.0%}**"


def _ahead(outcomes: list[Outcome]) -> str:
    """Say where a rival is ahead, and by how much."""
    found = []
    for outcome in outcomes:
        for figure in outcome.figures:
            leads = [("", _against(figure, outcome))]
            leads += [(f"{name}: ", _against(figure, outcome, name)) for name in figure.also]
            found += [
                f"- [{outcome.name}](#{outcome.name}): {name}{figure.label}, {_number(lead)} ×\n"
                for name, lead in leads
                if lead > 1
            ]
    text = "".join(found) or "Nowhere, of those that have a figure of ours beside them.\n"
    return f"## Where a rival is ahead\n\n{text}"


def _against(figure: Figure, outcome: Outcome, name: str = "") -> float:
    """Return how many times as good a rival is as ours of the same kind; nan: there is none."""
    tail = figure.label.partition(", ")[2]
    ours = outcome.figure(f"{OURS}, {tail}")
    if not figure.rival or not figure.values or not ours.values:
        return math.nan
    if not name and figure.unit.endswith("/s"):
        return figure.counted / ours.counted
    if name and name not in LESS:
        return math.nan
    mine, other = (one.median(name) if name else one.value for one in (ours, figure))
    return mine / other if other else math.nan


# ---- Rows


def _section(outcome: Outcome, about: dict[str, Any]) -> str:
    lines = [f"({outcome.name})=", f"## {outcome.title}", "", f"`{outcome.command}`", ""]
    if outcome.commit and (outcome.date, outcome.commit) != (about["date"], about["commit"]):
        lines += [f"Measured apart, on {outcome.date} at commit `{outcome.commit}`.", ""]
    if outcome.error:
        lines += [f"Failed: `{_plain(outcome.error)}`", ""]
    if outcome.figures:
        lines += [*_table(outcome), ""]
    lines += [f"{note}\n" for note in outcome.notes]
    return "\n".join(lines)


def _table(outcome: Outcome) -> list[str]:
    also = list(dict.fromkeys(name for figure in outcome.figures for name in figure.also))
    rivals = any(figure.rival for figure in outcome.figures)
    unit = outcome.figures[0].unit
    heads = ["", unit, *also, *(["× ours"] if rivals else []), "settings"]
    lines = [_line(heads), _line(["---", *("---:" for _ in heads[1:-1]), "---"])]
    for figure in outcome.figures:
        cells = [figure.label, _number(figure.value)]
        for name in also:
            number = _number(figure.median(name))
            cells.append(f"**{number}**" if _against(figure, outcome, name) > 1 else number)
        if rivals:
            ratio = _against(figure, outcome)
            cells.append(f"**{_number(ratio)}**, ahead" if ratio > 1 else _number(ratio))
        cells.append(_settings(figure))
        lines.append(_line(cells))
    return lines


def _settings(figure: Figure) -> str:
    if figure.error:
        return f"failed: `{_plain(figure.error)}`"
    command = f"`{figure.command}`" if figure.command else ""
    return "; ".join(one for one in (figure.note, command) if one)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Return an error in one line, without paths of this machine."""
    text = " ".join(text.replace(str(ROOT), ".").split()).replace("`", "'").replace("|", "/")
    return text[:200]


def _number(value: float) -> str:
    if math.isnan(value):
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
