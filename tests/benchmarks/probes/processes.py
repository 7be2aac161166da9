"""What a job costs that runs in a child process, beside one that runs on a thread.

python -m tests.benchmarks.probes.processes [jobs]
"""

import asyncio
import sys
import time

from django_repid import (
    Connection,
    InMemoryBucketBroker,
    InMemoryMessageBroker,
    Job,
    Router,
    Worker,
)

router = Router()


@router.actor
def on_thread(n: int) -> int:
    return n


@router.actor(run_in_process=True)
def in_process(n: int) -> int:
    return n


async def measure(name: str, count: int) -> float:
    """Run so many jobs one after another; return the microseconds that each took."""
    connection = Connection(
        InMemoryMessageBroker(), None, InMemoryBucketBroker(use_result_bucket=True)
    )
    worker = Worker(
        [router],
        connection=connection,
        threads=1,
        actor_processes=1,
        messages_limit=1 + count,
        handle_signals=(),
    )
    running = asyncio.create_task(worker.run())
    first = Job(name, args={"n": 0}, connection=connection)
    await first.enqueue()
    await first.wait(30)  # its process is there from now on
    jobs = [Job(name, args={"n": n}, connection=connection) for n in range(count)]
    began = time.perf_counter()
    await Job.enqueue_many(jobs)
    await jobs[-1].wait(120)
    took = time.perf_counter() - began
    await running
    return took / count * 1e6


def main() -> None:
    """Print what each kind costs."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for name in ("on_thread", "in_process"):
        print(f"{name:<12}{asyncio.run(measure(name, count)):8.0f} µs per job")


if __name__ == "__main__":
    main()
