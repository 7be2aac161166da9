"""What can be asked of a job after its enqueue: its result, and to come to an end."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django_repid.core import clock
from django_repid.core.bucket import ResultBucket
from django_repid.core.connection import Connection
from django_repid.core.message import MessageState
from django_repid.core.outcome import Bench
from django_repid.core.verdict import cancelled

# Between two looks for a result: soon at first, then at most four times a second.
_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class Wait:
    """The wait for a result bucket that was stored at or after `since` (None: any)."""

    connection: Connection
    result_id: str
    since: int | None
    timeout: float | timedelta

    def sync(self) -> ResultBucket:
        """Wait on the calling thread.

        Raises:
            TimeoutError: it did not come in time.

        """
        for pause in self._pauses():
            time.sleep(pause)
            if bucket := self._look():
                return bucket
        raise self._late()

    async def coroutine(self) -> ResultBucket:
        """Wait in a coroutine; see `sync`."""
        for pause in self._pauses():
            await asyncio.sleep(pause)
            if bucket := await self.connection.run(self._look):
                return bucket
        raise self._late()

    def _pauses(self) -> Iterator[float]:
        timeout = self.timeout
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        end = time.monotonic() + seconds
        pause = 0.0
        while True:
            yield pause
            left = end - time.monotonic()
            if left <= 0:
                return
            pause = min(max(pause * 1.5, _FIRST_PAUSE), _LONGEST_PAUSE, left)

    def _look(self) -> ResultBucket | None:
        bucket = self.connection.result(self.result_id)
        if bucket is None or (
            self.since is not None and clock.to_us(bucket.timestamp) < self.since
        ):
            return None
        return bucket

    def _late(self) -> TimeoutError:
        return TimeoutError(f"No result {self.result_id!r} within {self.timeout} (seconds).")


def cancel(connection: Connection, id_: str) -> bool:
    """Take a waiting job back, or ask a running one to stop; False if it does neither."""
    broker = connection.message_broker
    for _ in range(2):  # between the two questions it may have gone from one state to the other
        seized = broker.seize(id_, [MessageState.READY])
        if seized is not None:
            if seized.spec.again is not None:  # between two tries new terms may wait for their turn
                broker.ask_cancel(id_)
            connection.settle([cancelled(seized, Bench(worker="", now=broker.now_us()))])
            return True
        if broker.ask_cancel(id_):
            return True
    return False
