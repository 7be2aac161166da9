"""taskiq on a Redis stream, results kept in Redis."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from tests.benchmarks import work

CHUNK = 100
URL = os.environ["REPID_BENCH_NAME"]
# The group begins at the stream's first message: the backlog is there before the worker.
broker = RedisStreamBroker(url=URL, consumer_id="0").with_result_backend(
    RedisAsyncResultBackend(redis_url=URL)
)
TASKS = {name: broker.task(task_name=name)(function) for name, function in work.ACTORS.items()}


async def _enqueue(count: int, actor: str) -> None:
    await broker.startup()
    for begin in range(0, count, CHUNK):
        numbers = range(begin, min(begin + CHUNK, count))
        await asyncio.gather(*(TASKS[actor].kiq(**work.arguments(one)) for one in numbers))
    await broker.shutdown()


def prepare() -> None:
    """Nothing is needed."""


def enqueue(count: int, actor: str) -> None:
    asyncio.run(_enqueue(count, actor))


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    with asyncio.Runner() as runner:
        runner.run(broker.startup())
        yield lambda number: runner.run(TASKS[actor].kiq(**work.arguments(number)))
