"""One run of a worker: its parts are put together, and taken down in order."""

import asyncio
import contextvars
import logging
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any

from asgiref.sync import ThreadSensitiveContext

from django_repid.core.actor import Actor
from django_repid.core.claims import WorkerInfo
from django_repid.core.connection import Connection
from django_repid.core.errors import BrokerUnavailable
from django_repid.core.host import host
from django_repid.core.outcome import Bench
from django_repid.worker.apart import Apart
from django_repid.worker.aside import aside
from django_repid.worker.atomic import AtomicRunner, check_atomic
from django_repid.worker.attempt import Attempt
from django_repid.worker.beat import Heartbeat
from django_repid.worker.deaths import Deaths
from django_repid.worker.desk import Desk
from django_repid.worker.ends import Ends
from django_repid.worker.executor import Executor
from django_repid.worker.group import Processes, Serving, group_up
from django_repid.worker.health import Health, HealthCheckStatus
from django_repid.worker.janitor import Janitor
from django_repid.worker.lanes import LanePool
from django_repid.worker.loop import LoopActors
from django_repid.worker.readiness import readiness
from django_repid.worker.schedules import Schedules
from django_repid.worker.service import Service
from django_repid.worker.signals import take_signals
from django_repid.worker.statistics import Statistics
from django_repid.worker.threads import ActorThreads

logger = logging.getLogger("django_repid.worker")

#: How long interrupted actors have to come to their end, and the last settlement to be written,
#: after the grace is over: together with it the exit stays within grace + 2 s.
_INTERRUPT_SECONDS = 0.8
_FLUSH_SECONDS = 1.0
#: How long a store that does not answer, or a process of a suspect, is waited for at the end.
_LEAVE_SECONDS = 1.0


class Run:
    """One run. `processed`: how many attempts were settled after their actor ran."""

    def __init__(
        self,
        connection: Connection,
        actors: dict[str, Actor],
        info: WorkerInfo,
        serving: Serving,
        *,
        tasks_limit: int,
        threads: int,
        processes: Processes,
        grace: float,
        signals: Iterable[signal.Signals],
    ) -> None:
        options = connection.options
        self._connection, self._actors = connection, actors
        self._grace, self._signals = grace, tuple(signals)
        self._loop, self._context = asyncio.get_running_loop(), contextvars.copy_context()
        self._stop, self._hurry, self._settled = (asyncio.Event() for _ in range(3))
        self._ends, self._deaths, self._statistics = Ends(actors), Deaths(actors), Statistics()
        limit = options.payload_limit_bytes
        self._executor = executor = Executor(actors, connection.middleware, limit)
        check_atomic(actors, connection)
        self._run_atomic = AtomicRunner(connection, executor)
        self._lanes = LanePool(options.database_lanes) if host().uses_lanes else None
        self._on_loop = LoopActors(tasks_limit, executor, self._lanes, self._ends.ended)
        self._on_threads = ActorThreads(threads, self._run_on_thread, self._ends.lost)
        self._apart = Apart(executor, connection, self._bench, self._ends, processes)
        self._groups = group_up(
            actors.values(),
            on_loop=(tasks_limit, self._on_loop.submit),
            on_threads=(threads, self._on_threads.submit),
            in_processes=(processes.count, self._apart.submit),
        )
        self._heartbeat = self._make_heartbeat(info)
        self._desk = self._make_desk(serving, info.name)
        self._ends.attach(self._groups, self._desk)
        self._services = self._make_services()

    def _make_heartbeat(self, info: WorkerInfo) -> Heartbeat:
        options = self._connection.options
        return Heartbeat(
            self._connection.message_broker,
            info,
            self._cancel,
            seconds=options.beat_seconds,
            silence=options.silence_seconds,
        )

    def _make_services(self) -> list[Service]:
        desk, session = self._desk, self._connection.message_broker.own_session
        janitor = Janitor(
            self._connection,
            self._heartbeat,
            desk.strangers,
            Schedules(self._connection, self._actors),
            self._statistics,
            processed=lambda: desk.processed,
        )
        return [Service(self._heartbeat, session), Service(janitor, session)]

    def _make_desk(self, serving: Serving, worker_name: str) -> Desk:
        return Desk(
            self._connection,
            self._groups,
            serving,
            worker_id=self._heartbeat.claiming_id,
            worker_name=worker_name,
            isolate=self._apart.isolate,
            give_up=self._give_up_overdue,
            until_next=self._on_threads.until_next,
            ended=self._desk_is_ending,
            died=self._deaths.tell,
            count=self._statistics.count,
        )

    @property
    def processed(self) -> int:
        """How many attempts were settled after their actor ran."""
        return self._desk.processed

    def ready(self) -> Health:
        """Say whether this run is at work and reaches its store; from any thread."""
        silence, stopping = self._connection.options.silence_seconds, self._stop.is_set()
        return readiness(self._heartbeat, self._desk.outage, silence, stopping=stopping)

    def alive(self) -> Health:
        """Say whether this run can go on; from any thread."""
        if self._desk.crash is None:
            return Health()
        return Health(HealthCheckStatus.UNHEALTHY, f"it has crashed: {self._desk.crash!r}"[:200])

    def stop(self) -> None:
        """End the run: once gracefully, the second time at once. From the loop's thread."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def __call__(self) -> None:
        """Run until `stop`, a signal, the message limit or the end of a burst.

        Raises:
            ConfigurationError: the store is not what it must be (its tables are missing).
            BrokerUnavailable: the store cannot be reached at the start.

        """
        async with AsyncExitStack() as stack:
            # First of all: a signal from now on must not leave a registered worker behind.
            stack.callback(take_signals(self._loop, self._signals, self._stop.is_set, self.stop))
            if not await self._register():
                return
            if self._lanes is not None:
                lanes = ThreadSensitiveContext(executor=self._lanes)
                await stack.enter_async_context(lanes)
            self._on_loop.context = contextvars.copy_context()
            try:
                for service in self._services:
                    service.start()
                self._desk.start()
                await self._stop.wait()
            finally:
                await self._shut_down()
        if self._desk.crash is not None:
            raise self._desk.crash

    async def _shut_down(self) -> None:
        """Stop claiming, let run what runs, hand back the rest with its counters as they were."""
        end_of_grace = time.monotonic() + self._grace
        self._desk.stop_claiming()
        if not self._settled.is_set():
            self._at_store(self._heartbeat.drain)  # for people only: nobody waits for it
        self._on_loop.hand_back_waiting()
        for attempt in (*self._on_threads.not_started(), *self._apart.not_started()):
            self._ends.ended(attempt, None)
        grace = self._grace if self._desk.crash is None else 0.0
        await self._wait_for(self._settled, grace, self._hurry)
        if not self._settled.is_set():
            logger.warning("What still runs is interrupted and handed back.")
            await self._apart.interrupt(_LEAVE_SECONDS)
            await self._on_loop.stop(_INTERRUPT_SECONDS)
            for attempt in (*self._on_threads.not_started(), *self._on_threads.running()):
                self._ends.ended(attempt, None)
            await self._wait_for(self._settled, _FLUSH_SECONDS)
        await self._apart.interrupt(_LEAVE_SECONDS)
        patience = max(end_of_grace - time.monotonic(), _FLUSH_SECONDS)
        await self._deaths.told(patience, self._hurry)
        self._on_threads.close()
        if self._lanes is not None:
            self._lanes.close()
        for service in self._services:
            service.ask_to_stop()
        if self._settled.is_set():  # else the store is not there to take leave of
            await asyncio.wait([self._at_store(self._take_down)], timeout=_LEAVE_SECONDS)

    def _take_down(self) -> None:
        for service in self._services:
            service.stop()
        try:
            broker = self._connection.message_broker
            self._statistics.write(broker, self._heartbeat.worker_id)
            self._heartbeat.forget()
        except BrokerUnavailable as error:
            logger.warning("The worker could not take its leave: %s", error)

    def _desk_is_ending(self) -> None:
        """Be told by the broker thread that everything is settled, or that it crashed."""
        self._loop.call_soon_threadsafe(self._desk_has_ended)

    def _desk_has_ended(self) -> None:
        if self._desk.crash is None:  # after a crash others must find this worker dead
            self._settled.set()
        self._stop.set()

    def _at_store(self, call: Callable[[], object]) -> asyncio.Future[None]:
        """Make a call to the store on a thread that does not hang, and closes its connections."""

        def scoped() -> None:
            with host().thread_scope(), self._connection.message_broker.own_session():
                call()

        return aside(scoped)

    async def _register(self) -> bool:
        """Make this worker known; False if it was told to end before the store answered."""
        registering = self._at_store(lambda: self._heartbeat.worker_id)
        stop = asyncio.ensure_future(self._stop.wait())
        both: list[asyncio.Future[Any]] = [registering, stop]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not registering.done():
            await asyncio.wait([registering], timeout=_LEAVE_SECONDS)
        if not registering.done():
            logger.warning("The worker ends; the store has not answered yet.")
            return False
        registering.result()
        return True

    @staticmethod
    async def _wait_for(event: asyncio.Event, seconds: float, *others: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(one.wait()) for one in (event, *others)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _bench(self) -> Bench:
        return self._desk.bench()

    def _run_on_thread(self, attempt: Attempt) -> None:
        context = self._context.copy()
        if not self._actors[attempt.message.key.topic].atomic:
            self._ends.ended(attempt, context.run(self._executor.sync, attempt.message))
            return
        found = context.run(self._run_atomic, attempt, self._bench)
        if found is not None:
            self._ends.of_atomic(attempt, found)

    def _cancel(self, keys: Iterable[int]) -> None:
        wanted = frozenset(keys)
        self._on_loop.cancel(wanted)
        self._apart.cancel(wanted)

    def _give_up_overdue(self) -> None:
        """End the sync attempts that have overrun; called by the broker thread."""
        for attempt in self._on_threads.overdue():
            self._ends.overran(attempt)
