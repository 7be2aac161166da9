"""A log of what a connection did, in the order in which it was done."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django_repid.core import clock
from django_repid.core.connection import Connection
from django_repid.core.middleware import VERBS


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """One thing that was done: `function` is its verb, as in the names of middleware events.

    `kwargs` are the event's arguments; `result` what came of it. `timestamp`: seconds since the
    epoch; `perf_counter`: what the log is sorted by.
    """

    function: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    result: Any = None
    timestamp: float = field(default_factory=lambda: clock.now_us() / 1_000_000)
    perf_counter: float = field(default_factory=time.perf_counter)


GetEventLogT = Callable[[], list[EventLog]]

#: What concerns the brokers. That an actor ran is no event of theirs.
_LOGGED = [verb for verb in VERBS if verb != "actor_run"]


def record(connection: Connection) -> list[EventLog]:
    """Return a list that grows with everything that is done on a connection from now on."""
    log: list[EventLog] = []
    for verb in _LOGGED:
        connection.middleware.add_subscriber(_subscriber(verb, log))
    return log


def _subscriber(verb: str, log: list[EventLog]) -> Callable[..., None]:
    def after(**arguments: Any) -> None:
        result = arguments.pop("result", None)
        log.append(EventLog(function=verb, kwargs=arguments, result=result))

    after.__name__ = f"after_{verb}"
    return after
