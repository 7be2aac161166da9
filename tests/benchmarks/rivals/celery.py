"""Celery on Redis, results kept there."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from celery import Celery

from tests.benchmarks import work

URL = os.environ["REPID_BENCH_NAME"]
app = Celery("bench", broker=URL, backend=URL)
TASKS = {name: app.task(name=name)(work.ACTORS[name]) for name in ("noop_sync", "pause_sync")}


def prepare() -> None:
    """Nothing is needed."""


def enqueue(count: int, actor: str) -> None:
    for number in range(count):
        TASKS[actor].delay(**work.arguments(number))


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    yield lambda number: TASKS[actor].delay(**work.arguments(number))
