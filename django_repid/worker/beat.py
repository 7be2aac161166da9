"""The sign of life of a worker."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable

from django_repid.core.claims import WorkerInfo
from django_repid.core.errors import BrokerUnavailable
from django_repid.core.protocols import MessageBroker

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
        cancel: Callable[[Iterable[int]], None],
        *,
        seconds: float,
        silence: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._info = info
        self._seconds = seconds
        self._silence = silence
        self._cancel = cancel
        self._lock = threading.Lock()
        self._worker_id: int | None = None
        self._monotonic = monotonic
        self._gone = False
        #: When the store has last taken a sign of life, and since when it has taken them without a
        #: gap: a sweeper trusts what it sees only as far as its own beats get through.
        self.beaten_at = -math.inf
        self.steady_since = math.inf

    @property
    def worker_id(self) -> int:
        """The id under which this worker claims; registers it at first."""
        with self._lock:
            if self._gone:  # a round that outlasted its service must not register a ghost
                message = "This worker has taken its leave."
                raise BrokerUnavailable(message)
            if self._worker_id is None:
                began = self._monotonic()
                self._worker_id = self._broker.register(self._info)
                self._got_through(began)
            return self._worker_id

    def claiming_id(self) -> int:
        """Return the id to claim under now; makes sure of it after a silence.

        A process that was stopped, or whose machine slept, may have been declared dead meanwhile.
        What it claimed under its old id would be found without an owner, and run elsewhere too.
        """
        worker_id = self.worker_id
        if self._monotonic() - self.beaten_at > self._silence / 2:
            self.run_once()
            return self.worker_id
        return worker_id

    def run_once(self) -> float:
        """Beat once."""
        worker_id, began = self.worker_id, self._monotonic()
        beat = self._broker.beat(worker_id)
        self._got_through(began)
        if not beat.known:
            self._lose(worker_id)
            return 0.0
        if beat.cancelled:
            self._cancel(beat.cancelled)
        return self._seconds

    def _lose(self, worker_id: int) -> None:
        """Give up an id that the store does not know any more; two threads may find that out."""
        with self._lock:
            if self._worker_id != worker_id:
                return
            self._worker_id = None
        logger.warning(
            "Worker %s was silent for so long that its jobs were given to others. It goes on "
            "under a new id; what it still finishes of them changes nothing.",
            self._info.name,
        )

    def _got_through(self, began: float) -> None:
        if began - self.beaten_at > 2 * self._seconds:
            self.steady_since = began
        self.beaten_at = began

    def drain(self) -> None:
        """Let others see that this worker takes no more."""
        with self._lock:
            worker_id = None if self._gone else self._worker_id
        if worker_id is not None:
            self._broker.drain(worker_id)

    def forget(self) -> None:
        """Take the worker off the list: it has settled or handed back everything."""
        with self._lock:
            self._gone = True
            if self._worker_id is not None:
                self._broker.deregister(self._worker_id)
                self._worker_id = None
