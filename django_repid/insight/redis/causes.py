"""Failures by their cause, the newest of them."""

from collections.abc import Sequence

from django_repid.core.message import MessageState
from django_repid.insight.causes import LOOKED_AT, WINDOW_US, Cause, Causes
from django_repid.insight.jobs import Attempt
from django_repid.insight.redis.access import Access, Failed

_TEXT = 300
_QUARANTINED = b"Quarantined"
_DEAD = str(int(MessageState.DEAD)).encode()


class RedisCauses(Access):
    """The part of a reader that sees failures."""

    def causes(self) -> Causes:
        """See `CauseReader.causes`."""
        found, complete = self._newest_failures(), True
        since = self.now_us() - WINDOW_US
        if len(found) == LOOKED_AT and found[-1].at >= since:
            complete = False
        recent = [one for one in found if one.at >= since]
        dead = self._dead({one.pk for one in recent})
        groups: dict[tuple[str, str, str], list[Failed]] = {}
        for one in recent:
            groups.setdefault((one.topic, one.fingerprint, one.queue), []).append(one)
        causes = [_cause(group, dead) for group in groups.values()]
        return Causes(
            sorted(causes, key=lambda cause: (-cause.count, -cause.last)),
            complete=complete,
            quarantined=sum(b'"' + _QUARANTINED in reason[:20] for reason in dead.values()),
        )

    def _newest_failures(self) -> list[Failed]:
        (newest,) = self.ask(("ZREVRANGE", self.key("failures"), 0, LOOKED_AT - 1))
        return self.failed(newest)

    def _dead(self, pks: set[int]) -> dict[int, bytes]:
        """Return those that are dead letters now, with why as it is stored."""
        keys = sorted(pks)
        rows = self.ask(*(("HMGET", self.key(f"m:{pk:016}"), "s", "y") for pk in keys))
        return {
            pk: reason or b""
            for pk, (state, reason) in zip(keys, rows, strict=True)
            if state == _DEAD
        }

    def same_cause(self, attempt: Attempt, topic: str) -> int:
        """See `JobReader.same_cause`."""
        same = {
            one.pk
            for one in self._newest_failures()
            if (one.topic, one.fingerprint) == (topic, attempt.fingerprint)
        }
        return len(same)


def _cause(group: Sequence[Failed], dead: dict[int, bytes]) -> Cause:
    newest = max(group, key=lambda one: one.at)
    lines = newest.text[:_TEXT].strip().splitlines()
    return Cause(
        topic=newest.topic,
        queue=newest.queue,
        exception=newest.exception,
        fingerprint=newest.fingerprint,
        text=lines[0] if lines else "",
        count=len(group),
        first=min(one.at for one in group),
        last=newest.at,
        dead=len({one.pk for one in group} & dead.keys()),
    )
