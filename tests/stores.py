"""Tests that run once per store: in memory, and on the database that the suite runs on.

A module that says `pytestmark = pytest.mark.usefixtures("each_store")` runs once on each, and
`connection` makes its connections there. Elsewhere they are in memory.
"""

import asyncio
from collections.abc import Callable, Coroutine
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
)
from django_repid.core.options import Options
from django_repid.models import Message

T = TypeVar("T")

_BROKERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "memory": (InMemoryMessageBroker, InMemoryBucketBroker),
    "database": (DatabaseMessageBroker, DatabaseBucketBroker),
}
#: What `each_store` is given for each of them.
STORES = (
    "memory",
    pytest.param("database", marks=[pytest.mark.store, pytest.mark.django_db(transaction=True)]),
)

_here: ContextVar[str] = ContextVar("_here", default="memory")


def use(store: str) -> Callable[[], None]:
    """Make connections on this store from now on; what is returned goes back."""
    token = _here.set(store)
    return lambda: _here.reset(token)


def connection(*, args: bool = True, results: bool = True, **options: Any) -> Connection:
    """Return a connection on the store that the test runs on, by default with all brokers."""
    messages, buckets = _BROKERS[_here.get()]
    return Connection(
        messages(),
        buckets() if args else None,
        buckets(use_result_bucket=True) if results else None,
        options=Options(**options),
        alias=_here.get(),
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
    else:
        Message.objects.filter(pk=found.key.pk).update(**fields)
