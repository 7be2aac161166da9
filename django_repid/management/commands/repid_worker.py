"""`manage.py repid_worker`: run jobs."""

import asyncio
import logging
import math
import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.checks import ERROR
from django.core.management.base import BaseCommand, CommandError, SystemCheckError
from django.db import connections as databases

from django_repid import checks, discovery, scope
from django_repid.connections import connections
from django_repid.core.connection import Connection
from django_repid.core.errors import (
    ActorConflict,
    BrokerUnavailable,
    ConfigurationError,
    InvalidJob,
)
from django_repid.management import lifeline
from django_repid.management.serving import (
    DONE,
    USAGE,
    is_supervised,
    serve,
    serve_with_reload,
    supervise,
)
from django_repid.management.supervisor import Supervisor
from django_repid.management.terminal import TerminalFormatter
from django_repid.worker.health import HealthCheckServerSettings
from django_repid.worker.worker import Worker

logger = logging.getLogger("django_repid.worker")

_PORTS = 65536


class Command(BaseCommand):
    """Run jobs until a signal."""

    help = "Run background jobs. Exits with 0 after a clean stop, 2 for what you must mend."
    # Checked below, so that what they find exits with 2.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the flags; without one, the options of REPID hold."""
        add = parser.add_argument
        add("--connection", default="default", help="the alias of REPID to serve")
        add("--queues", help="serve only these queues, comma-separated (default: all)")
        add("--exclude-queues", help="leave these queues out, comma-separated")
        add("--concurrency", type=int, help="async actors at once (default: TASKS_LIMIT, 1000)")
        add("--threads", type=int, help="sync actors at once (default: THREADS, 8)")
        add(
            "--actor-processes",
            type=int,
            metavar="N",
            help="processes for actors with run_in_process=True (default: ACTOR_PROCESSES, as many "
            "as CPUs); they start when they are needed",
        )
        add(
            "--processes",
            type=int,
            default=1,
            metavar="N",
            help="worker processes, each with the limits that the other flags give "
            "(default: 1); those that crash are started again",
        )
        add("--messages-limit", type=int, help="end after this many jobs, in each process")
        add("--burst", action="store_true", help="end when nothing that is due is left")
        add(
            "--graceful-shutdown-time",
            type=float,
            metavar="SECONDS",
            help="how long running jobs have after a signal (default: 25)",
        )
        add(
            "--health-check",
            metavar="[ADDRESS:]PORT",
            help="answer GET /healthz (ready) and /livez there; of several processes, each one "
            "port further",
        )
        add("--worker-id", help="the worker's name in the admin (default: host and process id)")
        self._add_reload(parser)

    @staticmethod
    def _add_reload(parser: ArgumentParser) -> None:
        reload = parser.add_mutually_exclusive_group()
        reload.add_argument(
            "--reload",
            action="store_true",
            default=None,
            help="start anew when the code changes, after running jobs have ended "
            "(the default under DEBUG, except with --burst and --messages-limit)",
        )
        reload.add_argument("--no-reload", action="store_false", dest="reload", default=None)

    def handle(self, **options: Any) -> None:
        """Check, say what will be done, and serve."""
        self._log_to_the_terminal(options["verbosity"])
        self._number = lifeline.hold()
        try:
            self._serve(options)
        except SystemCheckError as error:
            raise CommandError(str(error), returncode=USAGE) from error
        except (ConfigurationError, ActorConflict, InvalidJob) as error:
            raise CommandError(str(error), returncode=USAGE) from error
        except BrokerUnavailable as error:
            raise CommandError(str(error), returncode=1) from error

    def _serve(self, options: dict[str, Any]) -> None:
        """Run jobs in this process, or in others that it starts."""
        reloads = _reloads(options)
        processes = _processes(options) if self._number is None else 1
        if reloads and is_supervised() and processes == 1:
            serve_with_reload(lambda: self._prepare(options))
            return
        worker = self._prepare(options)
        if processes > 1:
            self._warn_of_sqlite(worker.connection)
            grace = worker.graceful_shutdown_time
            sys.exit(asyncio.run(Supervisor(processes, grace=grace, reloads=reloads).run()))
        if reloads:
            sys.exit(supervise())
        processed = serve(worker)
        jobs = "1 job" if processed == 1 else f"{processed} jobs"
        self.stdout.write(f"The worker has ended; it processed {jobs}.")
        if self._number is not None:
            sys.exit(DONE)

    def _prepare(self, options: dict[str, Any]) -> Worker:
        self.check(databases=[])  # those it serves are looked at below, and only those
        connection = connections[options["connection"]]
        self._check_databases(connection)
        scope.keep_connections()
        worker = Worker(
            [discovery.router()],
            connection=connection,
            queues=_names(options["queues"]),
            exclude_queues=_names(options["exclude_queues"]) or (),
            tasks_limit=options["concurrency"],
            threads=options["threads"],
            actor_processes=options["actor_processes"],
            messages_limit=_limit(options["messages_limit"]),
            burst=options["burst"],
            graceful_shutdown_time=options["graceful_shutdown_time"],
            handle_signals=None if self._number is None else [signal.SIGTERM],
            name=_name(options["worker_id"], self._number),
            run_health_check_server=options["health_check"] is not None,
            health_check_server_settings=_health(options["health_check"], self._number),
        )
        reloads, processes = _reloads(options), options["processes"]
        # One process says it: of several the supervisor, else the one that loads the code anew.
        if self._number is None and (processes > 1 or not reloads or is_supervised()):
            self._announce(worker, processes, reloads=reloads)
        return worker

    def _check_databases(self, connection: Connection) -> None:
        """Check what plain `check` leaves out.

        Raises:
            ConfigurationError: tables are missing, or the server cannot do what is needed.

        """
        for alias in checks.aliases_of(connection):
            for found in checks.about_database(alias):
                if found.level >= ERROR or found.id == "django_repid.W011":
                    message = f"{found.msg} {found.hint or ''}"
                    raise ConfigurationError(message)
            databases[alias].close()
        for place in checks.places_of(connection):
            for found in checks.about_redis(place):
                logger.warning("%s %s", found.msg, found.hint)

    def _warn_of_sqlite(self, connection: Connection) -> None:
        if any(databases[alias].vendor == "sqlite" for alias in checks.aliases_of(connection)):
            logger.warning("SQLite has one writer: several processes are slower there than one.")

    def _announce(self, worker: Worker, processes: int, *, reloads: bool) -> None:
        """Print what the worker will do."""
        connection = worker.connection
        queues = ", ".join(sorted(worker.queues)) if worker.queues is not None else "all"
        named = {actor.queue for actor in worker.actors.values()}
        if strange := sorted((worker.queues or frozenset()) - named):
            queues += f" (no actor names {', '.join(strange)}: only jobs that do go there)"
        if worker.exclude_queues:
            queues += f" except {', '.join(sorted(worker.exclude_queues))}"
        aliases = checks.aliases_of(connection)
        stores = [f"{alias} ({databases[alias].vendor})" for alias in aliases]
        stores += [f"Redis {place}" for place in checks.places_of(connection)]
        store = ", ".join(stores)
        apart = worker.processes.count if worker.runs_in_processes else 0
        needed = checks.connections_needed(connection, worker.threads, apart) * processes
        each = f", in each of {processes} processes" if processes > 1 else ""
        lines = [
            ("store", f"{connection.alias}: {store or type(connection.message_broker).__name__}"),
            ("queues", queues),
            ("actors", ", ".join(sorted(worker.actors)) or "none: no tasks module registers any"),
            (
                "concurrency",
                f"{worker.tasks_limit} async, {worker.threads} threads for sync actors"
                + (f", {apart} processes for those that run apart" if apart else "")
                + each,
            ),
            ("connections", f"at most {needed} to each database"),
            ("stops", "on Ctrl-C or SIGTERM" + (", starts anew on changes" if reloads else "")),
        ]
        self.stdout.write("repid worker\n" + "".join(f"  {k:<12} {v}\n" for k, v in lines))
        self.stdout.flush()

    def _log_to_the_terminal(self, verbosity: int) -> None:
        """Show what the worker logs, unless the project has said where that goes."""
        logger = logging.getLogger("django_repid")
        if not logger.hasHandlers() or logging.getLogger().handlers == []:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(TerminalFormatter("%(asctime)s %(levelname)s %(message)s"))
            logger.addHandler(handler)
            logger.propagate = False
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.DEBUG if verbosity > 1 else logging.INFO)


def _health(text: str | None, number: int | None) -> HealthCheckServerSettings | None:
    """Return where health checks are answered; the processes of a supervisor stand side by side.

    Raises:
        ConfigurationError: it is no address and port.

    """
    if text is None:
        return None
    address, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < _PORTS - (number or 1):
        message = f"--health-check wants [ADDRESS:]PORT, not {text!r}."
        raise ConfigurationError(message)
    return HealthCheckServerSettings(address or "0.0.0.0", int(port) + (number or 1) - 1)  # noqa: S104 - see there


def _names(text: str | None) -> list[str] | None:
    """Return the names in a comma-separated list; None where no list was given.

    Raises:
        ConfigurationError: it names nothing: an empty variable must not mean every queue.

    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        message = "--queues and --exclude-queues want at least one name."
        raise ConfigurationError(message)
    return names


def _reloads(options: dict[str, Any]) -> bool:
    if options["reload"] is None:
        finite = options["burst"] or options["messages_limit"] is not None
        return settings.DEBUG and not finite
    return bool(options["reload"])


def _processes(options: dict[str, Any]) -> int:
    """Return how many processes are asked for.

    Raises:
        ConfigurationError: they cannot be had.

    """
    processes: int = options["processes"]
    if processes < 1:
        message = f"--processes must be at least 1, not {processes}."
        raise ConfigurationError(message)
    if processes > 1 and sys.platform == "win32":
        message = "--processes needs signals, which Windows lacks: start several workers instead."
        raise ConfigurationError(message)
    return processes


def _name(worker_id: str | None, number: int | None) -> str | None:
    return worker_id if worker_id is None or number is None else f"{worker_id}-{number}"


def _limit(number: int | None) -> float:
    return math.inf if number is None else number
