"""PostgreSQL's statements: arrays through unnest, a claim in one round trip."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from django_repid.brokers.database import exchange, rows
from django_repid.brokers.database.arrays import columns, unnest
from django_repid.brokers.database.heads import Head, Taking, found_heads
from django_repid.brokers.database.statements import Statements
from django_repid.core.bucket import BucketRecord
from django_repid.core.message import MessageState
from django_repid.core.settlement import Settlement
from django_repid.models import Bucket


class PostgreSQLStatements(Statements):
    """Statements for PostgreSQL 14 and newer."""

    writes_args_at_once = True
    exchanges = True
    # Hidden from the planner, which else reads all running rows (of a million jobs that this index
    # has seen, until the next vacuum) to find a hundred of them by their keys.
    state_column = "state + 0"
    # statement_timestamp(), not clock_timestamp(): a volatile function is no index condition
    # (measured: 360 ms against 0.8 for one claim).
    now = "((extract(epoch FROM statement_timestamp()) * 1000000)::bigint + %s)"

    def heads(
        self, connection: BaseDatabaseWrapper, state: MessageState = MessageState.READY
    ) -> tuple[list[Head], int]:
        """See `Statements.heads`: a loose index scan, which PostgreSQL has to be talked into."""
        first = "queue, topic, priority, run_at"
        ordered = "ORDER BY queue, topic, priority, run_at LIMIT 1"
        with connection.cursor() as cursor:
            cursor.execute(
                "WITH RECURSIVE head AS ("
                f"(SELECT {first} FROM {self.message} WHERE state = %s {ordered}) "
                f"UNION ALL SELECT n.* FROM head, LATERAL (SELECT {first} FROM {self.message} m "
                "WHERE state = %s AND (m.queue, m.topic, m.priority) > "
                f"(head.queue, head.topic, head.priority) {ordered}) n) "
                f"SELECT c.now, h.*, q.paused_at IS NOT NULL FROM (SELECT {self.now} AS now) c "
                f"LEFT JOIN head h ON true LEFT JOIN {self.queue} q ON q.name = h.queue",
                [int(state), int(state), self.now_parameter()],
            )
            return found_heads(cursor.fetchall())

    def split(
        self, ends: Sequence[Settlement]
    ) -> tuple[Sequence[Settlement], Sequence[Settlement]]:
        """See `Statements.split`: it takes what jobs that succeeded leave behind."""
        rest = [end for end in ends if not exchange.is_success(end)]
        if not rest:
            return ends, ()
        quick = [end for end in ends if exchange.is_success(end)]
        buckets = {end.result.id_ for end in rest if end.result is not None}
        if any(end.result is not None and end.result.id_ in buckets for end in quick):
            return (), ends  # of equal ids the last one stays, so they are written together
        return quick, rest

    def exchange(
        self,
        connection: BaseDatabaseWrapper,
        ends: Sequence[Settlement],
        takings: Sequence[Taking],
        *,
        store_results: bool,
    ) -> tuple[Sequence[Sequence[Any]], frozenset[int]]:
        """See `Statements.exchange`."""
        sql, parameters = exchange.build(self, ends, takings, store_results=store_results)
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return exchange.answer(cursor.fetchall())

    def take(self, connection: BaseDatabaseWrapper, taking: Taking) -> Sequence[Sequence[Any]]:
        """See `Statements.take`."""
        return self.exchange(connection, (), [taking], store_results=False)[0]

    def enqueue(
        self,
        connection: BaseDatabaseWrapper,
        new: Sequence[tuple[Any, ...]],
        run_at: Sequence[int | None],
        replaceable: Sequence[int],
    ) -> dict[str, tuple[int, int, int]]:
        """See `Statements.enqueue`."""
        if len(new) == 1 and not replaceable:  # half the planning of the general form
            sql, values = self.insert(new, run_at)
            with connection.cursor() as cursor:
                cursor.execute(f"{sql} RETURNING message_id, id, lease, enqueued_at", values)
                return {id_: (pk, lease, at) for id_, pk, lease, at in cursor.fetchall()}
        names = ", ".join((*rows.NEW_COLUMNS, *rows.TIME_COLUMNS, *rows.FIRST_VALUES))
        taken = ", ".join(f"v.{name}" for name in rows.NEW_COLUMNS)
        first = ", ".join(rows.FIRST_VALUES.values())
        due = "coalesce(v.run_at, clock.now)"
        clock = f"(SELECT {self.now} AS now) AS clock"
        source = f"{clock}, {unnest((*rows.NEW_COLUMNS, 'run_at'))}"
        names_of_new = (*rows.NEW_COLUMNS, "run_at")
        with_run_at = [(*values, at) for values, at in zip(new, run_at, strict=True)]
        parameters: list[Any] = [self.now_parameter(), *columns(names_of_new, with_run_at)]
        written = "message_id, id, lease, enqueued_at"
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {self.message} ({names}) "
                f"SELECT {taken}, {due}, {due}, clock.now, {first} FROM {source} "
                f"ON CONFLICT (message_id) DO NOTHING RETURNING {written}",
                parameters,
            )
            found = cursor.fetchall()
            if len(found) < len(new) and replaceable:
                # Not ON CONFLICT DO UPDATE … WHERE: it locks also what it then leaves alone.
                sets = [f"{name} = v.{name}" for name in rows.NEW_COLUMNS]
                sets += [f"run_at = {due}", f"due_at = {due}", "enqueued_at = clock.now"]
                sets += [f"{name} = {value}" for name, value in rows.RESET_VALUES.items()]
                states = ", ".join(map(str, replaceable))
                written = ", ".join(f"m.{name}" for name in written.split(", "))
                cursor.execute(
                    f"UPDATE {self.message} m SET {', '.join(sets)} FROM {source} "
                    f"WHERE m.message_id = v.message_id AND m.state IN ({states}) "
                    f"RETURNING {written}",
                    parameters,
                )
                found += cursor.fetchall()
        return {id_: (pk, lease, at) for id_, pk, lease, at in found}

    def enqueue_with_args(
        self,
        connection: BaseDatabaseWrapper,
        new: Sequence[tuple[Any, ...]],
        run_at: Sequence[int | None],
        args: BucketRecord,
    ) -> dict[str, tuple[int, int, int]]:
        """See `Statements.enqueue_with_args`."""
        sql, parameters = self.insert(new, run_at)
        free = ""
        if not args.generated:  # somebody may wait for a chosen id
            free = (
                f", freed AS (UPDATE {self.message} w SET run_at = m.enqueued_at, waits_for = NULL "
                f"FROM m WHERE w.waits_for = %s AND w.{self.state_column} = 0)"
            )
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH m AS ({sql} RETURNING message_id, id, lease, enqueued_at), "
                f"b AS (INSERT INTO {self.bucket} (bucket_id, kind, generated, data, stored_at, "
                f"expires_at) SELECT %s, {int(Bucket.Kind.ARGUMENTS)}, %s, %s, m.enqueued_at, "
                f"m.enqueued_at + %s::bigint FROM m {self.on_taken}{self.upsert_set}){free} "
                "SELECT * FROM m",
                [
                    *[*parameters, args.id_, args.generated, args.data, args.ttl],
                    *([args.id_] if free else []),
                ],
            )
            return {id_: (pk, lease, at) for id_, pk, lease, at in cursor.fetchall()}

    def store_buckets(
        self, connection: BaseDatabaseWrapper, values: Sequence[tuple[Any, ...]]
    ) -> None:
        """See `Statements.store_buckets`."""
        names = ", ".join(rows.BUCKET_COLUMNS)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {self.bucket} ({names}) SELECT v.* FROM "
                f"{unnest(rows.BUCKET_COLUMNS)} {self.on_taken}{self.upsert_set}",
                columns(rows.BUCKET_COLUMNS, values),
            )
