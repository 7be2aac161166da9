"""Failures by their rows, the newest of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from django_repid.core.message import MessageState
from django_repid.insight.causes import LOOKED_AT, WINDOW_US, Cause, Causes
from django_repid.insight.database.access import Access
from django_repid.models import Failure, Message

_TEXT = 300
_QUARANTINED = "Quarantined"


@dataclass(slots=True)
class _Group:
    """Failures with one cause; the texts are those of the newest."""

    topic: str
    fingerprint: str
    queue: str
    exception: str = ""
    text: str = ""
    newest: int = 0
    times: list[int] = field(default_factory=list)
    dead: set[int] = field(default_factory=set)

    def add(self, exception: str, text: str, failed_at: int) -> None:
        if failed_at >= self.newest:
            self.newest, self.exception, self.text = failed_at, exception, text
        self.times.append(failed_at)


class DatabaseCauses(Access):
    """The part of a reader that sees failures."""

    def causes(self) -> Causes:
        """See `CauseReader.causes`: rows are appended, so the newest have the highest keys."""
        found, since = self._newest_failures(), self.now_us() - WINDOW_US
        groups: dict[tuple[str, str, str], _Group] = {}
        quarantined = set()
        complete = len(found) < LOOKED_AT
        for topic, fingerprint, queue, exception, text, failed_at, key, dead_reason in found:
            if failed_at < since:
                complete = True
                continue
            names = (topic, fingerprint, queue)
            group = groups.setdefault(names, _Group(*names))
            group.add(exception, text, failed_at)
            if dead_reason is not None:
                group.dead.add(key)
                if dead_reason.startswith(_QUARANTINED):
                    quarantined.add(key)
        causes = [_cause(group) for group in groups.values()]
        by_count = sorted(causes, key=lambda cause: (-cause.count, -cause.last))
        return Causes(by_count, complete=complete, quarantined=len(quarantined))

    def _newest_failures(self) -> list[Sequence[Any]]:
        """Return failures, each with why its message is a dead letter now; None if it is none."""
        with connections[self.database].cursor() as cursor:
            cursor.execute(
                "SELECT f.topic, f.fingerprint, f.queue, f.exception, f.beginning, f.failed_at, "
                "f.message_key, m.dead_reason FROM (SELECT topic, fingerprint, queue, exception, "
                "SUBSTR(text, 1, %s) AS beginning, failed_at, message_key "
                f"FROM {Failure._meta.db_table} ORDER BY id DESC LIMIT %s) f "
                f"LEFT JOIN {Message._meta.db_table} m ON m.id = f.message_key AND m.state = %s",
                [_TEXT, LOOKED_AT, int(MessageState.DEAD)],
            )
            return list(cursor.fetchall())


def _cause(group: _Group) -> Cause:
    lines: Sequence[str] = group.text.strip().splitlines()
    return Cause(
        topic=group.topic,
        queue=group.queue,
        exception=group.exception,
        fingerprint=group.fingerprint,
        text=lines[0] if lines else "",
        count=len(group.times),
        first=min(group.times),
        last=max(group.times),
        dead=len(group.dead),
    )
