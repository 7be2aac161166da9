"""What a run has shown, as a table for people and as a page for the docs."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.store import ROOT, TITLES
from tests.chaos.verdict import Verdict

HEADERS = (
    "store", "jobs", "kills", "freezes", "deploys", "server restarts", "lost", "stuck",
    "duplicates", "allowed", "seconds",
)  # fmt: skip
_KILLS = ("kill_worker", "kill_group", "kill_supervisor", "kill_in_outage")
_FREEZES = ("freeze_long", "freeze_short")
_RESTARTS = ("restart_fast", "restart_immediate", "kill_server", "kill_in_outage")


def cells(verdict: Verdict) -> tuple[str, ...]:
    def done(*deeds: str) -> str:
        return str(sum(verdict.deeds.get(one, 0) for one in deeds))

    return (
        TITLES[verdict.store],
        f"{verdict.jobs:,}",
        done(*_KILLS),
        done(*_FREEZES),
        done("deploy"),
        done(*_RESTARTS),
        *map(str, (verdict.lost, verdict.stuck, verdict.duplicates, verdict.allowed)),
        f"{verdict.seconds:.0f}",
    )


def table(verdicts: Sequence[Verdict]) -> str:
    """Return the numbers of all runs, a line each."""
    rows = [HEADERS, *map(cells, verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADERS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def page(verdicts: Sequence[Verdict], seed: int) -> str:
    """Return the page of the docs."""
    rows = [" | ".join(cells(one)) for one in verdicts]
    broken = [f"- {TITLES[one.store]}: {text}" for one in verdicts for text in one.violations]
    return _PAGE.format(
        headers=" | ".join(HEADERS),
        rule="|".join("---" for _ in HEADERS),
        rows="\n".join(f"| {row} |" for row in rows),
        broken="\n".join(broken) or "No promise was broken.",
        atomic="0 of `atomic=True` actors" if verdicts[0].atomic else "atomic actors are not there",
        commit=commit(),
        seed=seed,
        command=" ".join(["python -m tests.chaos", *sys.argv[1:]]),
        date=time.strftime("%Y-%m-%d"),
    )


def commit() -> str:
    """Name the commit that was run, with a mark where the tree was not clean."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def write(path: Path, verdicts: Sequence[Verdict], seed: int) -> None:
    path.write_text(page(verdicts, seed))


_PAGE = """# Chaos

Real workers on real databases, while processes are killed and frozen and servers are restarted.
A producer writes each id into a ledger, forced to the disk, only after the commit of its enqueue;
a job writes down its effect at the end of its work. When all has come to rest, the two are held
against each other, and against the tables.

| {headers} |
|{rule}|
{rows}

*Lost*: acknowledged, and neither done nor a dead letter that was to be expected. *Stuck*: ready or
running when all is over. *Duplicates*: effects beyond the first of a job. *Allowed*: jobs that the
table said were claimed by a worker when it was killed, or frozen for longer than the silence; each
duplicate must be one of them ({atomic}). A restart of the server allows none.

{broken}

Commit `{commit}`, seed {seed}, {date}: `{command}`. `make chaos-short` is the run of each push.
"""
