"""The SQL that the vendors share, and the shape of what each must bring.

A statement is used with the calling thread's `connection`; every vendor is one subclass. `%s` are
parameters. Table and column names are our models' own, so the texts are put together freely.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.db.backends.base.base import BaseDatabaseWrapper

from django_repid.brokers.database import rows
from django_repid.brokers.database.heads import Head, Taking
from django_repid.core import clock
from django_repid.core.bucket import BucketRecord
from django_repid.core.message import MessageState
from django_repid.core.settlement import Settlement
from django_repid.models import Bucket, Failure, Message, Queue


class Statements:
    """Statements as PostgreSQL and SQLite take them; MySQL overrides more."""

    #: The database's time in microseconds plus one parameter.
    now: ClassVar[str]
    #: What keeps a planner from going by the state where there is a key.
    state_column: ClassVar[str] = "state"
    #: What follows a SELECT that locks its rows.
    for_update: ClassVar[str] = " FOR UPDATE"
    #: The same, leaving out rows that another transaction holds.
    skip_locked: ClassVar[str] = " FOR UPDATE SKIP LOCKED"
    #: Whether `enqueue_with_args` is there.
    writes_args_at_once: ClassVar[bool] = False
    #: Whether there is `exchange`, which needs no transaction around it.
    exchanges: ClassVar[bool] = False
    #: What a bucket's INSERT does where the id is taken.
    on_taken: ClassVar[str] = "ON CONFLICT (bucket_id) DO UPDATE SET "
    #: The new row's value of a column in that clause.
    taken_value: ClassVar[str] = "excluded.{0}"

    def __init__(self) -> None:
        self.message = Message._meta.db_table
        self.bucket = Bucket._meta.db_table
        self.failure = Failure._meta.db_table
        self.queue = Queue._meta.db_table
        self.columns = ", ".join(rows.MESSAGE_COLUMNS)
        self.upsert_set = ", ".join(
            f"{name} = {self.taken_value.format(name)}" for name in rows.BUCKET_COLUMNS[1:]
        )

    def now_parameter(self) -> int:
        """Return the parameter of `now`: what tests shift time by."""
        return clock.ahead_us()

    def read_now(self, connection: BaseDatabaseWrapper) -> int:
        """Return the database's time."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {self.now}", [self.now_parameter()])
            return int(cursor.fetchone()[0])

    def heads(
        self, connection: BaseDatabaseWrapper, state: MessageState = MessageState.READY
    ) -> tuple[list[Head], int]:
        """Find every (queue, topic, priority) that has messages in `state`; with the time.

        One index probe each, however many messages lie between them. It never writes or locks.
        """
        raise NotImplementedError

    def take(self, connection: BaseDatabaseWrapper, taking: Taking) -> Sequence[Sequence[Any]]:
        """Claim due messages in the caller's transaction; return their rows."""
        raise NotImplementedError

    def split(
        self, ends: Sequence[Settlement]
    ) -> tuple[Sequence[Settlement], Sequence[Settlement]]:
        """Return the settlements that `exchange` takes, and the others."""
        return (), ends

    def exchange(
        self,
        connection: BaseDatabaseWrapper,
        ends: Sequence[Settlement],
        takings: Sequence[Taking],
        *,
        store_results: bool,
    ) -> tuple[Sequence[Sequence[Any]], frozenset[int]]:
        """Settle and take messages in one statement; return rows and the keys of lost leases."""
        raise NotImplementedError

    def enqueue(
        self,
        connection: BaseDatabaseWrapper,
        new: Sequence[tuple[Any, ...]],
        run_at: Sequence[int | None],
        replaceable: Sequence[int],
    ) -> dict[str, tuple[int, int, int]]:
        """Insert messages; return id -> (pk, lease, enqueued_at) of those that were written.

        Where an id is taken by a message in one of the `replaceable` states, that one is
        overwritten, keeping its key and its lease. Any other is left alone and not locked: its
        worker would wait for the caller's transaction. Without `replaceable` no id is taken.
        """
        raise NotImplementedError

    def enqueue_with_args(
        self,
        connection: BaseDatabaseWrapper,
        new: Sequence[tuple[Any, ...]],
        run_at: Sequence[int | None],
        args: BucketRecord,
    ) -> dict[str, tuple[int, int, int]]:
        """Insert a message and its args bucket in one statement; see `writes_args_at_once`."""
        raise NotImplementedError

    def held(self, connection: BaseDatabaseWrapper, keys: Sequence[int]) -> dict[int, int]:
        """Lock the running messages among `keys`, in their order; return pk -> lease."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, lease FROM {self.message} WHERE id IN ({self.marks(keys)}) "
                f"AND {self.state_column} = 1 ORDER BY id{self.for_update}",
                list(keys),
            )
            return dict(cursor.fetchall())

    def resting(self, connection: BaseDatabaseWrapper, queue: str, limit: int) -> list[int]:
        """Lock messages of a queue that wait or are dead and that nobody holds; return pks."""
        keys: list[int] = []
        with connection.cursor() as cursor:
            for state in (MessageState.READY, MessageState.DEAD):
                cursor.execute(
                    f"SELECT id FROM {self.message} WHERE state = {int(state)} AND queue = %s "
                    f"LIMIT %s{self.skip_locked}",
                    [queue, limit - len(keys)],
                )
                keys += [row[0] for row in cursor.fetchall()]
        return keys

    def remove(self, connection: BaseDatabaseWrapper, keys: Sequence[int]) -> None:
        """Delete messages that this transaction has locked."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {self.message} WHERE id IN ({self.marks(keys)})", list(keys)
            )

    def change(
        self, connection: BaseDatabaseWrapper, changes: Sequence[tuple[int, tuple[Any, ...]]]
    ) -> None:
        """Write `rows.UPDATE_COLUMNS` of messages that this transaction has locked."""
        sets = ", ".join(f"{name} = %s" for name in rows.UPDATE_COLUMNS)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE {self.message} SET {sets}, cancel_asked = (cancel_asked AND NOT %s), "
                "worker_id = NULL, claimed_at = NULL "
                "WHERE id = %s",
                [(*values, pk) for pk, values in changes],
            )

    def store_buckets(
        self, connection: BaseDatabaseWrapper, values: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert or overwrite buckets: no id twice, and in the order of the ids."""
        names = ", ".join(rows.BUCKET_COLUMNS)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {self.bucket} ({names}) VALUES ({self.marks(rows.BUCKET_COLUMNS)}) "
                f"{self.on_taken}{self.upsert_set}",
                values,
            )

    def store_failures(
        self, connection: BaseDatabaseWrapper, values: Sequence[tuple[Any, ...]]
    ) -> None:
        """Append failures."""
        names = ", ".join(rows.FAILURE_COLUMNS)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {self.failure} ({names}) VALUES ({self.marks(rows.FAILURE_COLUMNS)})",
                values,
            )

    def anybody_waits(self, connection: BaseDatabaseWrapper) -> bool:
        """Whether a message waits for a bucket: a look at an index that is mostly empty.

        The order keeps PostgreSQL from reading the table where many waited a while ago.
        """
        waiting = f"{self.message} WHERE waits_for IS NOT NULL"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {waiting} ORDER BY waits_for LIMIT 1")
            return cursor.fetchone() is not None

    def free(self, connection: BaseDatabaseWrapper, bucket_ids: Sequence[str]) -> None:
        """Make the messages due that wait for one of these buckets."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {self.message} SET run_at = {self.now}, waits_for = NULL "
                f"WHERE waits_for IN ({self.marks(bucket_ids)}) AND {self.state_column} = 0",
                [self.now_parameter(), *bucket_ids],
            )

    def seize(
        self, connection: BaseDatabaseWrapper, id_: str, states: Iterable[MessageState]
    ) -> Sequence[Any] | None:
        """Claim one message by its id for no worker; return its row."""
        wanted = [int(state) for state in states]
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id FROM {self.message} WHERE message_id = %s "
                f"AND {self.state_column} IN ({self.marks(wanted)}){self.for_update}",
                [id_, *wanted],
            )
            found = cursor.fetchone()
            if found is None:
                return None
            cursor.execute(
                f"UPDATE {self.message} SET state = 1, lease = lease + 1, worker_id = NULL, "
                f"claimed_at = {self.now} WHERE id = %s",
                [self.now_parameter(), found[0]],
            )
            return self.read(connection, [found[0]])[0]

    def read(self, connection: BaseDatabaseWrapper, keys: Sequence[int]) -> list[Sequence[Any]]:
        """Return the rows of messages by their keys."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {self.columns} FROM {self.message} WHERE id IN ({self.marks(keys)})",
                list(keys),
            )
            return list(cursor.fetchall())

    def standing(
        self, connection: BaseDatabaseWrapper, ids: Sequence[str]
    ) -> dict[str, Sequence[Any]]:
        """Return the rows of messages by their ids, with the id as key."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {self.columns} FROM {self.message} "
                f"WHERE message_id IN ({self.marks(ids)})",
                list(ids),
            )
            return {row[rows.MESSAGE_ID]: row for row in cursor.fetchall()}

    @staticmethod
    def marks(values: Sequence[Any]) -> str:
        """Return as many parameter marks as there are values."""
        return ", ".join(["%s"] * len(values))

    def branches(self, heads: Sequence[Head], limit: int, now: int) -> tuple[str, list[Any]]:
        """Return one SELECT of due candidates that probes the claim's index once for each head.

        They are ordered by their rank within their queue, so that the queues take turns, and
        queues that come first in `heads` come first in each round.
        """
        places = {queue: n for n, queue in enumerate(dict.fromkeys(h.queue for h in heads))}
        parts: list[str] = []
        parameters: list[Any] = []
        for head in heads:
            parts.append(
                f"SELECT * FROM (SELECT id, queue, priority, run_at, {places[head.queue]} AS place "
                f"FROM {self.message} WHERE state = 0 AND queue = %s AND topic = %s "
                "AND priority = %s AND run_at <= %s ORDER BY run_at, id LIMIT %s) AS h"
            )
            parameters += [head.queue, head.topic, head.priority, now, limit]
        union = " UNION ALL ".join(parts)
        ranked = (
            "SELECT id, place, row_number() OVER (PARTITION BY queue "
            f"ORDER BY priority DESC, run_at, id) AS turn FROM ({union}) AS candidates"
        )
        sql = f"SELECT id FROM ({ranked}) AS ranked ORDER BY turn, place LIMIT %s"
        return sql, [*parameters, limit]

    def insert(
        self, new: Sequence[tuple[Any, ...]], run_at: Sequence[int | None]
    ) -> tuple[str, list[Any]]:
        """Return the INSERT of new messages with one row of VALUES for each."""
        now = self.now_parameter()
        parameters: list[Any] = []
        for values, at in zip(new, run_at, strict=True):
            parameters += [*values, at, now, at, now, now]
        into, row = self._insert_text
        return into + ", ".join([row] * len(new)), parameters

    @cached_property
    def _insert_text(self) -> tuple[str, str]:
        names = ", ".join((*rows.NEW_COLUMNS, *rows.TIME_COLUMNS, *rows.FIRST_VALUES))
        due = f"COALESCE(%s, {self.now})"
        values = (self.marks(rows.NEW_COLUMNS), due, due, self.now, *rows.FIRST_VALUES.values())
        return f"INSERT INTO {self.message} ({names}) VALUES ", f"({', '.join(values)})"
