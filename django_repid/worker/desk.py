"""The broker thread: the only one that claims and settles.

Each time round it settles what has ended and claims for the room that is free. While it is on its
way to the store, the next batch gathers: a busy worker batches, an idle one answers at once, and
no timer is needed.
"""

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence

from django_repid.core import clock
from django_repid.core.claims import ClaimRequest, Want
from django_repid.core.connection import Connection
from django_repid.core.errors import BrokerUnavailable, ConfigurationError
from django_repid.core.host import host
from django_repid.core.message import StoredMessage
from django_repid.core.outcome import Bench
from django_repid.core.settlement import Settlement
from django_repid.core.verdict import hand_back
from django_repid.worker.attempt import Attempt
from django_repid.worker.group import Group, Serving
from django_repid.worker.intake import Intake
from django_repid.worker.outage import Outage
from django_repid.worker.settler import Settler
from django_repid.worker.suspects import Suspects
from django_repid.worker.wakeup import WakeUp

logger = logging.getLogger("django_repid.worker")

#: After an empty claim the next comes this soon, and then ever later, up to the idle poll.
_HOT_SECONDS = 0.002
#: The share of the time without work that is slept before the next look.
_COOLING = 0.2
#: How often it makes sure that it has in hand what the store thinks it has; also after an outage.
_LOOK_SECONDS = 60.0


#: What `Desk.put` was given.
_Finished = tuple[Group, Settlement, float, frozenset[int] | None, bool]


class Desk:
    """Claims for its groups and settles for them, on a thread of its own."""

    def __init__(
        self,
        connection: Connection,
        groups: Sequence[Group],
        serving: Serving,
        *,
        worker_id: Callable[[], int],
        worker_name: str,
        isolate: Callable[[Attempt], None],
        give_up: Callable[[], None],
        until_next: Callable[[], float],
        ended: Callable[[], None],
        died: Callable[[Settlement], None],
        count: Callable[[Settlement, float], None],
    ) -> None:
        self._connection = connection
        self._groups = list(groups)
        self._known = frozenset(topic for group in groups for topic in group.topics)
        self._serving = serving
        self._worker_id = worker_id
        self._worker_name = worker_name
        self._isolate = isolate
        self._suspects = Suspects()
        self._give_up = give_up
        self._until_next = until_next
        self._ended = ended
        self._count = count
        self._settler = Settler(connection, died)
        self._wakeup = WakeUp()
        self._finished: queue.SimpleQueue[_Finished] = queue.SimpleQueue()
        self._left = serving.limit
        self._offset = 0
        self.outage = Outage()
        self._next_look = time.monotonic() + _LOOK_SECONDS
        self._last_work = time.monotonic()
        self._next_due: int | None = None
        self.claiming = True
        self.crash: BaseException | None = None
        #: Actors with due jobs that this worker does not know, with the queue of one.
        self.strangers: dict[str, str] = {}
        self._thread = threading.Thread(target=self._work, name="repid-broker", daemon=True)

    @property
    def processed(self) -> int:
        """How many attempts have been settled after their actor ran."""
        return self._settler.processed

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop_claiming(self) -> None:
        """Claim no more; the thread ends once everything in flight is settled."""
        self.claiming = False
        self._wakeup.ring()

    def put(
        self,
        group: Group,
        end: Settlement,
        duration_us: float,
        *,
        lost: frozenset[int] | None = None,
        unsure: bool = False,
    ) -> None:
        """Take the end of an attempt, from any thread.

        `lost`: it is written already, unless its key is in there. `unsure`: it may be settled.
        """
        self._finished.put((group, end, duration_us, lost, unsure))
        self._wakeup.ring()

    def bench(self) -> Bench:
        """Return where and when a verdict is reached, by the store's clock."""
        return Bench(
            worker=self._worker_name,
            now=clock.now_us() + self._offset,
            traceback_limit=self._connection.options.traceback_limit_bytes,
        )

    def _work(self) -> None:
        try:
            broker = self._connection.message_broker
            with (
                host().thread_scope(),
                broker.own_session(),
                broker.bell(self._wakeup.ring),
            ):
                while self._step():
                    pass
        except BaseException as error:  # noqa: BLE001 - it ends the run, which raises it
            self.crash = error
        finally:
            self._wakeup.close()
            self._ended()

    def _step(self) -> bool:
        """Go round once; False when there is nothing more to do, ever."""
        self._collect()
        try:
            busy = self._settle_and_claim()
        except BrokerUnavailable as error:
            self._wait_for_store(error)
            return True
        except ConfigurationError:
            raise  # it will not mend by itself
        except Exception as error:
            if not self.outage.is_on:  # once, as an outage
                logger.exception("The broker thread met an error.")
            self._wait_for_store(error)
            return True
        self.outage.over()
        idle = not busy and not self._in_flight and self._settler.is_done and self._finished.empty()
        if idle and (not self.claiming or self._serving.burst or self._left <= 0):
            return False
        if busy:
            self._last_work = time.monotonic()
            if pause := self._connection.message_broker.courtesy_seconds:
                time.sleep(pause)
        else:
            self._wakeup.sleep(self._pause())
        return True

    @property
    def _in_flight(self) -> int:
        return sum(group.in_flight for group in self._groups)

    def _pause(self) -> float:
        idle_for = time.monotonic() - self._last_work
        options = self._connection.options
        rings = self._connection.message_broker.rings
        longest = options.poll_seconds_idle_with_bell if rings else options.poll_seconds_idle
        pause = min(max(_HOT_SECONDS, idle_for * _COOLING), longest, self._until_next())
        if self._next_due is not None:
            until_due = (self._next_due - clock.now_us() - self._offset) / 1_000_000
            pause = min(pause, until_due)
        return max(pause, 0.0)

    def _collect(self) -> None:
        """Take in what has ended since the last time round, and what has overrun."""
        self._give_up()
        while True:
            try:
                group, end, duration_us, lost, unsure = self._finished.get_nowait()
            except queue.Empty:
                return
            group.in_flight -= 1
            if end.message.suspicion:
                self._suspects.let_go(end.message)
            if end.processed:
                group.ran(duration_us)
                self._count(end, duration_us)
            else:
                self._left += 1
            if unsure:
                self._settler.doubt(end)
            if lost is None:
                self._settler.pending.append(end)
            else:
                self._settler.written([end], lost)

    def _settle_and_claim(self) -> bool:
        """Write what has ended, and claim for the room that is free; whether there was any."""
        self._settler.try_again()
        busy = bool(self._settler.pending)
        self._next_due = None
        if time.monotonic() > self._next_look:
            self._look_for_strays()
        if self.claiming and (wants := self._wants()):
            busy = self._claim(wants) or busy
        if self._settler.pending:  # nobody had room, or a claim brought what cannot start
            self._settler.settle()
        return busy

    def _wants(self) -> list[Want]:
        batch = self._connection.options.claim_batch
        left = self._left
        wants: list[Want] = []
        self._groups = [*self._groups[1:], self._groups[0]]  # the last few go to each in turn
        for group in self._groups:
            limit = math.floor(min(group.room(batch), batch, left))
            if group.topics and limit > 0:
                wants.append(Want(group.topics, limit))
                left -= limit
        return wants

    def _claim(self, wants: list[Want]) -> bool:
        request = ClaimRequest(
            worker_id=self._worker_id(),
            wants=wants,
            queues=self._serving.queues,
            excluded=self._serving.excluded,
            busy=self._in_flight > 0,
        )
        claim = self._settler.claim(request)
        if claim is None:
            return False
        if claim.cut_short:
            self._next_look = 0.0
        self._offset = claim.now - clock.now_us()
        if not self.claiming:  # it was on its way when the worker was told to stop
            self._settler.pending += map(hand_back, claim.messages)
            return bool(claim.messages)
        self._next_due = claim.next_due
        for topic, its_queue in claim.others.items():
            if topic not in self._known:
                self.strangers.setdefault(topic, its_queue)
        if claim.messages:
            self._begin(claim.messages)
        return bool(claim.messages)

    def _begin(self, messages: Sequence[StoredMessage]) -> None:
        """Hand out what has been claimed; what cannot start is at its end already."""
        pending = self._settler.pending
        try:
            buckets = self._connection.arguments(messages)
        except Exception:
            pending += map(hand_back, messages)  # or they would stay ours for ever
            raise
        bench = self.bench()
        wait_us = round(self._connection.options.args_wait_seconds * 1_000_000)
        intake = Intake.of(messages, buckets, bench, wait_us, self._suspects)
        pending += intake.ends
        attempts = [*intake.start, *intake.isolate]
        self._left -= len(attempts)
        self._settler.announce_claimed(attempts)
        for group in self._groups:
            mine = [one for one in intake.start if one.message.key.topic in group.topics]
            alone = [one for one in intake.isolate if one.message.key.topic in group.topics]
            group.in_flight += len(mine) + len(alone)
            if mine:
                group.submit(mine)
            for one in alone:
                self._isolate(one)

    def _look_for_strays(self) -> None:
        """Free what the store says this worker holds, and of which it knows nothing.

        The answer to a claim may be lost on its way, with the claim done.
        """
        in_hand = self._settler.in_hand
        strays = self._connection.message_broker.give_back(self._worker_id(), in_hand)
        if strays:
            logger.info("%s claimed jobs whose claim got no answer are free again.", strays)
        self._next_look = time.monotonic() + _LOOK_SECONDS

    def _wait_for_store(self, error: Exception) -> None:
        """Keep what has ended in memory, and look again soon."""
        self._next_look = 0.0
        self._wakeup.sleep(self.outage.pause(error))
