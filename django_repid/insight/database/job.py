"""One job by its rows, whole."""

from typing import Any

from django.db.models import Q

from django_repid.core.message import MessageState
from django_repid.insight.database.jobs import DatabaseJobs
from django_repid.insight.jobs import CAP, Attempt, Ended, Standing, Whole
from django_repid.insight.state import JobState, state_of
from django_repid.insight.terms import can_be_id, read_spec
from django_repid.models import Bucket, Failure, Message

#: Failing attempts that a page shows, the newest.
_ATTEMPTS = 20
_CHUNK = 1000
#: Failures among which those with one cause are counted.
_NEWEST = 2000


class DatabaseJob(DatabaseJobs):
    """The part of a reader that sees one job."""

    def job(self, id_: str) -> Whole | None:
        """See `JobReader.job`."""
        if not can_be_id(id_):
            return None
        row = Message.objects.using(self.database).filter(message_id=id_).first()
        if row is None:
            result = self._result_of(id_)
            return None if result is None else self._left_behind(result)
        standing = _standing(row)
        live = {worker.id for worker in self.workers() if worker.lives}
        spec = standing.spec
        result = None if spec is None or spec.result_id is None else self._bucket(spec.result_id)
        if result is not None and result.message_id not in (id_, None):
            result = None
        return Whole(
            id=id_,
            state=state_of(
                standing.row_state,
                row.run_at,
                now=self.now_us(),
                tries=row.tries,
                orphaned=row.worker_id is not None and row.worker_id not in live,
            ),
            standing=standing,
            ended=None if result is None else _ended(result),
            attempts=self._attempts(id_),
            args=self._arguments(row.args_id),
        )

    def ended(self, bucket_id: str) -> Whole | None:
        """See `JobReader.ended`."""
        row = self._bucket(bucket_id) if can_be_id(bucket_id) else None
        return None if row is None else self._left_behind(row)

    def _left_behind(self, row: Bucket) -> Whole:
        ended = _ended(row)
        return Whole(
            id=ended.id,
            state=ended.state if ended.is_result else JobState.DONE,
            ended=ended,
            attempts=self._attempts(ended.id) if ended.id else (),
            args=self._arguments(ended.args_id),
        )

    def _bucket(self, bucket_id: str) -> Bucket | None:
        alive = Q(expires_at__isnull=True) | Q(expires_at__gt=self.now_us())
        return Bucket.objects.using(self.database).filter(alive, bucket_id=bucket_id).first()

    def _result_of(self, id_: str) -> Bucket | None:
        """Look for a job among the newest results, which no index knows by their jobs."""
        results = Bucket.objects.using(self.database).order_by("-pk")
        last = results.values_list("pk", flat=True).first()
        edge = results.values_list("pk", flat=True)[CAP : CAP + 1].first() or 0
        if last is None:
            return None
        alive = Q(expires_at__isnull=True) | Q(expires_at__gt=self.now_us())
        newest = results.filter(alive, pk__gt=edge, message_id=id_, kind=Bucket.Kind.RESULT)
        return newest.first()

    def _arguments(self, args_id: str | None) -> str | None:
        row = None if args_id is None or not can_be_id(args_id) else self._bucket(args_id)
        return None if row is None else row.data

    def _attempts(self, id_: str) -> list[Attempt]:
        failures = Failure.objects.using(self.database).filter(message_id=id_).order_by("-pk")
        return [
            Attempt(
                number=row.number,
                lease=row.lease,
                at=row.failed_at,
                took=row.duration_us,
                worker=row.worker,
                exception=row.exception,
                fingerprint=row.fingerprint,
                text=row.text,
                traceback=row.traceback,
            )
            for row in failures[:_ATTEMPTS]
        ]

    def same_cause(self, attempt: Attempt, topic: str) -> int:
        """See `JobReader.same_cause`."""
        failures = Failure.objects.using(self.database)
        newest = failures.order_by("-pk").values_list("pk", flat=True)
        edge = newest[_NEWEST : _NEWEST + 1].first() or 0
        same = failures.filter(pk__gt=edge, topic=topic, fingerprint=attempt.fingerprint)
        return same.order_by().values("message_key").distinct().count()


def _standing(row: Message) -> Standing:
    return Standing(
        id=row.message_id,
        topic=row.topic,
        queue=row.queue,
        priority=row.priority,
        row_state=MessageState(row.state),
        run_at=row.run_at,
        due_at=row.due_at,
        enqueued_at=row.enqueued_at,
        claimed_at=row.claimed_at,
        tick=row.tick,
        worker_id=row.worker_id,
        lease=row.lease,
        tries=row.tries,
        crashes=row.crashes,
        suspicion=row.suspicion,
        cancel_asked=row.cancel_asked,
        args_id=row.args_id,
        payload=row.payload,
        waits_for=row.waits_for,
        dead_reason=row.dead_reason,
        spec_text=row.spec,
        headers=row.headers,
        spec=read_spec(row.spec),
    )


def _ended(row: Any) -> Ended:
    return Ended(
        bucket_id=row.bucket_id,
        is_result=row.kind == Bucket.Kind.RESULT,
        data=row.data,
        stored_at=row.stored_at,
        expires_at=row.expires_at,
        success=row.success is not False,
        exception=row.exception or "",
        started_ns=row.started_ns or 0,
        finished_ns=row.finished_ns or 0,
        id=row.message_id or "",
        topic=row.topic or "",
        queue=row.queue or "",
        priority=row.priority or 0,
        tries=row.tries or 0,
        worker=row.worker or "",
        payload=row.payload,
        args_id=row.args_id,
        spec=row.spec or "",
        terms=read_spec(row.spec or ""),
        headers=row.headers or "",
    )
