"""The seed's connection, once per store."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from django_repid import (
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    InMemoryBucketBroker,
    InMemoryMessageBroker,
    Repid,
    Router,
    Worker,
)
from django_repid.core import clock

ON_DATABASE = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


@dataclass
class Store:
    """One kind of brokers, and what the tests do with it."""

    brokers: str
    monkeypatch: pytest.MonkeyPatch

    def message_broker(self) -> Any:
        kinds = {"InMemory": InMemoryMessageBroker, "Database": DatabaseMessageBroker}
        return kinds[self.brokers]()

    def bucket_broker(self, **options: Any) -> Any:
        kinds = {"InMemory": InMemoryBucketBroker, "Database": DatabaseBucketBroker}
        return kinds[self.brokers](**options)

    def connection(self, *, args: bool = True, results: bool = True) -> Connection:
        """Return a connection as the seed's "Preparation" makes it, or with fewer brokers."""
        return Connection(
            message_broker=self.message_broker(),
            args_bucket_broker=self.bucket_broker() if args else None,
            results_bucket_broker=self.bucket_broker(use_result_bucket=True) if results else None,
        )

    def run(self, story: Coroutine[Any, Any, Any], connection: Connection | None = None) -> Any:
        """Run a coroutine, with `connection` as the default; leave no database connection open."""

        async def main() -> Any:
            try:
                if connection is None:
                    return await story
                async with Repid(connection).magic(auto_disconnect=True):
                    return await story
            finally:
                await sync_to_async(connections.close_all, thread_sensitive=True)()

        return asyncio.run(main())

    def work(self, connection: Connection, *routers: Router) -> int:
        """Let a worker run what is due."""
        worker = Worker(routers, connection=connection, burst=True, handle_signals=())
        return int(self.run(worker.run()).processed)

    def gone(self, broker: Any, id_: str, after: timedelta) -> bool:
        """Say whether a reader finds no bucket any more when this time has passed."""
        clock.travel(clock.span_us(after))
        try:
            return id_ not in broker.get([id_])
        finally:
            clock.travel(0)


@pytest.fixture(params=["InMemory", pytest.param("Database", marks=ON_DATABASE)])
def store(request, monkeypatch):
    return Store(request.param, monkeypatch)


@pytest.fixture
def connection(store):
    return store.connection()
