"""Rows that are past their retention."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from django_repid.brokers.database.heads import Head
from django_repid.core.message import MessageState
from django_repid.models import Failure, Message, Statistic


class Retention:
    """Dead messages, failures and statistics of one database that are old enough to go."""

    def __init__(self, alias: str, dead_before: int, statistics_before: int) -> None:
        self._dead_before = dead_before
        messages = Message.objects.using(alias)
        self._dead = messages.filter(state=MessageState.DEAD, run_at__lt=dead_before)
        self._failures = Failure.objects.using(alias)
        minute = statistics_before // 60_000_000
        self._statistics = Statistic.objects.using(alias).filter(minute__lt=minute)

    def count(self) -> Mapping[str, int]:
        """Count all of them."""
        return {
            "dead jobs": self._dead.count(),
            "failures": self._failures.filter(failed_at__lt=self._dead_before).count(),
            "statistics": self._statistics.count(),
        }

    def remove(self, heads: Sequence[Head], limit: int) -> Mapping[str, int]:
        """Remove up to `limit` of each kind. `heads`: those of the dead messages."""
        return {
            "dead jobs": self._remove_dead(heads, limit),
            "failures": self._remove_failures(limit),
            "statistics": _delete(self._statistics, self._statistics.order_by("minute"), limit),
        }

    def _remove_dead(self, heads: Sequence[Head], limit: int) -> int:
        """Go along the claim's index: it has the dead of one actor in the order they died in."""
        removed = 0
        for head in heads:
            if head.run_at < self._dead_before and removed < limit:
                old = self._dead.filter(
                    queue=head.queue, topic=head.topic, priority=head.priority
                ).order_by("run_at")
                removed += _delete(self._dead, old, limit - removed)
        return removed

    def _remove_failures(self, limit: int) -> int:
        """Look at the oldest only: failures are appended in the order they happen in."""
        oldest = self._failures.order_by("pk").values_list("pk", "failed_at")[:limit]
        keys = [pk for pk, failed_at in oldest if failed_at < self._dead_before]
        return self._failures.filter(pk__in=keys).delete()[0] if keys else 0


def _delete(whole: "QuerySet[Any]", some: "QuerySet[Any]", limit: int) -> int:
    """Delete by key, in two steps: MariaDB takes no LIMIT in a subquery."""
    keys = list(some.values_list("pk", flat=True)[:limit])
    return whole.filter(pk__in=keys).delete()[0] if keys else 0
