"""Failures by their rows, the newest of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from django.db.models.functions import Substr

from django_repid.core.message import MessageState
from django_repid.insight.causes import LOOKED_AT, WINDOW_US, Cause, Causes
from django_repid.insight.database.access import Access
from django_repid.models import Failure, Message

_TEXT = 300
_CHUNK = 500
_QUARANTINED = "Quarantined"


@dataclass(slots=True)
class _Group:
    """Failures with one cause, the newest first."""

    topic: str
    fingerprint: str
    queue: str
    exception: str
    text: str
    times: list[int] = field(default_factory=list)
    keys: set[int] = field(default_factory=set)


class DatabaseCauses(Access):
    """The part of a reader that sees failures."""

    def causes(self) -> Causes:
        """See `CauseReader.causes`: rows are appended, so the newest have the highest keys."""
        columns = (
            "topic", "fingerprint", "queue", "exception", "beginning", "failed_at", "message_key",
        )  # fmt: skip
        newest = Failure.objects.using(self.database).order_by("-pk")
        begun = newest.annotate(beginning=Substr("text", 1, _TEXT))
        rows = list(begun.values_list(*columns)[:LOOKED_AT])
        since = self.now_us() - WINDOW_US
        groups: dict[tuple[str, str, str], _Group] = {}
        for *names, failed_at, key in rows:
            if failed_at < since:
                continue
            topic, fingerprint, queue, exception, text = map(str, names)
            group = groups.setdefault(
                (topic, fingerprint, queue), _Group(topic, fingerprint, queue, exception, text)
            )
            group.times.append(failed_at)
            group.keys.add(key)
        dead = self._dead({key for group in groups.values() for key in group.keys})
        found = [_cause(group, dead) for group in groups.values()]
        return Causes(
            sorted(found, key=lambda cause: (-cause.count, -cause.last)),
            complete=len(rows) < LOOKED_AT or rows[-1][5] < since,
            quarantined=sum(reason.startswith(_QUARANTINED) for reason in dead.values()),
        )

    def _dead(self, keys: Collection[int]) -> dict[int, str]:
        """Return which messages are dead letters now, and why."""
        wanted = sorted(keys)
        found: dict[int, str] = {}
        messages = Message.objects.using(self.database).filter(state=MessageState.DEAD)
        for start in range(0, len(wanted), _CHUNK):
            some = messages.filter(pk__in=wanted[start : start + _CHUNK])
            found.update(some.values_list("pk", "dead_reason"))
        return found


def _cause(group: _Group, dead: Collection[int]) -> Cause:
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
        dead=sum(key in dead for key in group.keys),
    )
