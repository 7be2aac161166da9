"""Repid 1.6 on Redis, at the best that was found: HIGH jobs only, and looking only for those.

Its worker is started by running this module.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from repid import (
    Connection,
    Job,
    PrioritiesT,
    Queue,
    RedisBucketBroker,
    RedisMessageBroker,
    Repid,
    Router,
    Worker,
)

from tests.benchmarks import work

CHUNK = 100
URL = os.environ["REPID_BENCH_NAME"]


class HighOnly(RedisMessageBroker):
    """Looks for the other priorities only where there is no job of this one."""

    priorities_distribution = "1/0/0"


app = Repid(
    Connection(HighOnly(URL), results_bucket_broker=RedisBucketBroker(URL, use_result_bucket=True))
)
router = Router()
router.actor(work.noop)
router.actor(work.pause)


def _job(number: int, actor: str) -> Job:
    return Job(actor, args=work.arguments(number), priority=PrioritiesT.HIGH)


async def _enqueue(count: int, actor: str) -> None:
    async with app.magic(auto_disconnect=True):
        await Queue().declare()
        for begin in range(0, count, CHUNK):
            numbers = range(begin, min(begin + CHUNK, count))
            await asyncio.gather(*(_job(number, actor).enqueue() for number in numbers))


def prepare() -> None:
    """Nothing is needed."""


def enqueue(count: int, actor: str) -> None:
    asyncio.run(_enqueue(count, actor))


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    async def one(number: int) -> None:
        await _job(number, actor).enqueue()

    with asyncio.Runner() as runner:
        runner.run(app.magic_connect())
        yield lambda number: runner.run(one(number))


async def _work() -> None:
    async with app.magic(auto_disconnect=True):
        await Worker(routers=[router]).run()


if __name__ == "__main__":
    asyncio.run(_work())
