"""From verdicts to the store, with the events of middlewares, and around what the store refuses."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from django_repid.core import clock
from django_repid.core.announcing import announce
from django_repid.core.claims import Claim, ClaimRequest
from django_repid.core.connection import Connection
from django_repid.core.errors import BrokerUnavailable, ResultInvalid, RowLocked
from django_repid.core.message import MessageState
from django_repid.core.serializer import printable
from django_repid.core.settlement import Failure, Settlement
from django_repid.core.verdict import refused_by_store
from django_repid.worker.attempt import Attempt

logger = logging.getLogger("django_repid.worker")

#: How long an end is left alone whose row is locked: each try may cost everybody a second.
_LOCKED_SECONDS = 3.0
#: How many of them are looked for one by one.
_MOST_LOCKED = 4
_DEAD = MessageState.DEAD


class Settler:
    """Writes settlements, on the broker thread.

    `pending`: those that are to be written. `in_hand`: the keys of all messages that this worker
    has claimed and whose end is not written yet, with their leases: one that was taken from this
    worker may have come back to it, while its first attempt still runs. `died` is told of dead
    letters once they are.
    """

    def __init__(
        self, connection: Connection, died: Callable[[Settlement], None] = lambda _: None
    ) -> None:
        self._connection = connection
        self._died = died
        self.pending: list[Settlement] = []
        self.in_hand: dict[int, int] = {}
        self.processed = 0
        #: Those that a stranger's transaction keeps from being written, and when to try them again.
        self._locked: list[Settlement] = []
        self._try_again_at = 0.0
        #: Those that were on their way when the store was lost: they may have arrived.
        self._unsure: set[int] = set()

    @property
    def is_done(self) -> bool:
        """Whether everything is written."""
        return not self.pending and not self._locked

    def try_again(self) -> None:
        """Let what was locked be written again, when it is time for that."""
        if self._locked and time.monotonic() >= self._try_again_at:
            self.pending += self._locked
            self._locked = []

    def settle(self) -> None:
        """Write what is pending; a lost lease is logged and changes nothing.

        Raises:
            BrokerUnavailable: the store cannot be reached. What it did not take stays pending.

        """
        while self.pending:
            before = len(self.pending)
            self._write(self._apart())
            if len(self.pending) == before:
                return

    def claim(self, request: ClaimRequest) -> Claim | None:
        """Write what is pending and claim, in one go where that is one transaction.

        None if it could only be written.

        Raises:
            BrokerUnavailable: as `settle`.

        """
        connection = self._connection
        if self.pending and not connection.settles_at_once:
            self.settle()
        ends = self._apart()
        if ends:
            announce(connection.middleware, "before", ends)
        try:
            claim = connection.message_broker.claim(request, ends, connection.results_bucket_broker)
        except Exception as error:
            if not ends:
                raise
            self._not_written(ends, error)
            return None
        for message in claim.messages:
            self.in_hand[message.key.pk or 0] = message.key.lease
        if ends:
            self.written(ends, claim.lost)
        return claim

    def _apart(self) -> list[Settlement]:
        """Return what of the pending can go together: of each message the end that came first.

        The store names lost leases by their messages' keys alone.
        """
        firsts = {end.message.key.pk: end for end in reversed(self.pending)}
        if len(firsts) == len(self.pending):
            return self.pending
        return [end for end in self.pending if firsts[end.message.key.pk] is end]

    def _write(self, ends: Sequence[Settlement]) -> None:
        """Write a batch; if the store refuses it, find the one that is at fault."""
        announce(self._connection.middleware, "before", ends)
        try:
            lost = self._connection.settle(ends)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other ends must be written
            self._not_written(ends, error)
        else:
            self.written(ends, lost)

    def _not_written(self, ends: Sequence[Settlement], error: Exception) -> None:
        """Write the ends apart that could not be written together, if it was about one of them."""
        if isinstance(error, BrokerUnavailable) and not isinstance(error, RowLocked):
            self._unsure.update(end.message.key.pk or 0 for end in ends)
            raise error
        if len(ends) == 1:
            if isinstance(error, RowLocked):
                self._put_by(ends[0], error)
            else:
                instead, lost = self._write_without(ends[0], error)
                self.written(ends, lost, instead=instead)
            return
        half = len(ends) // 2
        for some in (ends[:half], ends[half:]):
            self._write(some)

    def _put_by(self, end: Settlement, error: RowLocked) -> None:
        """Keep an end for later: a stranger's transaction holds its row."""
        if len(self._locked) >= _MOST_LOCKED:  # a whole table, it seems: as bad as no store
            raise BrokerUnavailable(str(error)) from error
        job = printable(end.message.key.id_)
        logger.warning("The end of job %s waits for somebody's transaction: %s", job, error)
        self.pending = [one for one in self.pending if one is not end]
        self._locked.append(end)
        self._try_again_at = time.monotonic() + _LOCKED_SECONDS

    def doubt(self, end: Settlement) -> None:
        """Take note that a message may have been settled already, by a commit without an answer."""
        self._unsure.add(end.message.key.pk or 0)

    def written(
        self, ends: Sequence[Settlement], lost: frozenset[int], *, instead: Settlement | None = None
    ) -> None:
        """Take note of settlements that the store has taken; `instead`: what it took for one."""
        if ends is self.pending:
            self.pending = []
        else:
            done = set(map(id, ends))
            self.pending = [end for end in self.pending if id(end) not in done]
        keys = {end.message.key.pk or 0 for end in ends}
        for end in ends:
            if self.in_hand.get(end.message.key.pk or 0) == end.message.key.lease:
                del self.in_hand[end.message.key.pk or 0]
        unsure = self._unsure & keys
        self._unsure -= keys
        if lost:
            ends = self._without(ends, lost, unsure)
        for end in ends:
            self.processed += end.processed
            if end.failure is not None:
                _report(end, end.failure)
            taken = instead or end
            if (taken.state is _DEAD or taken.recurs) and taken.failed_for_good:
                self._died(taken)
        announce(self._connection.middleware, "after", ends)

    def _without(
        self, ends: Sequence[Settlement], lost: frozenset[int], unsure: set[int]
    ) -> list[Settlement]:
        """Return the ends whose lease was not lost."""
        for end in ends:
            if end.message.key.pk in unsure & lost:  # it had arrived, as far as can be told
                self.processed += end.processed
                if (end.state is _DEAD or end.recurs) and end.failed_for_good:
                    self._died(end)
            elif end.message.key.pk in lost:
                _report_lost(end)
        return [end for end in ends if end.message.key.pk not in lost]

    def _write_without(
        self, end: Settlement, error: Exception
    ) -> tuple[Settlement, frozenset[int]]:
        """Settle a message without what the store refused to take: its work is done."""
        job = printable(end.message.key.id_)
        logger.error("The store refused the end of job %s: %s", job, printable(str(error)))
        refused = ResultInvalid(f"The store refused what the job left behind: {error}")
        for instead in (refused_by_store(end, refused), replace(end, result=None, failure=None)):
            try:
                return instead, self._connection.settle([instead])
            except BrokerUnavailable:
                raise
            except Exception:
                logger.exception("Job %s cannot be settled.", job)
        # Its row is still claimed, so the end is kept and tried again.
        text = f"Not even a bare end of job {end.message.key.id_} can be written: {error}"
        raise BrokerUnavailable(text)

    def announce_claimed(self, attempts: Iterable[Attempt]) -> None:
        """Emit the events of `consume`."""
        middleware = self._connection.middleware
        if not middleware.listens("consume"):
            return
        for attempt in attempts:
            message = attempt.message
            middleware.emit("before_consume")
            result = (message.key, message.payload or "", message.parameters)
            middleware.emit("after_consume", result=result)


def _report_lost(end: Settlement) -> None:
    logger.warning(
        "LeaseLost: job %s (%s) was given to another worker, or removed, while it ran here. What "
        "it did here is not recorded.",
        printable(end.message.key.id_),
        printable(end.message.key.topic),
    )


def _report(end: Settlement, failure: Failure) -> None:
    """Log a failing attempt: what can be tried again as a warning, the end as an error."""
    over = end.failed_for_good
    logger.log(
        logging.ERROR if over else logging.WARNING,
        "Job %s (%s) failed with %s: %s; %s.",
        printable(end.message.key.id_),
        printable(end.message.key.topic),
        printable(failure.exception),
        printable(failure.text.splitlines()[0]) if failure.text else "(no text)",
        _what_follows(end),
    )


def _what_follows(end: Settlement) -> str:
    if end.state is MessageState.DEAD:
        return "it is a dead letter now"
    if end.recurs:
        return f"it comes again at {clock.from_us(end.run_at):%Y-%m-%d %H:%M:%S} UTC"
    return f"{end.tries} tries so far"
