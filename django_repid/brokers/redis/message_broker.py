"""Messages in Redis."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from django_repid.brokers.redis import wire
from django_repid.brokers.redis.access import Place, guarded
from django_repid.brokers.redis.bells import Bell, Listener
from django_repid.brokers.redis.bucket_broker import RedisBucketBroker
from django_repid.brokers.redis.claiming import RedisClaiming
from django_repid.brokers.redis.commits import on_commit_of
from django_repid.brokers.redis.scripts import run
from django_repid.core.bucket import args_record
from django_repid.core.errors import DuplicateJob
from django_repid.core.message import Enqueued, NewMessage, RoutingKey
from django_repid.core.protocols import BucketBroker


class RedisMessageBroker(RedisClaiming):
    """Messages in Redis.

    Args:
        dsn: the address, as redis-py takes it.
        cache: instead of it, an alias of CACHES that is one of django-redis.
        prefix: what all keys begin with. Brokers with one address and one prefix share theirs.
        commit_with: the database alias whose transactions an enqueue waits for: inside one, the
            message is written when it commits. A crash between the two loses it. None: at once.

    """

    blocking = True
    is_transactional = False
    courtesy_seconds = 0.0

    def __init__(
        self,
        dsn: str | None = None,
        *,
        cache: str | None = None,
        prefix: str = "repid",
        commit_with: str | None = "default",
    ) -> None:
        super().__init__(Place(dsn, cache, prefix))
        self.commit_with = commit_with
        self._bell = Bell()
        self._listener: Listener | None = None

    def stores(self, buckets: BucketBroker) -> bool:
        """See `MessageBroker.stores`: buckets in the same Redis, under the same prefix."""
        return (
            isinstance(buckets, RedisBucketBroker) and buckets.place.identity == self.place.identity
        )

    def enqueue(
        self, messages: Sequence[NewMessage], args: BucketBroker | None = None
    ) -> list[Enqueued]:
        """See `MessageBroker.enqueue`."""
        when_committed = on_commit_of(self.commit_with)
        if when_committed is None:
            return self._write(messages, store_args=args is not None)
        answers = [Enqueued(key=m.key, duplicate=None, enqueued_at=None) for m in messages]

        def on_commit() -> None:
            written = self._write(messages, store_args=args is not None)
            for answer, now_known in zip(answers, written, strict=True):
                answer.complete(now_known)

        when_committed(on_commit)
        return answers

    @guarded
    def _write(self, messages: Sequence[NewMessage], *, store_args: bool) -> list[Enqueued]:
        if not messages:
            return []
        metas, texts = [], []
        for message in messages:
            record = args_record(message) if store_args else None
            metas.append(_meta(message, with_bucket=record is not None))
            texts.append(wire.body(message))
            if record is not None:
                texts.append(wire.bucket(record))
        ring = str(int(self._bell.rings_now()))
        now, outcome, *written = run(self.place, "enqueue", ring, json.dumps(metas), *texts)
        if outcome == b"duplicate":
            raise DuplicateJob.of(written[0].decode())
        at = int(now)
        return [_answer(m, text, at) for m, text in zip(messages, written, strict=True)]

    def atomically(self) -> AbstractContextManager[None]:
        """See `MessageBroker.atomically`: there is no such thing here."""
        raise NotImplementedError

    def own_session(self) -> AbstractContextManager[None]:
        """See `MessageBroker.own_session`: nothing here waits for a lock, or long."""
        return nullcontext()

    @property
    def rings(self) -> bool:
        """See `MessageBroker.rings`: while the listener is connected."""
        return self._listener is not None and self._listener.hears_all

    @contextmanager
    def bell(self, ring: Callable[[], None]) -> Iterator[None]:
        """See `MessageBroker.bell`."""
        self._listener = listener = Listener(self.place, ring)
        listener.start()
        try:
            yield
        finally:
            self._listener = None
            listener.stop()


def _meta(message: NewMessage, *, with_bucket: bool) -> tuple[str, ...]:
    policy = "" if message.on_duplicate is None else message.on_duplicate.value
    return (
        message.key.id_,
        wire.head(message.key),
        "renew" if message.renews else policy,
        wire.number(message.run_at),
        wire.number(message.tick),
        wire.schedule(message.spec),
        message.args_id or "",
        str(int(with_bucket)),
        wire.number(message.args_ttl),
        str(int(message.args_generated)),
    )


def _answer(message: NewMessage, text: bytes, now: int) -> Enqueued:
    if text.startswith(b"!"):
        standing = wire.message(text[1:])
        return Enqueued(key=standing.key, duplicate=True, enqueued_at=now, standing=standing.spec)
    pk, lease = text.split()
    key = message.key
    key = RoutingKey(key.topic, key.queue, key.priority, key.id_, int(pk), int(lease))
    return Enqueued(key=key, duplicate=False, enqueued_at=now)
