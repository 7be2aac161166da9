"""Recurring jobs by their rows: those that stand for an occurrence."""

from collections.abc import Collection, Mapping

from django.db.models import Q

from django_repid.brokers.database import rows
from django_repid.core.codec import NewerFormat
from django_repid.insight.database.access import Access
from django_repid.insight.schedules import LIMIT, Outcome, ScheduleState
from django_repid.insight.state import state_of
from django_repid.models import Bucket, Message


class DatabaseSchedules(Access):
    """The part of a reader that sees recurring jobs."""

    def schedules(self) -> list[ScheduleState]:
        """See `ScheduleReader.schedules`."""
        recurring = Message.objects.using(self.database).filter(tick__isnull=False).order_by()
        now, found = self.now_us(), []
        for row in recurring.values_list(*rows.MESSAGE_COLUMNS)[:LIMIT]:
            try:
                message = rows.message(row)
            except (NewerFormat, ValueError, KeyError, TypeError):  # a newer worker's, or broken
                continue
            if message.spec.again is None:
                continue
            found.append(
                ScheduleState(
                    id=message.key.id_,
                    topic=message.key.topic,
                    queue=message.key.queue,
                    schedule=message.spec.again,
                    state=state_of(message.state, message.run_at, now=now, tries=message.tries),
                    run_at=message.run_at,
                    result_id=message.spec.result_id,
                    dead_reason=message.dead_reason,
                )
            )
        return sorted(found, key=lambda one: (one.topic, one.id))

    def outcomes(self, result_ids: Collection[str]) -> Mapping[str, Outcome]:
        """See `ScheduleReader.outcomes`."""
        alive = Q(expires_at__isnull=True) | Q(expires_at__gt=self.now_us())
        found = Bucket.objects.using(self.database).filter(
            alive, bucket_id__in=sorted(result_ids), kind=Bucket.Kind.RESULT
        )
        columns = ("bucket_id", "success", "stored_at", "exception")
        return {
            id_: Outcome(bool(success), at, exception)
            for id_, success, at, exception in found.values_list(*columns)
        }
