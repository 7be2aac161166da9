"""Bells: how an enqueue wakes a worker that sleeps. Polling stays the truth, a bell only hurries.

They ring after commit, at most once in 50 ms from a process: a worker that was just woken polls
hot for longer than that, so that one that was left out loses nothing.

- On one host, for any database: a datagram to the Unix socket of each worker, in a private folder
  of the user's that is named after the database (0.2 ms).
- PostgreSQL, from anywhere: NOTIFY, to a connection of its own in each worker.
- Any database, from anywhere, instead of that: a bell that stands elsewhere, `RedisBell`.
"""

import hashlib
import logging
import math
import os
import selectors
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from django_repid.brokers.database.session import is_pooled
from django_repid.core.protocols import FarBell

logger = logging.getLogger("django_repid.worker")

#: NOTIFY costs its sender a round trip, a third of an enqueue's time (measured).
_QUIET_SECONDS = 0.05
#: How long a listener is silent before it makes sure that its connection still works.
_CHECK_SECONDS = 10.0
_RECONNECT_SECONDS = 1.0
_CHANNEL = "django_repid"


class Bells:
    """The bells of one database alias."""

    def __init__(self, far: FarBell | None = None) -> None:
        self._far = far
        self._rung_at = float("-inf")

    def ring(self, alias: str) -> None:
        """Wake the workers of this database; called when what was written is committed."""
        now = time.monotonic()
        if now - self._rung_at < _QUIET_SECONDS:
            return
        self._rung_at = now
        _send_datagrams(folder_of(alias))
        connection = connections[alias]
        if self._far is not None:
            self._far.ring()
        elif connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"NOTIFY {_CHANNEL}")


class Listener:
    """Hears the bells of a database and calls `heard`, on a thread of its own."""

    def __init__(self, alias: str, heard: Callable[[], None], far: FarBell | None = None) -> None:
        self._alias = alias
        self._heard = heard
        self._far = None if far is None else far.listener(heard)
        self._stopping = False
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._socket, self._path = _bind(folder_of(alias))
        self._raw: Any = None
        self._retry_at = 0.0 if far is None else math.inf
        self._hears_server = False
        self._thread = threading.Thread(target=self._work, name="repid-bell", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        if self._far is not None:
            self._far.start()

    @property
    def hears_all(self) -> bool:
        """Whether every enqueue is heard, wherever it is made."""
        return self._hears_server or (self._far is not None and self._far.hears_all)

    def stop(self) -> None:
        """End, and give everything back."""
        if self._far is not None:
            self._far.stop()
        self._stopping = True
        self._stop_writer.send(b"!")
        self._thread.join(2.0)
        # Not by the thread: it may have seen `_stopping` before this one has sent anything.
        self._stop_writer.close()
        if not self._thread.is_alive():
            self._stop_reader.close()

    def _work(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._stop_reader, selectors.EVENT_READ)
        if self._socket is not None:
            selector.register(self._socket, selectors.EVENT_READ)
        try:
            while not self._stopping:
                self._keep_connected(selector)
                waits = _RECONNECT_SECONDS if self._is_lost else _CHECK_SECONDS
                ready = selector.select(waits)
                if ready or not self._check(selector):
                    self._take(selector, {key.fileobj for key, _ in ready})
        finally:
            selector.close()
            self._disconnect()
            if self._socket is not None and self._path is not None:
                self._socket.close()
                self._path.unlink(missing_ok=True)

    @property
    def _is_lost(self) -> bool:
        """Whether there was a connection, or could be one."""
        return 0.0 < self._retry_at < math.inf

    def _take(self, selector: selectors.BaseSelector, ready: set[Any]) -> None:
        """Take what lies in the sockets, and say that there was something."""
        if self._socket in ready and self._socket is not None:
            _empty(self._socket)
        if self._raw is not None and self._raw.fileno() in ready:
            try:
                list(self._raw.notifies(timeout=0))
            except Exception as error:  # noqa: BLE001 - the driver's own, of any kind
                self._lost(selector, error)
        self._heard()

    def _keep_connected(self, selector: selectors.BaseSelector) -> None:
        """Listen on PostgreSQL, if that is where the messages are and it can be reached."""
        connection: Any = connections[self._alias]
        # psycopg 2 has another way to be told; polling serves it.
        speaks = getattr(getattr(connection, "Database", None), "__name__", "") == "psycopg"
        if not speaks or self._raw is not None or time.monotonic() < self._retry_at:
            return
        try:
            # Not Django's own connection: a pool's must not be kept, nor come back listening.
            parameters = {"tcp_user_timeout": 10_000, **connection.get_connection_params()}
            raw = connection.Database.connect(**parameters)
            raw.autocommit = True
            if is_pooled(raw):
                raw.close()
                self._retry_at = math.inf
                logger.info("A pooler is in the way of LISTEN: the worker polls instead.")
                return
            raw.execute(f"LISTEN {_CHANNEL}")
        except Exception as error:  # noqa: BLE001 - as above
            self._lost(selector, error)
            return
        self._raw, self._retry_at, self._hears_server = raw, 0.0, True
        selector.register(raw.fileno(), selectors.EVENT_READ)
        self._heard()  # for what rang meanwhile

    def _check(self, selector: selectors.BaseSelector) -> bool:
        """Make sure that the server still answers; False if the connection was lost."""
        if self._raw is None:
            return True
        try:
            self._raw.execute("SELECT 1")
        except Exception as error:  # noqa: BLE001 - as above
            self._lost(selector, error)
            return False
        return True

    def _lost(self, selector: selectors.BaseSelector, error: Exception) -> None:
        if self._raw is not None:
            selector.unregister(self._raw.fileno() if not self._raw.closed else self._fd(selector))
            logger.info("The bell's connection was lost; the worker polls meanwhile: %s", error)
        self._disconnect()
        self._retry_at = time.monotonic() + _RECONNECT_SECONDS

    @staticmethod
    def _fd(selector: selectors.BaseSelector) -> int:
        """Return the registered number of a connection that no longer knows its own."""
        return next(key.fd for key in selector.get_map().values() if isinstance(key.fileobj, int))

    def _disconnect(self) -> None:
        raw, self._raw, self._hears_server = self._raw, None, False
        if raw is not None:
            raw.close()


def folder_of(alias: str) -> Path:
    """Return the folder for the sockets of the workers of a database."""
    settings: Any = connections[alias].settings_dict
    name = settings["NAME"]
    if connections[alias].vendor == "sqlite":
        name = os.path.abspath(str(name))
    identity = f"{connections[alias].vendor}\n{name}\n{settings['HOST']}\n{settings['PORT']}"
    digest = hashlib.blake2s(identity.encode(), digest_size=8).hexdigest()
    user = os.getuid() if hasattr(os, "getuid") else ""
    return Path(tempfile.gettempdir()) / f"django-repid-{user}" / digest


def _is_private(folder: Path) -> bool:
    """Whether a folder is this user's alone: another's could make us wake at their will."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    mine = found.st_uid == os.getuid()
    return mine and stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077


def _bind(folder: Path) -> tuple[socket.socket | None, Path | None]:
    """Make a worker's socket; none where that cannot be."""
    if not hasattr(socket, "AF_UNIX"):
        return None, None
    path = folder / f"{os.getpid()}-{threading.get_ident() % 100_000}-{time.monotonic_ns()}"
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        if not _is_private(folder.parent):
            raise PermissionError(str(folder.parent))
        folder.mkdir(mode=0o700, exist_ok=True)
        bell.bind(str(path))
    except OSError as error:
        bell.close()
        logger.debug("No bell on this host: %s", error)
        return None, None
    bell.setblocking(False)
    return bell, path


def _empty(bell: socket.socket) -> None:
    try:
        while bell.recv(64):
            pass
    except BlockingIOError:
        return


def _send_datagrams(folder: Path) -> None:
    try:
        paths = [entry.path for entry in os.scandir(folder)]
    except OSError:
        return  # no worker of this user's on this host
    if not paths or not _is_private(folder.parent):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for path in paths:
            try:
                sender.sendto(b"!", path)
            except ConnectionRefusedError:  # its worker died without tidying up
                Path(path).unlink(missing_ok=True)
            except OSError:
                continue  # full of rings already, or gone this moment


def ring_safely(bells: Bells, alias: str) -> None:
    """Ring; what goes wrong is nothing to whoever has just committed."""
    try:
        bells.ring(alias)
    except (DatabaseError, OSError) as error:
        logger.debug("The bell did not ring: %s", error)
