"""RQ on Redis. Its SimpleWorker, which forks no process for each job, is the fastest it has."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis
from rq import Queue

from tests.benchmarks import work

CHUNK = 1_000
queue = Queue(connection=redis.Redis.from_url(os.environ["REPID_BENCH_NAME"]))


def prepare() -> None:
    """Nothing is needed."""


def enqueue(count: int, actor: str) -> None:
    for begin in range(0, count, CHUNK):
        numbers = range(begin, min(begin + CHUNK, count))
        queue.enqueue_many(
            [Queue.prepare_data(work.ACTORS[actor], kwargs=work.arguments(one)) for one in numbers]
        )


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    yield lambda number: queue.enqueue(work.ACTORS[actor], **work.arguments(number))
