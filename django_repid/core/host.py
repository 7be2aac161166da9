"""What core and worker need of the framework around them, in one object that it hands in.

Without a framework the plain `Host` serves: scripts that make their own connections. Django's
stands in `django_repid.connections` and is installed by its `AppConfig`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, tzinfo
from typing import Any

from django_repid.core.errors import ConfigurationError


class Host:
    """The framework's part. This one knows no settings, no actors and no database."""

    #: Whether `find_actor` answers at once, or must first import what registers actors.
    prepared = True

    def prepare(self) -> None:
        """Import what registers actors; may block."""

    def resolve(self, alias: str) -> Any:
        """Return the `Connection` of an alias of the settings.

        Raises:
            ConfigurationError: there is no such alias, or no settings at all.

        """
        message = (
            f"There is no connection {alias!r}. In a Django project add 'django_repid' to "
            "INSTALLED_APPS and let django.setup() run first; in a script make one yourself: "
            "Repid(Connection(…)).magic()."
        )
        raise ConfigurationError(message)

    def find_actor(self, name: str) -> Any | None:
        """Return the registered `Actor` of this name, or None if this process knows none."""
        return None

    def find_actors(self) -> dict[str, Any]:
        """Return every registered `Actor` by its name."""
        return {}

    def guard_sync(self, twin: str) -> None:
        """Raise if the calling thread runs an event loop: blocking calls would stall it.

        Raises:
            RuntimeError: it does. Django's host raises `SynchronousOnlyOperation`.

        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        message = f"{twin}() would block the running event loop: await {twin.removesuffix('_sync')}"
        raise RuntimeError(message)

    def timezone(self) -> tzinfo:
        """Return the time zone in which naive datetimes are meant."""
        return datetime.now(tz=UTC).astimezone().tzinfo or UTC

    def enqueued(self, connection: Any, written: Sequence[Any]) -> None:
        """Be told of every enqueue, on its thread, with what was `Enqueued`."""

    def hears_failures(self, fn: Callable[..., Any] | None) -> bool:
        """Whether anybody wants to be told of jobs of this actor that failed for good."""
        return False

    def job_failed(self, fn: Callable[..., Any] | None, details: dict[str, Any]) -> None:
        """Tell that a job has failed for good; may block."""

    #: What a new process must call first, as "module:function".
    child_setup: str | None = None

    #: Whether the ORM calls of async actors need threads of their own.
    uses_lanes = False

    def tidy(self, *, check: bool = True) -> None:
        """Give up the calling thread's unusable connections and what a job left open on them.

        `check`: the next use of the others first makes sure that they still work.
        """

    def thread_scope(self) -> AbstractContextManager[None]:
        """Wrap the life of a worker's thread: its database connections are closed at the end."""
        return nullcontext()

    def contained(self) -> AbstractContextManager[None]:
        """Wrap a job that runs inside a transaction of its caller's, which must outlive its errors.

        The job's writes stay if it raises, as in a worker, unless the database has given them up.
        """
        return nullcontext()


_host = Host()


def install(host: Host) -> None:
    """Put a framework's host in place of the one before."""
    global _host  # noqa: PLW0603 - the one place where the framework is handed in
    _host = host


def host() -> Host:
    """Return the host of this process."""
    return _host
