"""arq on Redis, a hundred jobs at once, results kept as it comes."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings

from tests.benchmarks import work

CHUNK = 100
REDIS = RedisSettings.from_dsn(os.environ["REPID_BENCH_NAME"])


async def noop(context: dict[str, Any], **arguments: Any) -> None:
    await work.noop(**arguments)


async def pause(context: dict[str, Any], **arguments: Any) -> None:
    await work.pause(**arguments)


class WorkerSettings:
    """What `arq` is started with."""

    functions = (noop, pause)
    redis_settings = REDIS
    max_jobs = 100


async def _enqueue(count: int, actor: str) -> None:
    pool = await create_pool(REDIS)
    for begin in range(0, count, CHUNK):
        numbers = range(begin, min(begin + CHUNK, count))
        await asyncio.gather(*(pool.enqueue_job(actor, **work.arguments(one)) for one in numbers))


def prepare() -> None:
    """Nothing is needed."""


def enqueue(count: int, actor: str) -> None:
    asyncio.run(_enqueue(count, actor))


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    with asyncio.Runner() as runner:
        pool = runner.run(create_pool(REDIS))
        yield lambda number: runner.run(pool.enqueue_job(actor, **work.arguments(number)))
