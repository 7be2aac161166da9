"""Dramatiq on Redis with its asyncio middleware; as it comes it keeps no results."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware.asyncio import AsyncIO

from tests.benchmarks import work

broker = RedisBroker(url=os.environ["REPID_BENCH_NAME"])
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)
ACTORS = {name: dramatiq.actor(function) for name, function in work.ACTORS.items()}


def prepare() -> None:
    """Nothing is needed."""


def enqueue(count: int, actor: str) -> None:
    for number in range(count):
        ACTORS[actor].send(**work.arguments(number))


@contextmanager
def client(actor: str) -> Iterator[Callable[[int], None]]:
    yield lambda number: ACTORS[actor].send(**work.arguments(number))
