"""The reader of a connection whose messages are in Redis."""

import json
from collections.abc import Sequence

from django_repid.core.codec import encode_headers
from django_repid.core.message import StoredMessage
from django_repid.insight.jobs import (
    CAP,
    Attempt,
    BucketLine,
    BucketPage,
    Standing,
    Whole,
)
from django_repid.insight.redis.jobs import RedisJobs
from django_repid.insight.redis.lines import Left, read_left
from django_repid.insight.redis.sources import Members, resumed
from django_repid.insight.state import JobState, state_of
from django_repid.insight.terms import can_be_id

#: Failing attempts that a page shows, the newest.
_ATTEMPTS = 20


class RedisReader(RedisJobs):
    """All that is seen of a Redis."""

    def job(self, id_: str) -> Whole | None:
        """See `JobReader.job`."""
        found = self.broker.find([id_]) if can_be_id(id_) else []
        if not found:
            left = self._result_of(id_)
            return None if left is None else self._left_behind(left)
        (message,) = found
        result_id = message.spec.result_id
        result = None if result_id is None else self._bucket(result_id)
        if result is not None and result.id not in (id_, ""):
            result = None
        orphaned = bool(message.worker_id) and message.worker_id not in self.live()
        return Whole(
            id=id_,
            state=state_of(
                message.state,
                message.run_at,
                now=self.now_us(),
                tries=message.tries,
                orphaned=orphaned,
            ),
            standing=_standing(message),
            ended=result,
            attempts=self._attempts(id_),
            args=self._arguments(message.args_id),
        )

    def ended(self, bucket_id: str) -> Whole | None:
        """See `JobReader.ended`."""
        left = self._bucket(bucket_id) if can_be_id(bucket_id) else None
        return None if left is None else self._left_behind(left)

    def _left_behind(self, left: Left) -> Whole:
        return Whole(
            id=left.id,
            state=left.state if left.is_result else JobState.DONE,
            ended=left,
            attempts=self._attempts(left.id) if left.id else (),
            args=self._arguments(left.args_id),
        )

    def _bucket(self, bucket_id: str) -> Left | None:
        (text,) = self.ask(("GET", self.key(f"b:{bucket_id}")))
        left = None if text is None else read_left(bucket_id, text)
        if left is None or (left.expires_at is not None and left.expires_at <= self.now_us()):
            return None
        return left

    def _result_of(self, id_: str) -> Left | None:
        """Look for a job among the newest results, which no index knows by their jobs."""
        (newest,) = self.ask(("ZREVRANGE", self.key("done"), 0, CAP - 1))
        for start in range(0, len(newest), 500):
            for left in self.lefts(newest[start : start + 500]).values():
                if left.id == id_:
                    return left
        return None

    def _arguments(self, args_id: str | None) -> str | None:
        left = None if args_id is None else self._bucket(args_id)
        return None if left is None else left.data

    def _attempts(self, id_: str) -> list[Attempt]:
        (numbers,) = self.ask(("ZREVRANGE", self.key(f"failed:{id_}"), 0, _ATTEMPTS - 1))
        found = self.failed(numbers)
        texts = self.ask(*(("HGET", self.key(f"f:{one.n.decode()}"), "t") for one in found))
        return [
            Attempt(
                number=one.number,
                lease=one.lease,
                at=one.at,
                took=one.took,
                worker=one.worker,
                exception=one.exception,
                fingerprint=one.fingerprint,
                text=one.text,
                traceback="" if text is None else json.loads(text),
            )
            for one, text in zip(found, texts, strict=True)
        ]

    def bucket_page(self, word: str = "", *, after: str = "", limit: int = 50) -> BucketPage:
        """See `JobReader.bucket_page`: results that say which job they came from."""

        def lines(ids: Sequence[bytes]) -> dict[bytes, Left]:
            return {
                id_: left
                for id_, left in self.lefts(ids).items()
                if not word or word in (left.bucket_id, left.id, left.topic)
            }

        stream = resumed(Members(self.ask, [self.key("done")], lines), after, CAP)
        page: list[BucketLine] = []
        while len(page) < limit and (left := stream.first()) is not None:
            page.append(_bucket_line(left))
            stream.take()
        more = stream.first() is not None or not stream.ended
        return BucketPage(page, stream.place if more else "", CAP if stream.gave_up else None)


def _bucket_line(left: Left) -> BucketLine:
    return BucketLine(
        id=left.bucket_id,
        is_result=left.is_result,
        job=left.id,
        topic=left.topic,
        success=left.success,
        exception=left.exception,
        stored_at=left.stored_at,
        expires_at=left.expires_at,
    )


def _standing(message: StoredMessage) -> Standing:
    key = message.key
    return Standing(
        id=key.id_,
        topic=key.topic,
        queue=key.queue,
        priority=int(key.priority),
        row_state=message.state,
        run_at=message.run_at,
        due_at=message.due_at,
        enqueued_at=message.enqueued_at,
        claimed_at=message.claimed_at,
        tick=message.tick,
        worker_id=message.worker_id or None,
        lease=key.lease or 0,
        tries=message.tries,
        crashes=message.crashes,
        suspicion=message.suspicion,
        cancel_asked=message.cancel_asked,
        args_id=message.args_id,
        payload=message.payload,
        waits_for=message.waits_for,
        dead_reason=message.dead_reason,
        spec_text=message.spec.text,
        headers=encode_headers(message.headers),
        spec=message.spec,
    )
