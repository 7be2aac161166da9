"""PgQueuer with asyncpg. It deletes a job at its end and keeps no result.

Its worker is started by running this module; the options are the batch size and the most jobs at
once (0: no limit).
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from tests.benchmarks import work

CHUNK = 10_000


def _payload(number: int) -> bytes:
    return json.dumps(work.arguments(number)).encode()


async def _connect() -> AsyncpgDriver:
    return AsyncpgDriver(await asyncpg.connect(database=os.environ["REPID_BENCH_NAME"]))


async def _install() -> None:
    await Queries(await _connect()).install()


async def enqueue_chunks(count: int, actor: str, chunk: int = CHUNK) -> None:
    """Enqueue `count` jobs, `chunk` in each call."""
    queries = Queries(await _connect())
    for begin in range(0, count, chunk):
        numbers = range(begin, min(begin + chunk, count))
        payloads: list[bytes | None] = [_payload(number) for number in numbers]
        await queries.enqueue([actor] * len(payloads), payloads, [0] * len(payloads))


def prepare() -> None:
    asyncio.run(_install())


def enqueue(count: int, actor: str) -> None:
    asyncio.run(enqueue_chunks(count, actor))


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    with asyncio.Runner() as runner:
        queries = Queries(runner.run(_connect()))
        yield lambda number: runner.run(queries.enqueue(actor, _payload(number)))


async def _work(batch: int, at_once: int) -> None:
    queue = PgQueuer(await _connect())

    @queue.entrypoint("noop")
    async def noop(job: Job) -> None:
        await work.noop(**json.loads(job.payload or b"{}"))

    @queue.entrypoint("pause")
    async def pause(job: Job) -> None:
        await work.pause(**json.loads(job.payload or b"{}"))

    @queue.entrypoint("noop_sync")
    async def noop_sync(job: Job) -> None:
        # It has no sync entrypoints; this is what its error message advises.
        await asyncio.to_thread(work.noop_sync, **json.loads(job.payload or b"{}"))

    await queue.run(batch_size=batch, max_concurrent_tasks=at_once or None)


if __name__ == "__main__":
    asyncio.run(_work(*map(int, sys.argv[1:])))
