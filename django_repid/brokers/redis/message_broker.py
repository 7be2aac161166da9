"""Messages in Redis."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from django_repid.brokers.redis import wire
from django_repid.brokers.redis.access import Place, guarded
from django_repid.brokers.redis.bells import Bell, Listener
from django_repid.brokers.redis.bucket_broker import RedisBucketBroker
from django_repid.brokers.redis.claiming import RedisClaiming
from django_repid.brokers.redis.commits import on_commit_of
from django_repid.brokers.redis.outbox import Outbox, Packed
from django_repid.brokers.redis.scripts import run
from django_repid.core.bucket import args_record
from django_repid.core.codec import NewerFormat
from django_repid.core.errors import BrokerUnavailable, ConfigurationError, DuplicateJob
from django_repid.core.message import Enqueued, NewMessage, RoutingKey
from django_repid.core.protocols import BucketBroker

logger = logging.getLogger("django_repid")

#: What takes the place of a message that waits: see `_meta`.
_OVERWRITES = frozenset({"replace", "renew"})


class RedisMessageBroker(RedisClaiming):
    """Messages in Redis.

    Args:
        dsn: the address, as redis-py takes it.
        cache: instead of it, an alias of CACHES that is one of django-redis.
        prefix: what all keys begin with. Brokers with one address and one prefix share theirs.
        commit_with: the database alias whose transactions an enqueue waits for: inside one, the
            message is written when it commits. A crash between the two loses it. None: at once.
        outbox: keep it in that database, in that transaction, until it is written: then a crash
            between the two loses nothing, and a Redis that is away at the commit is no error.
            Workers send what was left. Of brokers with one outbox each needs a prefix of its own.

    Raises:
        ConfigurationError: the place is none, or an outbox has no database to be in.

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
        outbox: bool = False,
    ) -> None:
        super().__init__(Place(dsn, cache, prefix))
        self.commit_with = commit_with
        self.outbox: Outbox | None = None
        if outbox:
            if commit_with is None:
                message = "outbox=True needs commit_with: the database that holds the outbox."
                raise ConfigurationError(message)
            self.outbox = Outbox(commit_with, prefix)
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
        packed = [_packed(message, store_args=args is not None) for message in messages]
        when_committed = on_commit_of(self.commit_with)
        if when_committed is None:
            return self._write(messages, packed)
        answers = [Enqueued(key=m.key, duplicate=None, enqueued_at=None) for m in messages]
        kept = None if self.outbox is None else self.outbox.put(packed)

        def on_commit() -> None:
            written = self._write_kept(messages, packed, kept)
            for answer, now_known in zip(answers, written, strict=False):
                answer.complete(now_known)

        when_committed(on_commit)
        return answers

    def relay(self) -> int:
        """See `MessageBroker.relay`: what transactions have left in the outbox."""
        return 0 if self.outbox is None else self.outbox.relay(self._relay)

    def _relay(self, packed: list[Packed]) -> None:
        try:
            self._send(packed)
        except DuplicateJob:
            if len(packed) == 1:
                logger.warning("A job of the outbox is dropped: its id waits or runs already.")
                return
            for one in packed:
                self._relay([one])

    def _write_kept(
        self, messages: Sequence[NewMessage], packed: list[Packed], kept: Sequence[int] | None
    ) -> list[Enqueued]:
        """Write messages whose transaction has committed, and take them out of the outbox."""
        if self.outbox is None or kept is None:
            return self._write(messages, packed)
        if any(meta[2] in _OVERWRITES for meta, _ in packed) and self.outbox.is_behind(kept):
            return []  # workers send them in their order, or an older one would take their place
        try:
            written = self._write(messages, packed)
            self.outbox.remove(kept)
        except BrokerUnavailable as error:
            # The transaction has committed: nothing is wrong for whoever made it.
            logger.warning("Jobs stay in the outbox, and workers send them later: %s", error)
            return []
        except DuplicateJob:
            self.outbox.remove(kept)
            raise
        return written

    def _write(self, messages: Sequence[NewMessage], packed: list[Packed]) -> list[Enqueued]:
        if not messages:
            return []
        now, written = self._send(packed)
        return [_answer(m, text, now) for m, text in zip(messages, written, strict=True)]

    @guarded
    def _send(self, packed: list[Packed]) -> tuple[int, list[bytes]]:
        """Write messages, all or none; return the time, and what became of each."""
        metas = json.dumps([meta for meta, _ in packed])
        texts = [text for _, some in packed for text in some]
        now, outcome, *written = run(
            self.place, "enqueue", str(int(self._bell.rings_now())), metas, *texts
        )
        if outcome == b"duplicate":
            raise DuplicateJob.of(written[0].decode())
        return int(now), written

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


def _packed(message: NewMessage, *, store_args: bool) -> Packed:
    """Return what the script is told of a message."""
    record = args_record(message) if store_args else None
    texts = [wire.body(message)]
    if record is not None:
        texts.append(wire.bucket(record))
    return _meta(message, with_bucket=record is not None), texts


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
        try:
            standing = wire.message(text[1:])
        except NewerFormat:  # a newer worker's; the others have been written
            return Enqueued(key=message.key, duplicate=True, enqueued_at=now)
        return Enqueued(key=standing.key, duplicate=True, enqueued_at=now, standing=standing.spec)
    pk, lease = text.split()
    key = message.key
    key = RoutingKey(key.topic, key.queue, key.priority, key.id_, int(pk), int(lease))
    return Enqueued(key=key, duplicate=False, enqueued_at=now)
