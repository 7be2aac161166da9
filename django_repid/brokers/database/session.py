"""The database sessions of a worker's own threads: they never hang, and never wait for long.

A stranger's transaction may hold a row for minutes, a server may stop answering without closing
its sockets. Actors live with that as views do; the threads that claim, beat and rescue for
everybody must not. So each of them has a connection with settings of its own, outside any pool:

- it waits at most `LOCK_SECONDS` for a lock, and the statement is then tried again later;
- a statement takes at most `STATEMENT_SECONDS`, and so does an answer of the server;
- its transactions read what is committed, whatever the project's default is.

Behind a pooler that lends one server session to many clients (PgBouncer in transaction mode) the
first two would be settings of strangers too, so there they are left alone.
"""

import copy
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

logger = logging.getLogger("django_repid.worker")

#: Whoever holds a row for longer makes one settlement late, not the worker. MariaDB and MySQL know
#: whole seconds only.
LOCK_SECONDS = 1
_LOCK_MS = 250
#: Far above the slowest of our statements (a claim of 500 among three million rows: 15 ms).
STATEMENT_SECONDS = 20
#: After this long without an answer a connection is given up: later than the server's own limit.
_ANSWER_SECONDS = 25
_CONNECT_SECONDS = 5

_POSTGRESQL = """SELECT set_config(name, value, false) FROM (VALUES
    ('lock_timeout', %s), ('statement_timeout', %s),
    ('idle_in_transaction_session_timeout', %s),
    ('default_transaction_isolation', 'read committed')
) AS own (name, value) WHERE pg_backend_pid() = %s"""


@contextmanager
def own_session(alias: str) -> Iterator[None]:
    """Give the calling thread such a session for an alias, while entered.

    On SQLite there is nothing to do: one file, no server, and its own `timeout`.
    """
    shared: Any = connections[alias]
    if shared.vendor == "sqlite":
        yield
        return
    own = type(shared)(_own_settings(shared), alias)
    own.repid_own = True
    connections[alias] = own
    try:
        with _watchdog.watching(own):
            yield
    finally:
        own.close()
        connections[alias] = shared


def _own_settings(connection: Any) -> dict[str, Any]:
    """Return the settings of a connection that is kept, is in no pool, and does not hang."""
    settings: dict[str, Any] = copy.deepcopy(
        {key: value for key, value in connection.settings_dict.items() if key != "OPTIONS"}
    )
    options = dict(connection.settings_dict.get("OPTIONS", {}))
    options.pop("pool", None)
    options.pop("isolation_level", None)
    options.setdefault("connect_timeout", _CONNECT_SECONDS)
    if connection.vendor == "mysql":
        options["isolation_level"] = "read committed"
        options["read_timeout"] = options["write_timeout"] = _ANSWER_SECONDS
    return {**settings, "OPTIONS": options, "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}


def _set_up(connection: Any, **_: Any) -> None:
    """Limit a session that has just begun; Django sends this for every new connection."""
    if not getattr(connection, "repid_own", False):
        return
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}")
            return
        # Behind a pooler the number that was told at the connection's start is not the server's.
        told = connection.connection.info.backend_pid
        limits = [f"{_LOCK_MS}ms", f"{STATEMENT_SECONDS}s", f"{STATEMENT_SECONDS}s"]
        cursor.execute(_POSTGRESQL, [*limits, told])
        connection.repid_limited = bool(cursor.fetchall())


@contextmanager
def patiently(connection: Any) -> Iterator[None]:
    """Let the block's statements take as long as they take: a VACUUM of a large table, say."""
    if not getattr(connection, "repid_limited", False):
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        connection.repid_is_patient = True
        try:
            yield
        finally:
            connection.repid_is_patient = False
            cursor.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")


def is_pooled(raw: Any) -> bool:
    """Whether a connection of psycopg's leads to a pooler that lends its sessions (PgBouncer)."""
    told, found = raw.info.backend_pid, raw.execute("SELECT pg_backend_pid()").fetchone()[0]
    return bool(told != found)


connection_created.connect(_set_up, dispatch_uid="django_repid.session")


class _Watchdog:
    """Ends waits for a server that does not answer: PostgreSQL's drivers wait for ever.

    A thread that looks once a second, while there is something to look at. A session says when it
    waits: see `waits_since`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[int, Any] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, connection: Any) -> Iterator[None]:
        """Watch a connection while entered."""
        if connection.vendor != "postgresql":
            yield
            return
        connection.repid_waits_since = None
        connection.repid_is_patient = False
        connection.execute_wrappers.append(_note_the_wait)
        with self._lock:
            self._watched[id(connection)] = connection
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="repid-watchdog", daemon=True
                )
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._watched[id(connection)]

    def _work(self) -> None:
        while True:
            time.sleep(1.0)
            with self._lock:
                if not self._watched:
                    self._thread = None
                    return
                watched = list(self._watched.values())
            for connection in watched:
                since = connection.repid_waits_since
                if since is not None and time.monotonic() - since > _ANSWER_SECONDS:
                    _hang_up(connection)


def _note_the_wait(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
    connection = context["connection"]
    connection.repid_waits_since = None if connection.repid_is_patient else time.monotonic()
    try:
        return execute(sql, params, many, context)
    finally:
        connection.repid_waits_since = None


def _hang_up(connection: Any) -> None:
    """Close the socket under a thread that waits for it: its driver then raises."""
    connection.repid_waits_since = None
    logger.warning(
        "The database %r has not answered for %s s; its connection is given up.",
        connection.alias,
        _ANSWER_SECONDS,
    )
    try:
        with socket.socket(fileno=os.dup(connection.connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
    except Exception as error:  # noqa: BLE001 - it has just ended by itself
        logger.debug("It was gone: %s", error)


_watchdog = _Watchdog()
