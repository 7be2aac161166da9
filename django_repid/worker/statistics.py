"""What a worker has done, minute by minute: counted in memory, and kept by its store."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from django_repid.core import clock
from django_repid.core.claims import Work
from django_repid.core.message import MessageState
from django_repid.core.protocols import MessageBroker
from django_repid.core.settlement import Settlement

_MINUTE_US = 60_000_000
#: Bars of a histogram: the last one holds what takes longer than 18 hours.
_BARS = 27
#: Minutes that are kept for a store that cannot be reached.
_PATIENCE = 60

_Key = tuple[int, str, str]


@dataclass(slots=True)
class _Count:
    """The runs of one actor in one minute. `ends`: succeeded, failed, retried."""

    ends: list[int] = field(default_factory=lambda: [0, 0, 0])
    duration_us: float = 0.0
    histogram: list[int] = field(default_factory=lambda: [0] * _BARS)


class Statistics:
    """Counts on the broker thread, and is written by another: outside of any settlement.

    What is written replaces what was written before, so that a write whose answer was lost can be
    repeated.
    """

    def __init__(self, now_us: Callable[[], int] = clock.now_us) -> None:
        self._now_us = now_us
        self._lock = threading.Lock()
        self._counts: dict[_Key, _Count] = {}
        self._changed: set[_Key] = set()
        self._worker_id: int | None = None

    def count(self, end: Settlement, duration_us: float) -> None:
        """Count a run that has come to its end."""
        key = (self._now_us() // _MINUTE_US, end.message.key.queue, end.message.key.topic)
        with self._lock:
            found = self._counts.get(key)
            if found is None:
                found = self._counts[key] = _Count()
            found.ends[_kind(end)] += 1
            found.duration_us += duration_us
            found.histogram[min(int(duration_us / 1000).bit_length(), _BARS - 1)] += 1
            self._changed.add(key)

    def write(self, broker: MessageBroker, worker_id: int) -> None:
        """Hand what has changed to the store.

        Raises:
            BrokerUnavailable: it did not take it; the next time will do.

        """
        with self._lock:
            if worker_id != self._worker_id:
                self._forget_written()
                self._worker_id = worker_id
            changed, self._changed = self._changed, set()
            work = [_work(key, self._counts[key]) for key in sorted(changed)]
        try:
            if work:
                broker.record(worker_id, work)
        except BaseException:
            with self._lock:
                self._changed |= changed
                self._forget(_PATIENCE)
            raise
        with self._lock:
            self._forget_before_last()

    def _forget_written(self) -> None:
        """Begin anew: what was written stands under another id."""
        self._counts = {key: self._counts[key] for key in self._changed}

    def _forget_before_last(self) -> None:
        """Drop minutes that cannot change any more."""
        oldest = self._now_us() // _MINUTE_US - 1
        kept = self._changed
        self._counts = {k: c for k, c in self._counts.items() if k[0] >= oldest or k in kept}

    def _forget(self, minutes: int) -> None:
        """Drop what is older than so many minutes, written or not."""
        oldest = self._now_us() // _MINUTE_US - minutes
        self._counts = {key: count for key, count in self._counts.items() if key[0] >= oldest}
        self._changed &= self._counts.keys()


def _kind(end: Settlement) -> int:
    """Return the place of an end in a count's `ends`."""
    if end.failed_for_good:
        return 1
    return 2 if end.state is MessageState.READY and not end.recurs else 0


def _work(key: _Key, count: _Count) -> Work:
    minute, queue, topic = key
    succeeded, failed, retried = count.ends
    longest = max((n for n, bar in enumerate(count.histogram) if bar), default=-1)
    return Work(
        minute=minute,
        queue=queue,
        topic=topic,
        succeeded=succeeded,
        failed=failed,
        retried=retried,
        duration_us=round(count.duration_us),
        histogram=tuple(count.histogram[: longest + 1]),
    )
