"""Readers: one for each store that the settings name and that can be looked into."""

from typing import Protocol

from django_repid import conf
from django_repid.brokers.database import DatabaseMessageBroker
from django_repid.brokers.redis import RedisMessageBroker
from django_repid.connections import connections
from django_repid.core.connection import Connection
from django_repid.insight.causes import CauseReader
from django_repid.insight.database.reader import DatabaseReader
from django_repid.insight.jobs import JobReader
from django_repid.insight.queues import QueueReader
from django_repid.insight.redis.reader import RedisReader
from django_repid.insight.schedules import ScheduleReader
from django_repid.insight.workers import WorkerReader


class Reader(WorkerReader, QueueReader, CauseReader, ScheduleReader, JobReader, Protocol):
    """What can be seen of one connection's store. Each part is a protocol of its own module."""

    connection: Connection

    @property
    def alias(self) -> str:
        """The alias of REPID."""

    def now_us(self) -> int:
        """Return the store's time."""


def reader_of(connection: Connection) -> Reader | None:
    """Return the reader of a connection; None for a store that lives in its process's memory."""
    if isinstance(connection.message_broker, DatabaseMessageBroker):
        return DatabaseReader(connection)
    if isinstance(connection.message_broker, RedisMessageBroker):
        return RedisReader(connection)
    return None


def readers() -> dict[str, Reader]:
    """Return readers by alias, the default first; of aliases that share a store the first.

    Raises:
        ConfigurationError: an alias of REPID is not right.

    """
    found: dict[str, Reader] = {}
    stores: set[str] = set()
    for alias in conf.aliases():
        reader = reader_of(connections[alias])
        if reader is None:
            continue
        store = getattr(reader, "store", alias)
        if store not in stores:
            stores.add(store)
            found[alias] = reader
    return found
