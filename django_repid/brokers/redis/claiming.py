"""Claims, and the settlements that travel with them in one round trip."""

import json
import logging
from collections.abc import Collection, Sequence

from django_repid.brokers.redis import wire
from django_repid.brokers.redis.access import Place, driver, guarded
from django_repid.brokers.redis.handling import RedisHandling
from django_repid.brokers.redis.scripts import run
from django_repid.core.claims import Claim, ClaimRequest
from django_repid.core.codec import NewerFormat
from django_repid.core.message import StoredMessage
from django_repid.core.protocols import BucketBroker
from django_repid.core.serializer import printable
from django_repid.core.settlement import Settlement

logger = logging.getLogger("django_repid.worker")

#: For how long a message that only newer workers can read is left to them.
_NEWER_FORMAT_PAUSE_US = 60_000_000


class RedisClaiming(RedisHandling):
    """The part of a message broker that its worker's broker thread uses."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._turn = 0

    @guarded
    def claim(
        self,
        request: ClaimRequest,
        ends: Sequence[Settlement] = (),
        results: BucketBroker | None = None,
    ) -> Claim:
        """See `MessageBroker.claim`."""
        self._turn = (self._turn + 1) % 1_000_000
        metas, texts = wire.ends(ends, store_results=results is not None)
        now, lost, taken, next_due, others = run(
            self.place, "exchange", metas, _asked(request, self._turn), *texts
        )
        names = [name.decode() for name in others]
        return Claim(
            messages=self._readable(taken, int(now)),
            now=int(now),
            next_due=int(next_due) if next_due else None,
            others=dict(zip(names[::2], names[1::2], strict=True)),
            lost=frozenset(map(int, lost)),
        )

    @guarded
    def settle(
        self, settlements: Sequence[Settlement], results: BucketBroker | None = None
    ) -> frozenset[int]:
        """See `MessageBroker.settle`."""
        if not settlements:
            return frozenset()
        metas, texts = wire.ends(settlements, store_results=results is not None)
        _, lost = run(self.place, "exchange", metas, "", *texts)
        return frozenset(map(int, lost))

    def _readable(self, taken: Sequence[bytes], now: int) -> list[StoredMessage]:
        """Return the messages that this version can read; put the others off for newer workers."""
        messages: list[StoredMessage] = []
        unreadable: list[str] = []
        for text in taken:
            try:
                messages.append(wire.message(text))
            except NewerFormat as error:
                key, lease = wire.fence(text)
                reason = printable(str(error))
                logger.warning("Message %s is left to newer workers: %s", key, reason)
                unreadable += key, lease
            except Exception:
                key, lease = wire.fence(text)
                logger.exception("Message %s cannot be read; it is put off.", key)
                unreadable += key, lease
        if unreadable:
            self._put_off(unreadable, now)
        return messages

    def _put_off(self, fences: Collection[str], now: int) -> None:
        try:
            run(self.place, "put_off", now + _NEWER_FORMAT_PAUSE_US, *fences)
        except driver().RedisError:
            logger.exception("Unreadable messages stay claimed by this worker.")


def _asked(request: ClaimRequest, turn: int) -> str:
    return json.dumps(
        {
            "worker": str(request.worker_id),
            "turn": turn,
            "wants": [[want.limit, list(want.topics)] for want in request.wants],
            "queues": None if request.queues is None else list(request.queues),
            "excluded": list(request.excluded),
        }
    )
