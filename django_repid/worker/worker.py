"""The worker, as its users make it."""

import logging
import math
import signal
import sys
from collections.abc import Callable, Collection, Iterable
from typing import Any

from django_repid.core.actor import Actor
from django_repid.core.connection import Connection, get_connection
from django_repid.core.errors import ConfigurationError
from django_repid.core.names import check_queue_name
from django_repid.core.queue import Queue
from django_repid.core.router import Router, RouterDefaults
from django_repid.core.version import VERSION
from django_repid.worker.dependency_pool import dependency_pool
from django_repid.worker.group import Processes, Serving
from django_repid.worker.health import HealthCheckServer, HealthCheckServerSettings
from django_repid.worker.identity import describe
from django_repid.worker.run import Run
from django_repid.worker.schedules import declared

logger = logging.getLogger("django_repid.worker")


class Worker:
    """Runs the jobs of its routers' actors."""

    def __init__(
        self,
        routers: Iterable[Router] | None = None,
        *,
        graceful_shutdown_time: float | None = None,
        messages_limit: float = math.inf,
        tasks_limit: int | None = None,
        threads: int | None = None,
        actor_processes: int | None = None,
        child_jobs_limit: int | None = None,
        child_memory_limit_mb: int | None = None,
        handle_signals: Iterable[signal.Signals] | None = None,
        router_defaults: RouterDefaults | None = None,
        auto_declare: bool = True,
        run_health_check_server: bool = False,
        health_check_server_settings: HealthCheckServerSettings | None = None,
        queues: Collection[str] | None = None,
        exclude_queues: Collection[str] = (),
        burst: bool = False,
        name: str | None = None,
        connection: str | Connection | None = None,
    ) -> None:
        """Describe a worker.

        Args:
            routers: whose actors it runs.
            graceful_shutdown_time: seconds that running jobs have after a signal; default: the
                connection's `GRACEFUL_SHUTDOWN_SECONDS` (25).
            messages_limit: end after processing this many; never claims beyond it.
            tasks_limit: async actors at once; default: the connection's `TASKS_LIMIT` (1000).
            threads: sync actors at once; default: the connection's `THREADS` (8).
            actor_processes: jobs of actors with `run_in_process` at once; default: the
                connection's `ACTOR_PROCESSES` (the CPUs that this process may use).
            child_jobs_limit: such a process is replaced after so many jobs; default: the
                connection's `CHILD_JOBS_LIMIT` (never).
            child_memory_limit_mb: and if it holds more megabytes after one; default: the
                connection's `CHILD_MEMORY_LIMIT_MB` (never).
            handle_signals: default: SIGINT and SIGTERM.
            router_defaults: for actors registered on the worker's own `router`.
            auto_declare: kept for Repid's users; a queue needs no declaration.
            run_health_check_server: answer health checks over HTTP while it runs.
            health_check_server_settings: where; default: 0.0.0.0:8080, /healthz.
            queues: the ones to serve; default: all there are.
            exclude_queues: the ones not to serve.
            burst: end when nothing that is due is left.
            name: shown to people; default: host and process id.
            connection: an alias of the settings, or a `Connection`.

        Raises:
            ActorConflict: two actors have one name.
            ConfigurationError: a limit is wrong, or there is no such connection.

        """
        self.connection = get_connection(connection)
        options = self.connection.options
        self.router = Router(defaults=router_defaults)
        for router in routers or ():
            self.router.include_router(router)
        self.graceful_shutdown_time = _or(graceful_shutdown_time, options.graceful_shutdown_seconds)
        if self.graceful_shutdown_time < 0:
            message = f"graceful_shutdown_time must not be below 0: {graceful_shutdown_time!r}."
            raise ConfigurationError(message)
        self.messages_limit = _positive("messages_limit", messages_limit)
        self.tasks_limit = int(_positive("tasks_limit", _or(tasks_limit, options.tasks_limit)))
        self.threads = int(_positive("threads", _or(threads, options.threads)))
        self.processes = Processes(
            count=int(_positive("actor_processes", _or(actor_processes, options.actor_processes))),
            jobs_limit=_whole("child_jobs_limit", child_jobs_limit, options.child_jobs_limit),
            memory_limit=_bytes(child_memory_limit_mb, options.child_memory_limit_mb),
        )
        default_signals = () if sys.platform == "emscripten" else (signal.SIGINT, signal.SIGTERM)
        self.handle_signals = frozenset(
            default_signals if handle_signals is None else handle_signals
        )
        self.auto_declare = auto_declare
        self.health_check_server: HealthCheckServer | None = None
        self._health = health_check_server_settings or HealthCheckServerSettings()
        self._runs_health_check_server = run_health_check_server
        self.queues = None if queues is None else frozenset(map(check_queue_name, queues))
        self.exclude_queues = frozenset(map(check_queue_name, exclude_queues))
        self.burst = burst
        self.name = name
        self._run: Run | None = None

    @property
    def actors(self) -> dict[str, Actor]:
        """Its actors by name."""
        return self.router.actors

    @property
    def runs_in_processes(self) -> bool:
        """Whether any of its actors runs in a child process."""
        return any(actor.run_in_process for actor in self.actors.values())

    @property
    def actor(self) -> Callable[..., Any]:
        """Registers functions as actors of this worker alone; see `Router.actor`."""
        return self.router.actor

    @property
    def topics(self) -> frozenset[str]:
        """The names of its actors."""
        return self.router.topics

    @property
    def topics_by_queue(self) -> dict[str, set[str]]:
        """The names of its actors by the queue they name."""
        return self.router.topics_by_queue

    async def declare_all_queues(self) -> None:
        """Let the subscribers of `queue_declare` hear of each queue that its actors name."""
        for name in sorted(self.router.queues):
            await Queue(name, self.connection).declare()

    def include_router(self, router: Router) -> None:
        """Take in the actors of another router."""
        self.router.include_router(router)

    async def run(self) -> Run:
        """Run until a signal, `stop`, the message limit or the end of a burst.

        It can be run again. Returns a runner whose `processed` counts this run's attempts.

        Raises:
            ConfigurationError: the store is not what it must be, or health checks cannot be
                answered at their address.
            BrokerUnavailable: the store cannot be reached at the start. Later it is waited for.

        """
        with dependency_pool():
            return await self._run_once()

    def _served(self) -> list[str]:
        """Return which queues it serves, as `WorkerInfo.queues` says it."""
        named = self.router.queues if self.queues is None else self.queues
        everything = ["*"] if self.queues is None else []
        excluded = [f"-{name}" for name in self.exclude_queues]
        return [*everything, *excluded, *(set(named) - self.exclude_queues)]

    async def _run_once(self) -> Run:
        info = describe(
            name=self.name,
            queues=self._served(),
            topics=sorted(self.actors),
            version=VERSION,
            schedules=declared(self.actors.values()),
        )
        serving = Serving(
            queues=self.queues,
            excluded=self.exclude_queues,
            limit=self.messages_limit,
            burst=self.burst,
        )
        run = Run(
            self.connection,
            dict(self.actors),
            info,
            serving,
            tasks_limit=self.tasks_limit,
            threads=self.threads,
            processes=self.processes,
            grace=self.graceful_shutdown_time,
            signals=self.handle_signals,
        )
        if not self.actors:
            logger.info("The worker has no actors: there is nothing to run.")
            return run
        self._run = run
        if not self._runs_health_check_server:
            await run()
            return run
        self.health_check_server = server = HealthCheckServer(
            self._health, ready=run.ready, alive=run.alive
        )
        await server.start()
        try:
            await run()
        finally:
            await server.stop()
        return run

    def stop(self) -> None:
        """End the run that is under way, as a signal does; from the loop's thread."""
        if self._run is not None:
            self._run.stop()


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _whole(what: str, value: int | None, default: int | None) -> int | None:
    """Return a limit that may be off."""
    value = default if value is None else value
    return None if value is None else int(_positive(what, value))


def _bytes(value: int | None, default: int | None) -> int | None:
    megabytes = _whole("child_memory_limit_mb", value, default)
    return None if megabytes is None else megabytes * 1024 * 1024


def _positive(what: str, value: float) -> float:
    if value <= 0:
        message = f"{what} must be greater than 0, not {value!r}."
        raise ConfigurationError(message)
    return value
