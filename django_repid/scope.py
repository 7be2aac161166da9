"""Database connections around jobs: tidied before and after each, closed with their thread."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, reset_queries


def tidy() -> None:
    """Leave the calling thread's connections as a request leaves them.

    Broken and outworn ones are closed, and so is one on which a job left a transaction open. The
    query log that DEBUG keeps is emptied, or it would grow for ever.
    """
    reset_queries()
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            connection.close()
            del connections[connection.alias]  # the next job gets a wrapper without its traces
        else:
            connection.close_if_unusable_or_obsolete()


@contextmanager
def job_scope() -> Iterator[None]:
    """Wrap one run of a sync actor, on its thread."""
    tidy()
    try:
        yield
    finally:
        tidy()


@contextmanager
def thread_scope() -> Iterator[None]:
    """Wrap the life of a thread: none of its connections outlives it."""
    try:
        yield
    finally:
        connections.close_all()


def keep_connections() -> None:
    """Let this process keep its connections between jobs; for processes that only run jobs.

    Django's default, CONN_MAX_AGE=0, would connect anew for every job. Health checks find the
    ones that the server has closed meanwhile. Pools do both by themselves, and forbid the first.
    """
    for settings in connections.settings.values():
        if not settings.get("OPTIONS", {}).get("pool"):
            settings["CONN_MAX_AGE"] = None
            settings["CONN_HEALTH_CHECKS"] = True
