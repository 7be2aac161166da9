"""Messages in this process as people handle them: looked through, pruned, paused."""

import itertools
import threading
from collections.abc import Callable, Collection, Mapping, Sequence

from django_repid.brokers.memory import records
from django_repid.core import clock
from django_repid.core.claims import Work, added_up
from django_repid.core.message import MessageCategory, MessageState, NewMessage, StoredMessage


class InMemoryHandling:
    """The rows, and what no claim and no settlement does with them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._messages: dict[int, StoredMessage] = {}
        self._pk_by_id: dict[str, int] = {}
        self._paused: set[str] = set()
        #: By key: what a running recurring message becomes at its next occurrence.
        self._renewals: dict[int, NewMessage] = {}
        self._bells: list[Callable[[], None]] = []
        self._work: dict[tuple[int, str, str, int], Work] = {}

    def _by_id(self, id_: str) -> StoredMessage | None:
        pk = self._pk_by_id.get(id_)
        return None if pk is None else self._messages[pk]

    def _put(self, message: StoredMessage) -> StoredMessage:
        assert message.key.pk is not None  # noqa: S101 - stored messages have one
        self._messages[message.key.pk] = message
        self._pk_by_id[message.key.id_] = message.key.pk
        return message

    def _drop(self, message: StoredMessage) -> None:
        assert message.key.pk is not None  # noqa: S101 - stored messages have one
        del self._messages[message.key.pk]
        del self._pk_by_id[message.key.id_]
        self._renewals.pop(message.key.pk, None)

    def find(self, ids: Collection[str]) -> list[StoredMessage]:
        """See `MessageBroker.find`."""
        with self._lock:
            return [found for id_ in ids if (found := self._by_id(id_)) is not None]

    def snapshot(self, queue: str) -> list[StoredMessage]:
        """Return all messages of a queue, oldest first."""
        with self._lock:
            found = sorted(self._messages.items())
            return [message for _, message in found if message.key.queue == queue]

    def browse(
        self,
        queue: str,
        category: MessageCategory,
        *,
        topics: Collection[str] | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[StoredMessage]:
        """See `MessageBroker.browse`."""
        now = clock.now_us()
        with self._lock:
            found = (
                message
                for pk, message in sorted(self._messages.items())
                if pk > after
                and message.key.queue == queue
                and (topics is None or message.key.topic in topics)
                and records.category(message, now) is category
            )
            return list(itertools.islice(found, limit))

    def flush(self, queue: str, limit: int = 500) -> int:
        """See `MessageBroker.flush`."""
        with self._lock:
            found = [
                message
                for message in self._messages.values()
                if message.key.queue == queue and message.state is not MessageState.RUNNING
            ][:limit]
            for message in found:
                self._drop(message)
        return len(found)

    def prune(
        self,
        dead_before: int,
        statistics_before: int,
        limit: int = 500,
        *,
        dry_run: bool = False,
    ) -> Mapping[str, int]:
        """See `MessageBroker.prune`."""
        with self._lock:
            old = [
                message
                for message in self._messages.values()
                if message.state is MessageState.DEAD and message.run_at < dead_before
            ]
            for message in [] if dry_run else old[:limit]:
                self._drop(message)
            minute = statistics_before // 60_000_000
            past = [key for key in self._work if key[0] < minute]
            for key in [] if dry_run else past[:limit]:
                del self._work[key]
        counts = {"dead jobs": len(old), "statistics": len(past)}
        return counts if dry_run else {what: min(n, limit) for what, n in counts.items()}

    def record(self, worker_id: int, work: Sequence[Work]) -> None:
        """See `MessageBroker.record`."""
        with self._lock:
            for one in work:
                self._work[one.minute, one.queue, one.topic, worker_id] = one

    def recorded(self, since: int) -> list[Work]:
        """See `MessageBroker.recorded`."""
        with self._lock:
            return added_up(one for one in self._work.values() if one.minute >= since)

    def relay(self) -> int:
        """See `MessageBroker.relay`: there is nothing to do."""
        return 0

    def tend(self) -> None:
        """See `MessageBroker.tend`: there is nothing to do."""

    def referred(self, args_ids: Collection[str]) -> set[str]:
        """See `MessageBroker.referred`."""
        with self._lock:
            held = [message.args_id for message in self._messages.values()]
            held += [message.args_id for message in self._renewals.values()]
            return {args_id for args_id in held if args_id is not None and args_id in args_ids}

    def pause(self, queue: str, *, by: str = "", reason: str = "") -> None:
        """See `MessageBroker.pause`."""
        with self._lock:
            self._paused.add(queue)

    def resume(self, queue: str) -> None:
        """See `MessageBroker.resume`."""
        with self._lock:
            self._paused.discard(queue)
        self._ring()

    def _ring(self) -> None:
        for ring in list(self._bells):
            ring()
