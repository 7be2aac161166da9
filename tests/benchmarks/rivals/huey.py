"""huey, on SQLite and on Redis. As it comes it keeps no result of a job that returns None."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from huey import RedisHuey, SqliteHuey

from tests.benchmarks import work


def _make() -> RedisHuey | SqliteHuey:
    where = os.environ["REPID_BENCH_NAME"]
    if os.environ["REPID_BENCH_STORE"] == "redis":
        return RedisHuey("bench", url=where)
    # Its default is what SQLite's own is: FULL.
    synced = {"FULL": None, "OFF": False}[os.environ["REPID_BENCH_SYNCHRONOUS"]]
    return SqliteHuey("bench", filename=where, fsync=synced)


app = _make()
TASKS = {name: app.task()(work.ACTORS[name]) for name in ("noop_sync", "pause_sync")}


def prepare() -> None:
    """Importing the module has made all there is."""


def enqueue(count: int, actor: str) -> None:
    for number in range(count):
        TASKS[actor](**work.arguments(number))


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    yield lambda number: TASKS[actor](**work.arguments(number))
