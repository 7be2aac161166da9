"""The sign of life of a worker."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from django_repid.core.errors import BrokerUnavailable
from django_repid.core.protocols import MessageBroker, WorkerInfo

logger = logging.getLogger("django_repid.worker")


class Heartbeat:
    """Registers the worker, beats for it, and registers it anew if it was declared dead.

    `cancel` is given the messages of this worker that somebody wants stopped.
    """

    name = "heartbeat"

    def __init__(
        self,
        broker: MessageBroker,
        info: WorkerInfo,
        seconds: float,
        silence: float,
        cancel: Callable[[Iterable[int]], None],
    ) -> None:
        self._broker = broker
        self._info = info
        self._seconds = seconds
        self._silence = silence
        self._cancel = cancel
        self._lock = threading.Lock()
        self._worker_id: int | None = None
        self._beaten_at = time.monotonic()
        self._gone = False
        #: How many beats the store has taken: a sweeper trusts what it sees only if it goes on.
        self.count = 0

    @property
    def worker_id(self) -> int:
        """The id under which this worker claims; registers it at first."""
        with self._lock:
            if self._gone:  # a round that outlasted its service must not register a ghost
                message = "This worker has taken its leave."
                raise BrokerUnavailable(message)
            if self._worker_id is None:
                self._worker_id = self._broker.register(self._info)
            return self._worker_id

    def claiming_id(self) -> int:
        """Return the id to claim under now; makes sure of it after a silence.

        A process that was stopped, or whose machine slept, may have been declared dead meanwhile.
        What it claimed under its old id would be found without an owner, and run elsewhere too.
        """
        if time.monotonic() - self._beaten_at > self._silence / 2:
            self.run_once()
        return self.worker_id

    def run_once(self) -> float:
        """Beat once."""
        worker_id, now = self.worker_id, time.monotonic()
        beat = self._broker.beat(worker_id)
        self._beaten_at = now
        if not beat.known:
            logger.warning(
                "Worker %s was silent for so long that its jobs were given to others. It goes on "
                "under a new id; what it still finishes of them changes nothing.",
                self._info.name,
            )
            with self._lock:
                if self._worker_id == worker_id:  # two threads may beat at a time
                    self._worker_id = None
            return 0.0
        self.count += 1
        if beat.cancelled:
            self._cancel(beat.cancelled)
        return self._seconds

    def forget(self) -> None:
        """Take the worker off the list: it has settled or handed back everything."""
        with self._lock:
            self._gone = True
            if self._worker_id is not None:
                self._broker.deregister(self._worker_id)
                self._worker_id = None
