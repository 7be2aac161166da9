"""Run at a steady rate for long, and see what grows: `python -m tests.chaos.soak`, `make soak`.

    python -m tests.chaos.soak --minutes 60 --store postgres

Beside the workers an analyst counts all results in a loop, and somebody has forgotten an open
transaction. Results live for a minute, so pruning is at work. Every ten seconds it takes a sample.
It writes samples.csv, plot.svg and verdict.md; the exit code is 1 if a line is not flat: if the
median of the last quarter is more than 1.25 times that of the second. Leave the machine alone.
"""

import argparse
import csv
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import report, svg
from tests.chaos.disturbers import Analyst, Forgetful
from tests.chaos.fleet import Fleet
from tests.chaos.processes import Child, eventually, kill
from tests.chaos.samples import METRICS, Sampler, Trend, trends
from tests.chaos.store import ROOT, TITLES, Store, open_store

RATES = {"postgres": 300, "sqlite": 100}
Sample = dict[str, float]


def main() -> int:
    """Soak one store; return 1 if something grew, or the workers did not end well."""
    options = _parser().parse_args()
    # A soak that is ended ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    name = options.store
    where: Path = options.out or ROOT / "build" / "soak" / f"{name}-{time.strftime('%d-%H%M%S')}"
    numbers = {"THREADS": 4, "DATABASE_LANES": 4}
    with open_store(name, where, json.dumps(numbers)) as store:
        samples, codes = _soak(store, options)
    found = trends(samples)
    _draw(samples, where / "plot.svg")
    text = _verdict(name, options, samples, found, codes)
    (where / "verdict.md").write_text(text)
    print(text, f"\nSamples and plot: {where}", sep="")
    return int(any(codes) or not all(one.is_flat for one in found))


def _soak(store: Store, options: argparse.Namespace) -> tuple[list[Sample], list[int]]:
    """Let it run; return the samples, and the exit codes of the workers."""
    seconds = options.minutes * 60
    rate = str(options.rate or RATES[store.name])
    command = ("tests.chaos.steady", rate, str(seconds))
    producer = Child("producer", command, store.environment, store.folder)
    fleet = Fleet(store, (1,) * options.workers)
    disturbers = (Analyst(store), Forgetful(store, options.idle * 60))
    try:
        fleet.start()
        producer.start()
        for one in disturbers:
            one.start()
        samples = _watch(store, fleet, options)
        producer.wait(60)
        for one in disturbers:
            one.end()
        eventually(lambda: not store.waiting(), "all jobs are done", 120)
        return samples, fleet.stop()
    finally:
        fleet.destroy()
        if producer.code is None:
            kill([producer.pid])


def _watch(store: Store, fleet: Fleet, options: argparse.Namespace) -> list[Sample]:
    """Take samples until the time is over; write each down at once."""
    sampler, samples = Sampler(store), list[Sample]()
    started = time.monotonic()
    with (store.folder / "samples.csv").open("w", newline="") as file:
        sheet = csv.DictWriter(file, ["seconds", *(metric.name for metric in METRICS)])
        sheet.writeheader()
        for number in range(1, int(options.minutes * 60 / options.every) + 1):
            time.sleep(max(0.0, started + number * options.every - time.monotonic()))
            fleet.tick()
            samples.append(sampler.sample([m.pid for m in fleet.members]))
            sheet.writerow(samples[-1])
            file.flush()
            if number % 30 == 0:
                print(samples[-1], flush=True)
    return samples


def _draw(samples: Sequence[Sample], path: Path) -> None:
    panels = [
        svg.Panel(metric.title, [(one["seconds"], one[metric.name]) for one in samples])
        for metric in METRICS
        if any(one[metric.name] for one in samples)
    ]
    svg.draw(panels, path)


def _verdict(
    name: str,
    options: argparse.Namespace,
    samples: Sequence[Sample],
    found: Sequence[Trend],
    codes: Sequence[int],
) -> str:
    rate = options.rate or RATES[name]
    idle = f"re-opened every {options.idle:g} minutes" if options.idle else "open all the time"
    lines = [
        f"# {TITLES[name]}: {options.minutes:g} minutes at {rate} jobs/s",
        "",
        f"{options.workers} workers, {len(samples)} samples; an idle transaction {idle}; "
        f"exit codes {list(codes)}; commit `{report.commit()}`.",
        "",
        "| | second quarter | last quarter | |",
        "|---|---|---|---|",
    ]
    for one in found:
        if one.second or one.last:
            flat = "flat" if one.is_flat else "NOT FLAT"
            lines.append(f"| {one.metric.title} | {one.second:,.6g} | {one.last:,.6g} | {flat} |")
    return "\n".join([*lines, ""])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--minutes", type=float, default=60, help="how long (default: 60)")
    add("--store", choices=list(RATES), default="postgres", help="on what (default: postgres)")
    add("--rate", type=int, help=f"jobs per second (default: {RATES})")
    add("--workers", type=int, default=2, help="worker processes (default: 2)")
    add("--every", type=float, default=10, help="seconds between two samples (default: 10)")
    idle = "minutes after which the idle transaction is opened anew; 0: never (default: 5)"
    add("--idle", type=float, default=5, help=idle)
    add("--out", type=Path, metavar="FOLDER", help="where samples, plot and verdict go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
