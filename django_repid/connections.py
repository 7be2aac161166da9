"""The composition root: aliases of the settings to connections, and Django as core's host."""

import asyncio
import difflib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import tzinfo
from functools import partial
from typing import Any, Protocol

from django.conf import settings
from django.utils import timezone
from django.utils.asyncio import async_unsafe
from django.utils.module_loading import import_string

from django_repid import conf, scope
from django_repid.core.config import Config
from django_repid.core.connection import Connection
from django_repid.core.errors import ConfigurationError, RepidError
from django_repid.core.host import Host, host
from django_repid.core.message import Enqueued
from django_repid.core.serializer import default_serializer
from django_repid.signals import job_failed
from django_repid.worker.here import Here

logger = logging.getLogger("django_repid")

_REMINDER_SECONDS = 60.0


class Connections:
    """The connections of the settings, each made at its first use and shared by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Connection] = {}

    def __getitem__(self, alias: str) -> Connection:
        """Return the connection of an alias.

        Raises:
            ConfigurationError: there is no such alias, or its settings are wrong.

        """
        found = self._made.get(alias)
        if found is None:
            with self._lock:
                found = self._made.get(alias) or make(conf.read(alias))
                self._made[alias] = found
        return found

    def forget(self) -> None:
        """Make them anew at their next use: the settings have changed."""
        with self._lock:
            self._made.clear()


connections = Connections()


def make(given: conf.AliasSettings) -> Connection:
    """Return a new connection as its settings say.

    Raises:
        ConfigurationError: a dotted path leads nowhere, or a broker refuses its arguments.

    """
    made = Connection(
        _broker("MESSAGE_BROKER", given.alias, given.message_broker),
        _broker("ARGS_BUCKET_BROKER", given.alias, given.args_bucket_broker),
        _broker(
            "RESULTS_BUCKET_BROKER",
            given.alias,
            given.results_bucket_broker,
            use_result_bucket=True,
        ),
        options=given.options,
        serializer=None if given.serializer is None else load(given.serializer, "SERIALIZER"),
        alias=given.alias,
    )
    if given.options.eager:
        made.run_at_once = partial(_run_at_once, made)
    return made


def _run_at_once(connection: Connection, written: Sequence[Enqueued]) -> None:
    """Run what has just been enqueued; see `EAGER`."""
    topics = {one.key.topic for one in written}
    found = {topic: host().find_actor(topic) for topic in topics}
    known = {topic: actor for topic, actor in found.items() if actor is not None}
    Here(connection, known).at_once(written)


def configure() -> None:
    """Set the defaults of the process as the `default` alias says."""
    given = conf.read("default")
    Config.SERIALIZER = load(given.serializer, "SERIALIZER") or default_serializer
    Config.CONVERTER = load(given.converter, "CONVERTER")
    Config.SECRET_ARGUMENTS = given.secret_arguments


def load(path: str | None, key: str) -> Any:
    """Return what a dotted path of the settings leads to; None for None.

    Raises:
        ConfigurationError: it leads nowhere.

    """
    if path is None:
        return None
    try:
        return import_string(path)
    except ImportError as error:
        message = f"{key} = {path!r} leads nowhere: {error}"
        raise ConfigurationError(message) from error


def _broker(key: str, alias: str, given: conf.BrokerSettings | None, **more: Any) -> Any:
    if given is None:
        return None
    place = f"REPID[{alias!r}][{key!r}]"
    arguments = {
        name: _part(value, f"{place}[{name!r}]") for name, value in given.arguments.items()
    }
    return _made(given.path, {**arguments, **more}, place)


def _part(value: Any, place: str) -> Any:
    """Return an argument of a broker: what is laid out as a broker is made like one."""
    if not isinstance(value, Mapping) or not isinstance(value.get("CLASS"), str):
        return value
    return _made(value["CLASS"], {k: v for k, v in value.items() if k != "CLASS"}, place)


def _made(path: str, arguments: Mapping[str, Any], place: str) -> Any:
    cls = load(path, place)
    try:
        return cls(**arguments)
    except TypeError as error:
        # Without the values: an address may hold a password.
        names = ", ".join(arguments) or "nothing"
        message = f"{place}: {path} cannot be made with {names}: {error}"
        raise ConfigurationError(message) from error


class Actors(Protocol):
    """The project's actors; `django_repid.discovery`, which stands above this module."""

    def router(self) -> Any:
        """Import the modules that register them."""

    def is_done(self) -> bool:
        """Whether they have been imported."""

    def find_actor(self, name: str) -> Any | None:
        """Return the actor of this name."""


class DjangoHost(Host):
    """Django's part: see `Host`."""

    uses_lanes = True
    child_setup = "django_repid.scope:set_up_child"

    def __init__(self, actors: Actors) -> None:
        self._actors = actors
        #: When it was last said that no worker runs: about once a minute.
        self._reminded = float("-inf")
        self._doubted: set[str] = set()

    @property
    def prepared(self) -> bool:  # type: ignore[override]  # a constant for hosts without modules
        """Whether the tasks modules have been imported."""
        return self._actors.is_done()

    def prepare(self) -> None:
        """Import the tasks modules."""
        self._actors.router()

    def resolve(self, alias: str) -> Connection:
        """See `Host.resolve`."""
        return connections[alias]

    def find_actor(self, name: str) -> Any | None:
        """See `Host.find_actor`."""
        return self._actors.find_actor(name)

    def find_actors(self) -> dict[str, Any]:
        """See `Host.find_actors`."""
        return dict(self._actors.router().actors)

    def guard_sync(self, twin: str) -> None:
        """See `Host.guard_sync`: Django's own guard, with its own way of switching it off."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return  # as the guard finds too, in twenty times the time
        awaited = twin.removesuffix("_sync")
        message = f"{twin}() would block the running event loop: await {awaited} instead."
        async_unsafe(message)(lambda: None)()

    def timezone(self) -> tzinfo:
        """See `Host.timezone`: Django's current one."""
        return timezone.get_current_timezone()

    def tidy(self, *, check: bool = True) -> None:
        """See `Host.tidy`."""
        scope.tidy(check=check)

    def thread_scope(self) -> AbstractContextManager[None]:
        """See `Host.thread_scope`."""
        return scope.thread_scope()

    def contained(self) -> AbstractContextManager[None]:
        """See `Host.contained`."""
        return scope.contained()

    def hears_failures(self, fn: Callable[..., Any] | None) -> bool:
        """See `Host.hears_failures`."""
        return job_failed.has_listeners(fn)

    def job_failed(self, fn: Callable[..., Any] | None, details: dict[str, Any]) -> None:
        """See `Host.job_failed`: the signal. Django logs what a receiver raises."""
        job_failed.send_robust(sender=fn, **details)

    def enqueued(self, connection: Connection, written: Sequence[Enqueued]) -> None:
        """Under DEBUG, say what may have been forgotten: an actor's right name, a worker."""
        if not settings.DEBUG:
            return
        self._doubt_names({one.key.topic for one in written} - self._doubted)
        now = time.monotonic()
        if now - self._reminded < _REMINDER_SECONDS:
            return
        self._reminded = now
        if all(peer.alive is False for peer in connection.message_broker.peers(0)):
            logger.warning(
                "A job was enqueued, but no worker is running. Start one: manage.py repid_worker"
            )

    def _doubt_names(self, topics: set[str]) -> None:
        """Say once of each name if it is unknown here, and nearly that of an actor."""
        self._doubted |= topics
        try:
            known = list(self.find_actors())
        except RepidError:
            return  # the tasks modules do not import, which is said where it matters
        for topic in topics.difference(known):
            if near := difflib.get_close_matches(topic, known, 1):
                logger.warning(
                    "A job for the actor %r was enqueued, which is not registered here. Did you "
                    "mean %r? It waits until a worker knows it.",
                    topic,
                    near[0],
                )
