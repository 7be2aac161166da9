"""Measure, and write what was found: `python -m tests.benchmarks`, or `make bench`.

Raw results go to tests/benchmarks/results/, one file for each scale; docs/benchmarks.md is made
from the full one by `--render`, apart from measuring. Leave the machine alone meanwhile.
"""

import argparse
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.figures import RESULTS, Outcome, load, save
from tests.benchmarks.rows import Bench, Row, all_rows
from tests.benchmarks.scales import SCALES


def main() -> int:
    """Measure the chosen rows; return 1 if one failed."""
    options = _parser().parse_args()
    path: Path = options.results or RESULTS / f"{options.scale}.json"
    if options.render:
        from tests.benchmarks.render import render

        render(path)
        return 0
    if options.list:
        for row in all_rows().values():
            print(f"{row.name:<18}{row.title}{' (only when named, or --long)' * row.long}")
        return 0
    # A bench that is ended ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scale = SCALES[options.scale]
    bench = Bench(replace(scale, rounds=options.rounds or scale.rounds), options.rivals)
    rows = all_rows()
    names = options.only or [one.name for one in rows.values() if options.long or not one.long]
    about, outcomes = machine.about(options.scale), []
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {rows[name].title}", flush=True)
        outcome = _measure(rows[name], bench, options.scale)
        outcome.date, outcome.commit = about["date"], about["commit"]
        outcomes.append(outcome)
        save(path, about, outcomes)  # what there is, should the rest be interrupted
    _summarize(path, names)
    return int(any(one.error for one in outcomes))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", metavar="ROW", choices=list(all_rows()), help="only these rows")
    add("--list", action="store_true", help="list the rows")
    add("--scale", choices=list(SCALES), default="quick", help="how much (default: quick)")
    add("--rounds", type=int, help="how often; medians count (default: by scale)")
    add("--no-rivals", action="store_false", dest="rivals", help="django_repid alone")
    add("--long", action="store_true", help="also the rows that take very long")
    add("--results", type=Path, help="the file of raw results (default: by scale)")
    add("--render", action="store_true", help="make docs/benchmarks.md of the results, no more")
    return parser


def _measure(row: Row, bench: Bench, scale: str) -> Outcome:
    """Measure one row; what goes wrong stands in the outcome."""
    outcome = Outcome(row.name, row.title)
    outcome.command = f"python -m tests.benchmarks --scale {scale} --only {row.name}"
    started = time.monotonic()
    try:
        row.measure(bench, outcome)
    except Exception as error:  # a row that fails must not end the others
        outcome.error = f"{type(error).__name__}: {error}"
        print(f"    {outcome.error}", file=sys.stderr, flush=True)
    outcome.seconds = time.monotonic() - started
    return outcome


def _summarize(path: Path, names: list[str]) -> None:
    for outcome in load(path)[1]:
        if outcome.name not in names:
            continue
        print(f"\n{outcome.title} ({outcome.seconds:.0f} s) {outcome.error}")
        for figure in outcome.figures:
            also = ", ".join(f"{name} {figure.median(name):,.4g}" for name in figure.also)
            value = figure.error or f"{figure.value:,.4g} {figure.unit}"
            print(f"  {figure.label:<36} {value}{'; ' if also else ''}{also}")
        for goal in outcome.goals:
            mark = "reached" if goal.met else "NOT reached"
            print(f"  {mark}: {goal.text} ({goal.result:,.4g} {goal.unit})")


if __name__ == "__main__":
    sys.exit(main())
