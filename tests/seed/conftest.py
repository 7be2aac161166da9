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
    Repid,
    Router,
    Worker,
)
from django_repid.core import clock
from tests import stores


@dataclass
class Store:
    """One kind of brokers, and what the tests do with it."""

    brokers: str

    @property
    def names(self) -> dict[str, Any]:
        """What a block of the text must be given besides."""
        return {"place": stores.place()} if self.brokers == "Redis" else {}

    def message_broker(self) -> Any:
        return stores.connection().message_broker

    def bucket_broker(self, **options: Any) -> Any:
        made = stores.connection()
        results = options.get("use_result_bucket", False)
        return made.results_bucket_broker if results else made.args_bucket_broker

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


@pytest.fixture
def store(each_store):
    return Store({"memory": "InMemory", "database": "Database", "redis": "Redis"}[each_store])


@pytest.fixture
def connection(store):
    return store.connection()
