"""The process of a cell: reads jobs from its standard input, writes outcomes to its output.

Started by `worker.cell`, with the module search path of the worker.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, BinaryIO

from django_repid.core.actor import Actor
from django_repid.core.connection import Connection
from django_repid.core.host import host
from django_repid.core.message import StoredMessage
from django_repid.core.middleware import Middleware
from django_repid.core.outcome import Bench
from django_repid.core.router import actors_of
from django_repid.worker.atomic import AtomicRunner, Undone
from django_repid.worker.attempt import Attempt
from django_repid.worker.cell_life import die_with, resident_memory
from django_repid.worker.child_setup import set_up
from django_repid.worker.executor import Executor, attempt, attempt_async
from django_repid.worker.wire import pack_outcome, unpack_message

logger = logging.getLogger("django_repid.worker")


def main() -> None:
    """Serve until the worker hangs up."""
    # Signals to a whole group, of a supervisor or a container, are the worker's to answer. Handlers
    # rather than SIG_IGN, which the programs that a job starts would inherit.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: None)
    source, sink = _take_pipes()
    first = json.loads(source.readline())
    die_with(first["lifeline"], first["worker"])
    _prepare(first)
    _write(sink, {"ready": True})
    with host().thread_scope():
        for line in source:
            order = json.loads(line)
            _write(sink, _answer(order) if order else {"ready": True})


def _prepare(first: dict[str, Any]) -> None:
    """Import the project. What does not import is told with the first job that needs it."""
    set_up(first["setup"])
    imports: list[Callable[[], object]] = [host().prepare]
    imports += [partial(import_module, one) for one in first["modules"]]
    for each in imports:
        try:
            each()
        except Exception:
            logger.debug("Importing what registers actors failed.", exc_info=True)


def _answer(order: dict[str, Any]) -> dict[str, Any]:
    try:
        actor = _find(order)
        if order["atomic"] is not None:
            host().resolve(order["atomic"]["connection"])
    except Exception as error:  # noqa: BLE001 - whatever importing the project raises
        name = order["actor"]
        return {"unfit": f"No other process finds the actor {name!r} ({error})"}
    return {**_run(actor, order), "memory": resident_memory()}


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes to the worker out of the reach of jobs that read or print."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr  # line by line, where a pipe would keep it until the end
    return source, sink


def _write(sink: BinaryIO, what: dict[str, Any]) -> None:
    sink.write(json.dumps(what).encode() + b"\n")
    sink.flush()


def _find(order: dict[str, Any]) -> Actor:
    """Return the actor of an order: the same function, not another one of its name.

    Raises:
        LookupError: this process does not find it.

    """
    name, wanted = order["actor"], (order["module"], order["function"])
    known = host().find_actor(name)
    if known is not None and (known.fn.__module__, known.fn.__qualname__) == wanted:
        actor: Actor = known
        return actor
    # One of a router that is handed to the worker, beside those of the project.
    found: Any = import_module(order["module"])
    for part in order["function"].split("."):
        found = getattr(found, part, None)
    for one in actors_of(found):
        if one.name == name and (one.fn.__module__, one.fn.__qualname__) == wanted:
            return one
    raise LookupError(".".join(wanted))


def _run(actor: Actor, order: dict[str, Any]) -> dict[str, Any]:
    message, limit = unpack_message(order["message"]), order["limit"]
    try:
        if order["atomic"] is not None:
            return _run_atomically(actor, message, order["atomic"], limit)
        if actor.is_async:
            outcome = asyncio.run(attempt_async(actor, message, limit))
        else:
            outcome = attempt(actor, message, limit)
        return {"outcome": pack_outcome(outcome, actor.retryable)}
    finally:
        host().tidy()


def _run_atomically(
    actor: Actor, message: StoredMessage, order: dict[str, Any], limit: int
) -> dict[str, Any]:
    connection: Connection = host().resolve(order["connection"])
    executor = Executor({actor.name: actor}, Middleware(), limit)
    bench = Bench(**order["bench"])
    found = AtomicRunner(connection, executor)(Attempt(message), lambda: bench)
    assert found is not None  # noqa: S101 - nobody else ends its attempts
    if isinstance(found, Undone):
        return {"outcome": pack_outcome(found.outcome, actor.retryable), "unsure": found.unsure}
    return {"outcome": pack_outcome(found.outcome, actor.retryable), "lost": sorted(found.lost)}
