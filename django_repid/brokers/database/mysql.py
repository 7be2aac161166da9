"""The statements of MariaDB and MySQL.

Candidates are read without locks and locked by primary key: a sort under FOR UPDATE locks every
row that it sorts (measured: 109,989 rows, and a second worker that got none).
"""

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError
from django.db.backends.base.base import BaseDatabaseWrapper

from django_repid.brokers.database import rows
from django_repid.brokers.database.heads import OVERFETCH, Head, Taking, found_heads
from django_repid.brokers.database.statements import Statements
from django_repid.core.message import MessageState

_DUPLICATE_KEY = 1062
_WRITTEN = "message_id, id, lease, enqueued_at"


class MySQLStatements(Statements):
    """Statements for MariaDB 10.6 and newer, and for MySQL 8."""

    # UTC_TIMESTAMP, since NOW() follows the session's time zone.
    now = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) + %s)"
    on_taken = "ON DUPLICATE KEY UPDATE "
    taken_value = "VALUES({0})"

    def heads(
        self, connection: BaseDatabaseWrapper, state: MessageState = MessageState.READY
    ) -> tuple[list[Head], int]:
        """See `Statements.heads`: MariaDB and MySQL know the loose index scan themselves."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT c.now, h.queue, h.topic, h.priority, h.run_at, q.paused_at IS NOT NULL "
                f"FROM (SELECT {self.now} AS now) AS c LEFT JOIN (SELECT queue, topic, priority, "
                f"MIN(run_at) AS run_at FROM {self.message} WHERE state = %s "
                "GROUP BY state, queue, topic, priority) AS h ON true "
                f"LEFT JOIN {self.queue} q ON q.name = h.queue",
                [self.now_parameter(), int(state)],
            )
            return found_heads(cursor.fetchall())

    def take(self, connection: BaseDatabaseWrapper, taking: Taking) -> Sequence[Sequence[Any]]:
        """See `Statements.take`. Runs inside a transaction."""
        heads, limit, worker_id = taking.heads, taking.limit, taking.worker_id
        now = self.read_now(connection)
        candidates, parameters = self.branches(heads, limit * OVERFETCH, now)
        with connection.cursor() as cursor:
            cursor.execute(candidates, parameters)
            found = [row[0] for row in cursor.fetchall()]
            mine: list[int] = []
            while found and len(mine) < limit:
                wanted, found = found[: limit - len(mine)], found[limit - len(mine) :]
                cursor.execute(
                    f"SELECT id FROM {self.message} WHERE id IN ({self.marks(wanted)}) "
                    f"AND state = 0{self.skip_locked}",
                    wanted,
                )
                mine += [row[0] for row in cursor.fetchall()]
            if not mine:
                return []
            cursor.execute(
                f"UPDATE {self.message} SET state = 1, lease = lease + 1, worker_id = %s, "
                f"claimed_at = %s WHERE id IN ({self.marks(mine)})",
                [worker_id, now, *mine],
            )
        return self.read(connection, mine)

    def enqueue(
        self,
        connection: BaseDatabaseWrapper,
        new: Sequence[tuple[Any, ...]],
        run_at: Sequence[int | None],
        replaceable: Sequence[int],
    ) -> dict[str, tuple[int, int, int]]:
        """See `Statements.enqueue`."""
        if not replaceable:
            sql, parameters = self.insert(new, run_at)
            with connection.cursor() as cursor:
                if connection.features.can_return_rows_from_bulk_insert:  # MariaDB
                    cursor.execute(f"{sql} RETURNING {_WRITTEN}", parameters)
                    return {id_: (pk, lease, at) for id_, pk, lease, at in cursor.fetchall()}
                cursor.execute(sql, parameters)
            ids = [values[0] for values in new]
        else:
            pairs = zip(new, run_at, strict=True)
            ids = [
                values[0]
                for values, at in pairs
                if self._enqueue_unique(connection, values, at, replaceable)
            ]
        return self._written(connection, ids)

    def _enqueue_unique(
        self,
        connection: BaseDatabaseWrapper,
        values: tuple[Any, ...],
        at: int | None,
        replaceable: Sequence[int],
    ) -> bool:
        """Write one message whose id may be taken; False if it was, and stays as it is.

        It is looked for first, without a lock: an INSERT that meets its duplicate keeps that row
        locked to the end of the caller's transaction. ON DUPLICATE KEY UPDATE would do the same,
        and not tell an insert from a duplicate, since Django asks for the number of rows found.
        """
        find = f"SELECT id, state FROM {self.message} WHERE message_id = %s"
        with connection.cursor() as cursor:
            cursor.execute(find, [values[0]])
            found = cursor.fetchone()
            if found is None:
                try:
                    cursor.execute(*self.insert([values], [at]))
                except IntegrityError as error:  # undoes this statement alone
                    if error.args[0] != _DUPLICATE_KEY:
                        raise
                else:
                    return True
            elif found[1] not in replaceable:
                return False
            cursor.execute(f"{find}{self.for_update}", [values[0]])
            found = cursor.fetchone()
            if found is None or found[1] not in replaceable:
                return False
            self._overwrite(connection, found[0], values, at)
            return True

    def _overwrite(
        self, connection: BaseDatabaseWrapper, pk: int, values: tuple[Any, ...], at: int | None
    ) -> None:
        now = self.now_parameter()
        sets = [f"{name} = %s" for name in rows.NEW_COLUMNS]
        sets += [f"{name} = COALESCE(%s, {self.now})" for name in rows.TIME_COLUMNS]
        sets += [f"{name} = {value}" for name, value in rows.RESET_VALUES.items()]
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {self.message} SET {', '.join(sets)} WHERE id = %s",
                [*values, at, now, at, now, None, now, pk],
            )

    def _written(
        self, connection: BaseDatabaseWrapper, ids: Sequence[str]
    ) -> dict[str, tuple[int, int, int]]:
        if not ids:
            return {}
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {_WRITTEN} FROM {self.message} WHERE message_id IN ({self.marks(ids)})",
                list(ids),
            )
            return {id_: (pk, lease, at) for id_, pk, lease, at in cursor.fetchall()}
