"""Messages on their way to Redis, kept in the database by the transaction that enqueues them.

They are sent when it commits. If that fails, or the process dies between the two, a worker sends
them a few seconds later; at least once, and an id that waits or runs already is not taken twice.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django_repid.core.errors import BrokerUnavailable

#: What a message is in the outbox: what `enqueue` is told of it, and the texts that go with that.
Packed = tuple[tuple[str, ...], list[str]]

#: Rows that are sent in one go.
_BATCH = 100
#: Rows that one look takes note of.
_LOOK = 10_000


class Outbox:
    """The outbox of one prefix, in the database of one alias."""

    def __init__(self, alias: str, target: str) -> None:
        self.alias = alias
        self.target = target
        #: The rows that the last look saw: what was there a look ago is not about to be sent. By
        #: their keys, since a long transaction shows its rows after younger ones.
        self._seen: list[int] = []

    @property
    def _rows(self) -> Any:
        from django_repid.models import OutboxMessage  # a broker needs no Django otherwise

        return OutboxMessage.objects.using(self.alias)

    def put(self, packed: Sequence[Packed]) -> list[int]:
        """Keep messages, in the caller's transaction; return their rows."""
        model = self._rows.model
        made = [model(target=self.target, body=json.dumps(one)) for one in packed]
        # MySQL tells no keys of rows that are inserted together.
        for row in made:
            row.save(using=self.alias, force_insert=True)
        return [row.pk for row in made]

    def remove(self, rows: Sequence[int]) -> None:
        """Forget messages that have been sent.

        Raises:
            BrokerUnavailable: the database cannot be reached: they will be sent again.

        """
        with self._usable():
            self._rows.filter(pk__in=rows).delete()

    def relay(self, send: Callable[[list[Packed]], None]) -> int:
        """Send what has been here for a while; return how many.

        Raises:
            BrokerUnavailable: the database cannot be reached, or what `send` raises.

        """
        with self._usable():
            return self._relay(send)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        from django.db import Error, connections

        try:
            yield
        except Error as error:
            # Nobody else tidies the connection of a janitor's thread: it would stay lost.
            connections[self.alias].close_if_unusable_or_obsolete()
            message = f"The outbox in the database {self.alias!r} cannot be used: {error}"
            raise BrokerUnavailable(message) from error

    def _relay(self, send: Callable[[list[Packed]], None]) -> int:
        mine = self._rows.filter(target=self.target)
        there = set(mine.order_by("pk").values_list("pk", flat=True)[:_LOOK])
        due = [pk for pk in self._seen if pk in there]
        sent = 0
        for start in range(0, len(due), _BATCH):
            sent += self._relay_some(mine.filter(pk__in=due[start : start + _BATCH]), send)
        self._seen = sorted(there)
        return sent

    def is_behind(self, rows: Sequence[int]) -> bool:
        """Whether older messages are still to be sent than these."""
        return bool(self._rows.filter(target=self.target, pk__lt=min(rows)).exists())

    def _relay_some(self, left: Any, send: Callable[[list[Packed]], None]) -> int:
        from django.db import transaction

        with transaction.atomic(using=self.alias):
            # Two workers share them; on SQLite, which has no such locks, both may send one.
            found = list(left.order_by("pk").select_for_update(skip_locked=True))
            if found:
                send([_unpacked(row.body) for row in found])
                self.remove([row.pk for row in found])
        return len(found)


def _unpacked(body: str) -> Packed:
    meta, texts = json.loads(body)
    return tuple(meta), texts
