"""Break everything, and count: `python -m tests.chaos`, `make chaos` or `make chaos-short`.

A producer enqueues jobs of all kinds, workers run them, and a monkey kills and freezes processes,
deploys, and restarts the server. Then the ledger of acknowledged jobs is held against what was
done. Any broken promise makes the exit code 1, and leaves its evidence in build/chaos/.

    python -m tests.chaos --store sqlite --jobs 2000 --kills 5 --seed 7
    python -m tests.chaos --faults --store postgres     single faults, one after the other

Needs Linux, and the programs of PostgreSQL and MariaDB; it starts servers of its own.
"""

import argparse
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import django

from tests.chaos.report import table, write
from tests.chaos.run import Terms, run
from tests.chaos.store import ROOT, TITLES
from tests.chaos.verdict import Verdict

EVIDENCE = ROOT / "build" / "chaos"


def main() -> int:
    """Run on the chosen stores; return 1 if a promise was broken."""
    options = _parser().parse_args()
    # A run that is ended ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stores = options.store or list(TITLES)
    if options.faults or options.poison:
        from tests.chaos.faults import run_all

        return run_all(stores, EVIDENCE, faults=options.faults, poison=options.poison)
    atomic = _has_atomic()
    terms = Terms(
        jobs=options.jobs,
        kills=options.kills,
        seed=options.seed,
        pause=options.pause,
        silence=options.silence,
        beat=options.silence / 5,
    )
    verdicts = []
    for name in stores:
        print(f"{TITLES[name]}: {terms.jobs} jobs, seed {terms.seed}", flush=True)
        verdicts.append(_run(name, terms, atomic=atomic))
    print(f"\n{table(verdicts)}")
    if options.out:
        write(options.out, verdicts, terms.seed)
    return int(any(one.violations for one in verdicts))


def _run(name: str, terms: Terms, *, atomic: bool) -> Verdict:
    folder = EVIDENCE / f"{name}-{terms.seed}-{time.strftime('%H%M%S')}"
    verdict = run(name, terms, folder, atomic=atomic)
    for text in verdict.violations:
        print(f"  BROKEN: {text}", flush=True)
    if verdict.violations:
        print(f"  evidence: {folder}", flush=True)
    else:
        shutil.rmtree(folder)
    return verdict


def _has_atomic() -> bool:
    """Whether actors can be run in one transaction with their settlement."""
    os.environ.setdefault("CHAOS_FOLDER", str(EVIDENCE))
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.chaos.settings"
    django.setup()
    from tests.chaos.app.tasks import HAS_ATOMIC

    return HAS_ATOMIC


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--store", nargs="+", choices=list(TITLES), help="only these stores (default: all)")
    add("--jobs", type=int, default=20_000, help="acknowledged jobs per store (default: 20000)")
    add("--kills", type=int, default=40, help="kill -9 of workers per store (default: 40)")
    add("--seed", type=int, default=1, help="which chaos (default: 1)")
    add("--pause", type=float, default=3.0, help="seconds between two actions (default: 3)")
    add("--silence", type=float, default=1.5, help="SILENCE_SECONDS (default: 1.5)")
    add("--out", type=Path, metavar="FILE", help="write a Markdown page with the results")
    add("--faults", action="store_true", help="single faults instead, on the chosen stores")
    add("--poison", action="store_true", help="also, or only, jobs that kill their worker")
    return parser


if __name__ == "__main__":
    sys.exit(main())
