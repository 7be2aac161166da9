"""A quick look at speed: `make bench-quick`, before and after a change.

One worker process drains no-op jobs with three small JSON arguments, results kept, and the same
process enqueues them before. Rates are jobs per second, from the start of the worker to the last
settlement, median of three. Compare figures of one run of one machine only.

Usage: python -m tests.benchmarks.quick [--jobs N] [--database sqlite|postgres|mariadb ...]
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time

ROUNDS = 3


def measure(jobs: int) -> dict[str, float]:
    """Measure in this process, on the database that the settings name."""
    import django

    django.setup()
    from django.db import connections
    from django.test.utils import setup_databases, teardown_databases

    before = setup_databases(verbosity=0, interactive=False, aliases={"default": False})
    try:
        return _measure(jobs)
    finally:
        connections.close_all()
        teardown_databases(before, verbosity=0)


def _measure(jobs: int) -> dict[str, float]:
    from django_repid import Job, Router, Worker
    from django_repid.models import Bucket

    router = Router()

    @router.actor
    async def noop(number: int, text: str, flag: bool) -> None: ...

    @router.actor
    def noop_sync(number: int, text: str, flag: bool) -> None: ...

    def rate(work) -> float:
        started = time.perf_counter()
        work()
        return jobs / (time.perf_counter() - started)

    def make(name: str) -> list[Job]:
        return [Job(name, args={"number": n, "text": "x", "flag": True}) for n in range(jobs)]

    def drain() -> None:
        worker = Worker([router], burst=True, handle_signals=())
        assert asyncio.run(worker.run()).processed == jobs

    rates: dict[str, list[float]] = {"enqueue_many": [], "drain noop": [], "drain noop_sync": []}
    for name in ("noop", "noop_sync") * ROUNDS:
        batch = make(name)
        rates["enqueue_many"].append(rate(lambda batch=batch: Job.enqueue_many_sync(batch)))
        rates[f"drain {name}"].append(rate(drain))
    few = make("noop")[: max(jobs // 20, 100)]
    started = time.perf_counter()
    _ = [job.enqueue_sync() for job in few]
    rates["enqueue_sync"] = [len(few) / (time.perf_counter() - started)]
    drained = Bucket.objects.count()
    assert drained >= jobs * ROUNDS * 2
    return {name: statistics.median(values) for name, values in rates.items()}


def main() -> None:
    """Measure on each database, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--database", nargs="*", default=["sqlite", "postgres"])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        for name, value in measure(options.jobs).items():
            print(f"  {name:<18}{value:>10,.0f} jobs/s")
        return
    for database in options.database:
        print(f"{database}, {options.jobs} jobs, results kept", flush=True)
        environment = {
            **os.environ,
            "REPID_TEST_DATABASE": database,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        command = [sys.executable, "-m", "tests.benchmarks.quick", "--here"]
        subprocess.run([*command, "--jobs", str(options.jobs)], env=environment, check=True)


if __name__ == "__main__":
    main()
