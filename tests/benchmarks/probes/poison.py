"""What a job that kills its process costs the healthy ones once it is under suspicion.

    python -m tests.benchmarks.probes.poison [--jobs 60000] [--rounds 3] [--suspects 2]

Drains no-op jobs on the database of REPID_TEST_DATABASE, alone and beside suspects that die in the
worker's cell again and again, in turns; prints both rates and their ratio.
"""

import argparse
import asyncio
import statistics
import tempfile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--suspects", type=int, default=2)
    options = parser.parse_args()

    import django

    django.setup()
    from django.test.utils import setup_databases, teardown_databases

    before = setup_databases(verbosity=0, interactive=False, aliases={"default": False})
    try:
        alone, beside = [], []
        for _ in range(options.rounds):
            alone.append(_rate(options.jobs, suspects=0))
            beside.append(_rate(options.jobs, suspects=options.suspects))
        one, other = statistics.median(alone), statistics.median(beside)
        print(f"alone {one:,.0f} jobs/s, beside suspects {other:,.0f} jobs/s: {other / one:.2f} x")
    finally:
        teardown_databases(before, verbosity=0)


def _rate(jobs: int, *, suspects: int) -> float:
    """Return the jobs per second of a drain beside so many suspects that die."""
    from django.db.models import Count, Max, Min

    from django_repid import Job, Worker, discovery
    from django_repid.models import Bucket, Failure, Message

    for model in (Message, Bucket, Failure):
        model.objects.all().delete()
    Job.enqueue_many_sync([Job("add", args={"a": n, "b": 1}) for n in range(jobs)])
    fatal = [
        Job("poison", args={"how": "exit", "folder": tempfile.gettempdir()})
        for _ in range(suspects)
    ]
    Job.enqueue_many_sync(fatal)
    Message.objects.filter(topic="poison").update(suspicion=3, priority=9)
    worker = Worker([discovery.router()], connection="default", burst=True, handle_signals=())
    asyncio.run(worker.run())
    healthy = Bucket.objects.filter(topic="add", success=True)
    seen = healthy.aggregate(first=Min("started_ns"), last=Max("finished_ns"), count=Count("pk"))
    assert seen["count"] == jobs
    return jobs / (seen["last"] - seen["first"]) * 1e9


if __name__ == "__main__":
    main()
