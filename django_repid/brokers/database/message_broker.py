"""Messages in a table."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from django.db import connections, transaction

from django_repid.brokers.database import rows
from django_repid.brokers.database.access import alias_for, guarded, transaction_on
from django_repid.brokers.database.atomically import atomically
from django_repid.brokers.database.bells import Bells, Listener, ring_safely
from django_repid.brokers.database.bucket_broker import DatabaseBucketBroker
from django_repid.brokers.database.claiming import DatabaseClaiming
from django_repid.brokers.database.enqueue import write
from django_repid.brokers.database.session import own_session
from django_repid.core.message import Enqueued, MessageState, NewMessage, StoredMessage
from django_repid.core.protocols import BucketBroker, FarBell
from django_repid.models import Message, Queue


class DatabaseMessageBroker(DatabaseClaiming):
    """Messages in the table of one database alias.

    Args:
        database: an alias of DATABASES; None: where the router writes `Message`.
        commit_with: an alias whose transactions an enqueue waits for, where the messages live on
            another one. The message is written when that transaction commits; a crash between the
            two commits loses it.
        bell: whether enqueues wake sleeping workers, and workers listen; else they only poll. A
            pooler that breaks LISTEN (PgBouncer in transaction mode) is a reason to say False, or
            to give a bell that stands elsewhere: `RedisBell`, with which an enqueue wakes workers
            on every host, whatever the database.

    """

    blocking = True
    is_transactional = True

    def __init__(
        self,
        database: str | None = None,
        commit_with: str | None = None,
        *,
        bell: bool | FarBell = True,
    ) -> None:
        super().__init__()
        self._rings_bells = bell is not False
        self.far_bell = None if isinstance(bell, bool) else bell
        self._bells = Bells(self.far_bell)
        self._listener: Listener | None = None
        self._database = database
        self.commit_with = commit_with

    @property
    def alias(self) -> str:
        """The database alias that its rows are written to."""
        return alias_for(self._database, Message)

    @property
    def courtesy_seconds(self) -> float:
        """See `MessageBroker.courtesy_seconds`.

        SQLite has one writer. Beside a worker that writes without a pause a view's INSERT waited
        up to 1.5 s (measured); with one millisecond between its transactions, 4 ms.
        """
        return 0.001 if connections[self.alias].vendor == "sqlite" else 0.0

    @guarded
    def now_us(self) -> int:
        """See `MessageBroker.now_us`."""
        return self._statements.read_now(connections[self.alias])

    def stores(self, buckets: BucketBroker) -> bool:
        """See `MessageBroker.stores`: buckets on the same alias."""
        return isinstance(buckets, DatabaseBucketBroker) and buckets.alias == self.alias

    def enqueue(
        self, messages: Sequence[NewMessage], args: BucketBroker | None = None
    ) -> list[Enqueued]:
        """See `MessageBroker.enqueue`."""
        other = self.commit_with
        if other is None or other == self.alias or not connections[other].in_atomic_block:
            return self._write(messages, store_args=args is not None)
        answers = [Enqueued(key=m.key, duplicate=None, enqueued_at=None) for m in messages]

        def on_commit() -> None:
            written = self._write(messages, store_args=args is not None)
            for answer, now_known in zip(answers, written, strict=True):
                answer.complete(now_known)

        transaction.on_commit(on_commit, using=other)
        return answers

    @guarded
    def _write(self, messages: Sequence[NewMessage], *, store_args: bool) -> list[Enqueued]:
        answers = write(self.alias, self._statements, messages, store_args=store_args)
        self._announce()
        return answers

    @guarded
    def seize(self, id_: str, states: Collection[MessageState]) -> StoredMessage | None:
        """See `MessageBroker.seize`."""
        with transaction_on(self.alias):
            row = self._statements.seize(connections[self.alias], id_, states)
            return None if row is None else rows.message(row)

    @guarded
    def free(self, bucket_ids: Collection[str]) -> None:
        """See `MessageBroker.free`."""
        with transaction_on(self.alias):
            self._statements.free(connections[self.alias], sorted(bucket_ids))
        self._announce()

    @guarded
    def pause(self, queue: str, *, by: str = "", reason: str = "") -> None:
        """See `MessageBroker.pause`."""
        Queue.objects.using(self.alias).update_or_create(
            name=queue,
            defaults={"paused_at": self.now_us(), "paused_by": by, "pause_reason": reason},
        )
        self._look = None

    @guarded
    def resume(self, queue: str) -> None:
        """See `MessageBroker.resume`."""
        Queue.objects.using(self.alias).filter(name=queue).update(
            paused_at=None, paused_by="", pause_reason=""
        )
        self._look = None
        self._announce()

    def _announce(self) -> None:
        """Ring the bell once what was written is committed."""
        if self._rings_bells:
            alias = self.alias
            transaction.on_commit(partial(ring_safely, self._bells, alias), using=alias)

    def atomically(self) -> AbstractContextManager[None]:
        """See `MessageBroker.atomically`."""
        return atomically(self.alias)

    def own_session(self) -> AbstractContextManager[None]:
        """See `MessageBroker.own_session`."""
        return own_session(self.alias)

    @property
    def rings(self) -> bool:
        """See `MessageBroker.rings`: while the listener is connected to PostgreSQL or Redis."""
        return self._listener is not None and self._listener.hears_all

    @contextmanager
    def bell(self, ring: Callable[[], None]) -> Iterator[None]:
        """See `MessageBroker.bell`. Where no bell can be heard, polling finds what there is."""
        if not self._rings_bells:
            yield
            return

        def heard() -> None:
            self._look = None
            ring()

        self._listener = listener = Listener(self.alias, heard, self.far_bell)
        listener.start()
        try:
            yield
        finally:
            self._listener = None
            listener.stop()
