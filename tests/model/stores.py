"""The stores that models are held against, under a clock that moves only when it is told to."""

from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from django.db import connection as django_connection
from django.db import transaction

from django_repid import (
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    InMemoryBucketBroker,
    InMemoryMessageBroker,
)
from django_repid.brokers.database import claiming, rows
from django_repid.core import clock
from django_repid.core.message import StoredMessage
from django_repid.models import Bucket, Failure, Message, Queue, WorkerProcess

SECOND = 1_000_000
HOUR = 3600 * SECOND

#: For how long a broker may go by what it has seen last; a whole look is newer than that.
LOOK_US = round(claiming.HEADS_SECONDS * SECOND)


class StillClock:
    """The time of everybody: examples that are repeated see the same one, however slow they run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_800_000_000 * SECOND
        monkeypatch.setattr(clock, "now_us", lambda: self.now)
        monkeypatch.setattr(clock, "now_ns", lambda: self.now * 1000)
        monkeypatch.setattr(clock, "utc_now", self._utc_now)
        # By it a broker knows how old its last look is.
        monotonic = SimpleNamespace(monotonic=lambda: self.now / SECOND)
        monkeypatch.setattr(claiming, "time", monotonic)

    def _utc_now(self) -> datetime:
        return clock.from_us(self.now)


class MemoryStore:
    """One process: all its workers share one broker, and what it did is seen at once."""

    counts_beats: ClassVar = True
    #: Whoever seizes a message here and dies takes the store along.
    frees_seized: ClassVar = False
    remembers_looks: ClassVar = False

    def __init__(
        self, make_broker: Callable[[], InMemoryMessageBroker] = InMemoryMessageBroker
    ) -> None:
        self._make_broker = make_broker
        self.open()

    def open(self) -> None:
        """Begin with nothing."""
        self.messages = self._make_broker()
        self.buckets = InMemoryBucketBroker(use_result_bucket=True)
        self.connections = [Connection(self.messages, None, self.buckets)]

    def rows(self) -> list[StoredMessage]:
        """Return every message there is."""
        return sorted(self.messages._messages.values(), key=lambda row: row.key.pk or 0)

    def results(self) -> dict[str, str]:
        """Return what is in every bucket there is."""
        return {id_: bucket.data for id_, bucket in self.buckets._buckets.items()}


class DatabaseStore:
    """Two processes, with a broker each, on one database."""

    counts_beats: ClassVar = False  # on SQLite, where locked files say who lives
    frees_seized: ClassVar = True
    remembers_looks: ClassVar = True

    _tables: ClassVar[list[type[Any]]] = [Message, Bucket, Failure, Queue, WorkerProcess]

    def __init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Begin with nothing."""
        with transaction.atomic(), django_connection.cursor() as cursor:
            for model in self._tables:
                cursor.execute(f"DELETE FROM {model._meta.db_table}")
        self.connections = [
            Connection(DatabaseMessageBroker(), None, DatabaseBucketBroker(use_result_bucket=True))
            for _ in range(2)
        ]

    def rows(self) -> list[StoredMessage]:
        """Return every message there is."""
        table, columns = Message._meta.db_table, ", ".join(rows.MESSAGE_COLUMNS)
        return [rows.message(row) for row in _read(f"SELECT {columns} FROM {table} ORDER BY id")]

    def results(self) -> dict[str, str]:
        """Return what is in every bucket there is."""
        return dict(_read(f"SELECT bucket_id, data FROM {Bucket._meta.db_table}"))


def _read(sql: str) -> list[Any]:
    """Read a table: plain SQL, since models that are built ten thousand times take seconds."""
    with django_connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


Store = MemoryStore | DatabaseStore
