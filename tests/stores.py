"""Tests that run once per store: in memory, on the suite's database, on Redis.

A module that says `pytestmark = pytest.mark.usefixtures("each_store")` runs once on each, and
`connection` makes its connections there. Elsewhere they are in memory.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from django_repid import (
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    InMemoryBucketBroker,
    InMemoryMessageBroker,
    RedisBucketBroker,
    RedisMessageBroker,
)
from django_repid.core.options import Options
from django_repid.models import Message
from tests.on_redis.kit import URL, emptied

T = TypeVar("T")

#: What `each_store` is given for each of them. A job on Redis may write in the database.
STORES = (
    "memory",
    pytest.param("database", marks=[pytest.mark.store, pytest.mark.django_db(transaction=True)]),
    pytest.param("redis", marks=[pytest.mark.redis, pytest.mark.django_db(transaction=True)]),
)


class _Memory:
    messages: Callable[..., Any] = InMemoryMessageBroker
    buckets: Callable[..., Any] = InMemoryBucketBroker


class _Database:
    messages: Callable[..., Any] = DatabaseMessageBroker
    buckets: Callable[..., Any] = DatabaseBucketBroker


class _Redis:
    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    @property
    def place(self) -> dict[str, Any]:
        return {"dsn": URL, "prefix": self._prefix}

    def messages(self) -> RedisMessageBroker:
        return RedisMessageBroker(**self.place)

    def buckets(self, **options: Any) -> RedisBucketBroker:
        return RedisBucketBroker(**self.place, **options)


_here: ContextVar[Any] = ContextVar("_here", default=_Memory)


@contextmanager
def use(store: str) -> Iterator[None]:
    """Make connections on this store inside the block."""
    with emptied() if store == "redis" else _nothing() as prefix:
        token = _here.set({"memory": _Memory, "database": _Database}.get(store) or _Redis(prefix))
        yield
        _here.reset(token)


@contextmanager
def _nothing() -> Iterator[str]:
    yield ""


def place() -> dict[str, Any]:
    """Return where in Redis a test has its keys."""
    found: dict[str, Any] = _here.get().place
    return found


def connection(*, args: bool = True, results: bool = True, **options: Any) -> Connection:
    """Return a connection on the store that the test runs on, by default with all brokers."""
    store = _here.get()
    return Connection(
        store.messages(),
        store.buckets() if args else None,
        store.buckets(use_result_bucket=True) if results else None,
        options=Options(**options),
        alias="tests",
    )


def run(story: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine, and leave no connection to the database open behind it."""

    async def main() -> T:
        try:
            return await story
        finally:
            await sync_to_async(connections.close_all, thread_sensitive=True)()

    return asyncio.run(main())


def change(connection: Connection, id_: str, **fields: Any) -> None:
    """Have another value in the store for some fields of a message, as no call would write it."""
    broker: Any = connection.message_broker
    (found,) = broker.find([id_])
    if isinstance(broker, InMemoryMessageBroker):
        broker._put(replace(found, **fields))
    elif isinstance(broker, RedisMessageBroker):
        _change_in_redis(broker, found.key, fields)
    else:
        Message.objects.filter(pk=found.key.pk).update(**fields)


def _change_in_redis(broker: RedisMessageBroker, key: Any, fields: dict[str, Any]) -> None:
    names = {"run_at": "r", "due_at": "d", "tick": "k", "suspicion": "u"}
    place, pk = broker.place, f"{key.pk:016}"
    place.client.hset(place.key(f"m:{pk}"), mapping={names[k]: int(v) for k, v in fields.items()})
    if "run_at" in fields:
        head = f"ready:{key.queue} {key.topic} {int(key.priority)}"
        place.client.zadd(place.key(head), {pk: fields["run_at"]})
