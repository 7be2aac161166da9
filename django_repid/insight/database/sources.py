"""Where jobs are listed from: each source knows their order, and reads them by their keys.

A page walks a source by its keys, which an index has in order, and looks only at so many rows: no
OFFSET, no sort of all there is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.db import connections

from django_repid.brokers.database.heads import Head
from django_repid.core.message import MessageState
from django_repid.insight.jobs import Line
from django_repid.models import Message

#: An order's value, and a primary key.
Key = tuple[int, int]
Read = Callable[[Sequence[int]], Mapping[int, Line]]

#: The place of a stream that has come to its end.
END = "x"

#: Heads that one statement asks.
_HEADS = 50


class Source(Protocol):
    """A list of jobs. `oldest_first`: whether it goes upwards."""

    oldest_first: bool

    def keys(self, after: Key | None, limit: int) -> list[Key]:
        """Return the next keys in order; what is asked for may be among them."""

    def lines(self, keys: Sequence[int]) -> Mapping[int, Line]:
        """Return those of them that are what is asked for."""


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


@dataclass(slots=True)
class Stream:
    """A source that is walked from a key on, as far as `budget` rows."""

    source: Source
    at: Key | None
    chunk: int
    budget: int
    ended: bool = False
    looked_at: int = 0
    _read_to: Key | None = None
    _waiting: list[tuple[Key, Line]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._read_to = self.at

    def first(self) -> Line | None:
        """Return the next line without taking it; None if there is none, or none was found yet."""
        while not self._waiting and not self.ended and self.looked_at < self.budget:
            keys = self.source.keys(self._read_to, self.chunk)
            lines = self.source.lines([pk for _order, pk in keys]) if keys else {}
            self._waiting += [(key, lines[key[1]]) for key in keys if key[1] in lines]
            self.looked_at += len(keys)
            self.ended = len(keys) < self.chunk
            self._read_to = keys[-1] if keys else self._read_to
        return self._waiting[0][1] if self._waiting else None

    def take(self) -> None:
        """Take the next line."""
        self.at = self._waiting.pop(0)[0]

    @property
    def place(self) -> str:
        """Where to go on, as text."""
        if not self._waiting:
            self.at = self._read_to
            if self.ended:
                return END
        return "" if self.at is None else f"{self.at[0]}.{self.at[1]}"

    @property
    def gave_up(self) -> bool:
        """Whether there is more, and nothing was found in all that was looked at."""
        return not self._waiting and not self.ended and self.looked_at >= self.budget
