"""Recurring jobs by their rows: those that stand for an occurrence."""

from collections.abc import Collection, Mapping

from django.db.models import Q

from django_repid.core.codec import NewerFormat, Spec
from django_repid.core.message import MessageState
from django_repid.insight.database.access import Access
from django_repid.insight.schedules import LIMIT, Outcome, ScheduleState
from django_repid.insight.state import state_of
from django_repid.models import Bucket, Message


class DatabaseSchedules(Access):
    """The part of a reader that sees recurring jobs."""

    def schedules(self) -> list[ScheduleState]:
        """See `ScheduleReader.schedules`."""
        # Compared, not asked for NULL: so SQLite searches the index for it.
        recurring = Message.objects.using(self.database).filter(tick__gte=0).order_by()
        columns = (
            "message_id", "topic", "queue", "state", "run_at", "tries", "dead_reason", "spec",
        )  # fmt: skip
        now, found = self.now_us(), []
        for *row, text in recurring.values_list(*columns)[:LIMIT]:
            id_, topic, queue, state, run_at, tries, dead_reason = row
            try:
                spec = Spec.read(str(text))
            except (NewerFormat, ValueError, KeyError, TypeError):  # a newer worker's, or broken
                continue
            if spec.again is None:
                continue
            seen = state_of(MessageState(state), run_at, now=now, tries=tries)
            found.append(
                ScheduleState(
                    id=id_,
                    topic=topic,
                    queue=queue,
                    schedule=spec.again,
                    state=seen,
                    run_at=run_at,
                    result_id=spec.result_id,
                    dead_reason=dead_reason,
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
