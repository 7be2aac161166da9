"""What lives beside a queue in a real database: reports that count, and forgotten transactions."""

import contextlib
import sqlite3
import threading
import time
from typing import Any

from tests.chaos.store import DATABASE, Store

_COUNT = "SELECT exception, count(*) FROM django_repid_bucket GROUP BY exception"
_PAUSE_SECONDS = 0.1
_RETRY_SECONDS = 1.0
#: Without any, a log that is only cut when nobody reads would never be cut.
_BETWEEN_SECONDS = 10.0


class _Disturber(threading.Thread):
    """A thread with a connection of its own, until told to end."""

    def __init__(self, store: Store) -> None:
        super().__init__(daemon=True)
        self._store = store
        self._end = threading.Event()
        self.rounds = 0

    def run(self) -> None:
        while not self._end.is_set():
            try:
                with contextlib.closing(_connect(self._store)) as connection:
                    self._disturb(connection)
            except Exception as error:
                print(f"{type(self).__name__}: {error}", flush=True)
                self._end.wait(_RETRY_SECONDS)

    def _disturb(self, connection: Any) -> None:
        raise NotImplementedError

    def end(self) -> None:
        self._end.set()
        self.join(30)


class Analyst(_Disturber):
    """Counts all results, again and again."""

    def _disturb(self, connection: Any) -> None:
        while not self._end.wait(_PAUSE_SECONDS):
            connection.execute(_COUNT).fetchall()
            self.rounds += 1


class Forgetful(_Disturber):
    """Leaves a transaction open that has read something, so that nothing newer can be cleaned up.

    It ends after so many seconds, and soon there is a new one; never with 0.
    """

    def __init__(self, store: Store, seconds: float) -> None:
        super().__init__(store)
        self._seconds = seconds

    def _disturb(self, connection: Any) -> None:
        begin = "BEGIN" if self._store.server is None else "BEGIN ISOLATION LEVEL REPEATABLE READ"
        started = time.monotonic()
        connection.execute(begin)
        connection.execute(_COUNT).fetchall()
        self.rounds += 1
        while not self._end.wait(_PAUSE_SECONDS):
            if self._seconds and time.monotonic() - started > self._seconds:
                break
        connection.execute("ROLLBACK")
        self._end.wait(_BETWEEN_SECONDS)


def _connect(store: Store) -> Any:
    if store.server is not None:
        return store.server.connect(DATABASE)
    where = f"file:{store.file}?mode=ro"
    return sqlite3.connect(
        where, uri=True, timeout=20, isolation_level=None, check_same_thread=False
    )
