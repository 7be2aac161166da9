"""Middlewares: functions that are called before and after what a connection does.

A subscriber is a function, sync or async, named after an event: `before_` or `after_` and one of
`VERBS`. It is given those of the event's arguments that it names; an `after_` subscriber can name
`result` besides. What it raises is logged and changes nothing.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async

logger = logging.getLogger("django_repid.middleware")

VERBS = (
    "consume",
    "enqueue",
    "queue_declare",
    "queue_flush",
    "queue_delete",
    "ack",
    "nack",
    "reject",
    "requeue",
    "get_bucket",
    "store_bucket",
    "delete_bucket",
    "actor_run",
)
EVENTS = frozenset(f"{when}_{verb}" for when in ("before", "after") for verb in VERBS)


@dataclass(frozen=True, slots=True)
class _Subscriber:
    call: Callable[..., Any]
    is_async: bool
    accepts: frozenset[str] | None  # None: it takes **kwargs

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        accepts = self.accepts
        if accepts is None:
            return given
        return {name: value for name, value in given.items() if name in accepts}


class Middleware:
    """The subscribers of one connection. Events without a subscriber cost one look-up."""

    def __init__(self) -> None:
        self._subscribers: dict[str, list[_Subscriber]] = {}
        #: Whether one of the subscribers is async.
        self.has_async = False

    def add_subscriber(self, fn: Callable[..., Any]) -> None:
        """Subscribe a function to the event it is named after.

        A function with another name is not subscribed; a warning says so.
        """
        name = fn.__name__
        if name not in EVENTS:
            logger.warning("%s is no event of django_repid: not subscribed.", name)
            return
        parameters = inspect.signature(fn).parameters.values()
        takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
        accepts = None if takes_all else frozenset(p.name for p in parameters)
        subscriber = _Subscriber(fn, inspect.iscoroutinefunction(fn), accepts)
        self._subscribers.setdefault(name, []).append(subscriber)
        self.has_async = self.has_async or subscriber.is_async

    def add_middleware(self, middleware: object) -> None:
        """Subscribe every method of an object (or function of a class) that has an event's name."""
        for name, fn in inspect.getmembers(middleware, inspect.isroutine):
            if name in EVENTS:
                self.add_subscriber(fn)

    @property
    def has_subscribers(self) -> bool:
        """Whether anybody subscribed to any event."""
        return bool(self._subscribers)

    def listens(self, verb: str) -> bool:
        """Whether anybody subscribed to the events of `verb`."""
        subscribers = self._subscribers
        return bool(subscribers) and (
            f"before_{verb}" in subscribers or f"after_{verb}" in subscribers
        )

    def emit(self, event: str, **arguments: Any) -> None:
        """Call the subscribers of `event` from synchronous code.

        Async subscribers run to their end in an event loop of their own: about half a
        millisecond each.
        """
        for subscriber in self._subscribers.get(event, ()):
            call = async_to_sync(subscriber.call) if subscriber.is_async else subscriber.call
            try:
                call(**subscriber.arguments(arguments))
            except Exception:
                logger.exception("Subscriber %s raised.", event)

    async def emit_async(self, event: str, **arguments: Any) -> None:
        """Call the subscribers of `event` from a coroutine; sync ones run in threads."""
        subscribers = self._subscribers.get(event, ())
        await asyncio.gather(*(self._call(event, s, arguments) for s in subscribers))

    async def _call(self, event: str, subscriber: _Subscriber, given: dict[str, Any]) -> None:
        call = subscriber.call
        if not subscriber.is_async:
            call = sync_to_async(call, thread_sensitive=False)
        try:
            await call(**subscriber.arguments(given))
        except Exception:
            logger.exception("Subscriber %s raised.", event)
