"""Chancy. Its worker is started by running this module; the option is how many jobs at once."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chancy import Chancy, Job, Queue, Worker

from tests.benchmarks import work


def _app() -> Chancy:
    return Chancy(f"postgresql:///{os.environ['REPID_BENCH_NAME']}")


def _job(number: int, actor: str) -> Any:
    return Job.from_func(work.ACTORS[actor]).with_kwargs(**work.arguments(number))


async def _declare(at_once: int) -> None:
    async with _app() as app:
        await app.migrate()
        await app.declare(_queue(at_once), upsert=True)


def _queue(at_once: int) -> Queue:
    return Queue("default", concurrency=at_once, executor=Chancy.Executor.Async, eager_polling=True)


async def _enqueue(count: int, actor: str) -> None:
    async with _app() as app:
        async for _ in app.push_many([_job(number, actor) for number in range(count)]):
            pass


async def _work(at_once: int) -> None:
    async with _app() as app:
        await app.declare(_queue(at_once), upsert=True)
        async with Worker(app) as worker:
            await worker.wait_for_shutdown()


def prepare() -> None:
    asyncio.run(_declare(100))


def enqueue(count: int, actor: str) -> None:
    asyncio.run(_enqueue(count, actor))


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    with _app() as app:
        yield lambda number: app.sync_push(_job(number, actor))


if __name__ == "__main__":
    asyncio.run(_work(int(sys.argv[1])))
