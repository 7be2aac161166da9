"""Where jobs are listed from: each source knows their order, and reads them by their keys.

A page walks a source by its keys, which an index has in order, and looks only at so many rows: no
OFFSET, no sort of all there is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections

from django_repid.brokers.database.heads import Head
from django_repid.core.message import MessageState
from django_repid.insight.jobs import Line
from django_repid.models import Message

#: An order's value, and a primary key.
Key = tuple[int, int]
Read = Callable[[Sequence[int]], Mapping[int, Line]]

#: Heads that one statement asks.
_HEADS = 50


@dataclass(slots=True)
class HeadSource:
    """Messages of one state by the time they run or died at: a probe of the claim's index each.

    `since`, `until`: the range of `run_at`, both inside.
    """

    database: str
    state: MessageState
    heads: Sequence[Head]
    lines: Read
    since: int | None = None
    until: int | None = None
    oldest_first: bool = False

    def keys(self, after: Key | None, limit: int) -> list[Key]:
        """See `Source.keys`."""
        found: list[Key] = []
        for start in range(0, len(self.heads), _HEADS):
            found += self._some(self.heads[start : start + _HEADS], after, limit)
        return sorted(found, reverse=not self.oldest_first)[:limit]

    def _some(self, heads: Sequence[Head], after: Key | None, limit: int) -> list[Key]:
        conditions, values = self._range(after)
        order = "ASC" if self.oldest_first else "DESC"
        parts, parameters = list[str](), list[Any]()
        for number, head in enumerate(heads):
            parts.append(
                f"SELECT * FROM (SELECT run_at, id FROM {Message._meta.db_table} "
                f"WHERE state = {int(self.state)} AND queue = %s AND topic = %s AND priority = %s "
                f"{conditions} ORDER BY run_at {order}, id {order} LIMIT %s) AS head{number}"
            )
            parameters += [head.queue, head.topic, head.priority, *values, limit]
        with connections[self.database].cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), parameters)
            return [(int(run_at), int(pk)) for run_at, pk in cursor.fetchall()]

    def _range(self, after: Key | None) -> tuple[str, list[int]]:
        parts, values = list[str](), list[int]()
        for moment, sign in ((self.since, ">="), (self.until, "<=")):
            if moment is not None:
                parts.append(f"AND run_at {sign} %s")
                values.append(moment)
        if after is not None:
            sign = ">" if self.oldest_first else "<"
            # The first part alone tells an index where to go on.
            parts.append(f"AND run_at {sign}= %s AND (run_at {sign} %s OR id {sign} %s)")
            values += [after[0], *after]
        return " ".join(parts), values


@dataclass(slots=True)
class KeySource:
    """Rows by their primary keys, the newest first. `rows`: a query set without an order."""

    rows: Any
    lines: Read
    oldest_first: bool = False

    def keys(self, after: Key | None, limit: int) -> list[Key]:
        """See `Source.keys`."""
        found = self.rows if after is None else self.rows.filter(pk__lt=after[1])
        return [(0, pk) for pk in found.order_by("-pk").values_list("pk", flat=True)[:limit]]
