"""PostgreSQL's statements: arrays through unnest, a claim in one round trip."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from django_repid.brokers.database import rows
from django_repid.brokers.database.statements import OVERFETCH, Head, Statements, found_heads
from django_repid.core.message import MessageState

#: The types of the columns that go through unnest; text where none is named.
_TYPES = {
    "priority": "smallint",
    "args_generated": "boolean",
    "kind": "smallint",
    "generated": "boolean",
    "stored_at": "bigint",
    "expires_at": "bigint",
    "started_ns": "bigint",
    "finished_ns": "bigint",
    "success": "boolean",
    "tries": "integer",
    "run_at": "bigint",
}


def _unnest(names: Sequence[str]) -> str:
    casts = ", ".join(f"%s::{_TYPES.get(name, 'text')}[]" for name in names)
    return f"unnest({casts}) AS v({', '.join(names)})"


class PostgreSQLStatements(Statements):
    """Statements for PostgreSQL 14 and newer."""

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

    def take(
        self, connection: BaseDatabaseWrapper, heads: Sequence[Head], limit: int, worker_id: int
    ) -> tuple[list[Sequence[Any]], int]:
        """See `Statements.take`."""
        places = {queue: n for n, queue in enumerate(dict.fromkeys(h.queue for h in heads))}
        columns = ", ".join(f"m.{name}" for name in rows.MESSAGE_COLUMNS)
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH clock AS MATERIALIZED (SELECT {self.now} AS now), "
                "cand AS MATERIALIZED (SELECT c.id, h.place, row_number() OVER (PARTITION BY "
                "h.queue ORDER BY h.priority DESC, c.run_at, c.id) AS turn FROM clock, "
                "unnest(%s::text[], %s::text[], %s::smallint[], %s::int[]) "
                "AS h(queue, topic, priority, place), "
                f"LATERAL (SELECT m.id, m.run_at FROM {self.message} m WHERE m.state = 0 "
                "AND m.queue = h.queue AND m.topic = h.topic AND m.priority = h.priority "
                "AND m.run_at <= clock.now ORDER BY m.run_at, m.id LIMIT %s) c "
                "ORDER BY turn, place LIMIT %s), "
                f"mine AS MATERIALIZED (SELECT m.id FROM cand JOIN {self.message} m USING (id) "
                "WHERE m.state = 0 ORDER BY cand.turn, cand.place LIMIT %s "
                "FOR UPDATE OF m SKIP LOCKED) "
                f"UPDATE {self.message} m SET state = 1, lease = m.lease + 1, worker_id = %s, "
                "claimed_at = (SELECT now FROM clock) FROM mine WHERE m.id = mine.id "
                f"RETURNING {columns}",
                [
                    self.now_parameter(),
                    [head.queue for head in heads],
                    [head.topic for head in heads],
                    [head.priority for head in heads],
                    [places[head.queue] for head in heads],
                    limit * OVERFETCH,
                    limit * OVERFETCH,
                    limit,
                    worker_id,
                ],
            )
            taken = cursor.fetchall()
        now = taken[0][rows.MESSAGE_COLUMNS.index("claimed_at")] if taken else 0
        return taken, now

    def enqueue(
        self,
        connection: BaseDatabaseWrapper,
        new: Sequence[tuple[Any, ...]],
        run_at: Sequence[int | None],
        replaceable: Sequence[int],
    ) -> dict[str, tuple[int, int, int]]:
        """See `Statements.enqueue`."""
        names = ", ".join((*rows.NEW_COLUMNS, *rows.TIME_COLUMNS, *rows.FIRST_VALUES))
        taken = ", ".join(f"v.{name}" for name in rows.NEW_COLUMNS)
        first = ", ".join(rows.FIRST_VALUES.values())
        due = "coalesce(v.run_at, clock.now)"
        clock = f"(SELECT {self.now} AS now) AS clock"
        source = f"{clock}, {_unnest((*rows.NEW_COLUMNS, 'run_at'))}"
        columns: list[Any] = [list(column) for column in zip(*new, strict=True)]
        parameters: list[Any] = [self.now_parameter(), *columns, list(run_at)]
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

    def store_buckets(
        self, connection: BaseDatabaseWrapper, values: Sequence[tuple[Any, ...]]
    ) -> None:
        """See `Statements.store_buckets`."""
        names = ", ".join(rows.BUCKET_COLUMNS)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {self.bucket} ({names}) SELECT v.* FROM "
                f"{_unnest(rows.BUCKET_COLUMNS)} {self.on_taken}{self.upsert_set}",
                [list(column) for column in zip(*values, strict=True)],
            )
