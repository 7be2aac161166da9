"""Database connections around jobs: tidied after each, closed with their thread."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.db import DatabaseError, connections

logger = logging.getLogger("django_repid")


def tidy(*, check: bool = True) -> None:
    """Leave the calling thread's connections as a request leaves them.

    Broken and outworn ones are closed, and so is one on which a job left a transaction open. The
    query log that DEBUG keeps is emptied, or it would grow for ever.

    With `check` the next query first makes sure that the server is still there, where
    CONN_HEALTH_CHECKS is on. Without it, that the last one went well is proof enough: it saves a
    round trip between two jobs.
    """
    connection: Any
    for connection in connections.all(initialized_only=True):
        connection.queries_log.clear()
        if connection.in_atomic_block:
            connection.close()
            del connections[connection.alias]  # the next job gets a wrapper without its traces
        else:
            connection.close_if_unusable_or_obsolete()
            connection.health_check_done = not check


@contextmanager
def thread_scope() -> Iterator[None]:
    """Wrap the life of a thread: none of its connections outlives it."""
    try:
        yield
    finally:
        connections.close_all()


@contextmanager
def contained() -> Iterator[None]:
    """Let no error of the database's inside the block spoil a transaction that is open outside.

    What was written before the error is lost with it; without one, all that was written stays.
    """
    connection: Any
    within = [
        (connection, connection.savepoint())
        for connection in connections.all(initialized_only=True)
        if connection.in_atomic_block and not connection.needs_rollback
    ]
    try:
        yield
    finally:
        for connection, savepoint in within:
            _leave(connection, savepoint)


def _leave(connection: Any, savepoint: str | None) -> None:
    if not connection.needs_rollback:
        try:
            connection.savepoint_commit(savepoint)
        except DatabaseError:  # PostgreSQL has given the transaction up, and Django has not seen it
            logger.debug("A job has spoilt its caller's transaction; its writes are undone.")
        else:
            return
    connection.set_rollback(False)
    connection.savepoint_rollback(savepoint)


def set_up_child() -> None:
    """Set Django up in a process that a worker has started to run jobs, one at a time.

    One connection to each database does, which is kept; a pool would open several.
    """
    django.setup()
    for settings in connections.settings.values():
        settings.get("OPTIONS", {}).pop("pool", None)
    keep_connections()


def keep_connections() -> None:
    """Let this process keep its connections between jobs; for processes that only run jobs.

    Django's default, CONN_MAX_AGE=0, would connect anew for every job. Health checks find the
    ones that the server has closed meanwhile. Pools do both by themselves, and forbid the first.
    """
    for settings in connections.settings.values():
        if not settings.get("OPTIONS", {}).get("pool"):
            settings["CONN_MAX_AGE"] = None
            settings["CONN_HEALTH_CHECKS"] = True
