"""Liveness by locked files: the operating system lets go of them when a process dies.

They lie in a folder beside the SQLite file, `<file>-workers/<worker id>.lock`, as SQLite's own
`-wal` and `-shm` files do, so that every process that can use the database finds them.
"""

import os
import stat
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: workers on SQLite count beats there, as on a server database
    fcntl = None  # type: ignore[assignment]  # asked for by LockFiles.available


class LockFiles:
    """The locks that this process holds, and its eyes on those of others."""

    available = fcntl is not None

    def __init__(self) -> None:
        self._held: dict[Path, IO[bytes]] = {}

    def acquire(self, database: str, worker_id: int) -> None:
        """Hold the lock of a worker until `release`, or until this process ends."""
        path = _path(database, worker_id)
        if path is None:
            return
        file = _open(path)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._held[path] = file

    def release(self, database: str, worker_id: int) -> None:
        """Let go of a worker's lock, and remove its file."""
        path = _path(database, worker_id)
        if path is not None and (file := self._held.pop(path, None)) is not None:
            path.unlink(missing_ok=True)
            file.close()
            _remove_if_empty(path.parent)

    def held(self, database: str, worker_id: int) -> bool:
        """Whether some process holds a worker's lock: whether it lives."""
        path = _path(database, worker_id)
        if path is None or path in self._held:
            return True
        try:
            # Neither through a link, nor waiting for whoever has made a pipe of it.
            file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except FileNotFoundError:
            return False
        except PermissionError:
            return True  # another user's, who is left in peace
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def forget(self, database: str, worker_id: int) -> None:
        """Remove the file of a worker that is dead."""
        path = _path(database, worker_id)
        if path is not None and path not in self._held:
            path.unlink(missing_ok=True)


def _open(path: Path) -> IO[bytes]:
    """Make the file; again, where the last other worker has just removed the folder.

    Raises:
        PermissionError: others may write to the folder, and so choose what is opened here.

    """
    for _ in range(100):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            return _open_in(path)
        except FileNotFoundError:
            continue
    return _open_in(path)


def _open_in(path: Path) -> IO[bytes]:
    found = path.parent.lstat()
    # Its owner may write to it, whatever its mode says.
    mine = found.st_uid in (os.geteuid(), path.parent.parent.stat().st_uid)
    if not (mine and stat.S_ISDIR(found.st_mode)) or stat.S_IMODE(found.st_mode) & 0o022:
        message = f"{path.parent} must be a folder that nobody else may write to."
        raise PermissionError(message)
    # No link is followed, and nothing in a file that is there already is lost.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "r+b")


def _remove_if_empty(folder: Path) -> None:
    """Leave nothing behind where no other worker runs."""
    try:
        folder.rmdir()
    except OSError:
        pass  # another worker's lock is in it


def _path(database: str, worker_id: int) -> Path | None:
    """Return a worker's lock file; None for a database in memory, which no other process sees."""
    if database == ":memory:" or database.startswith("file:") or not database:
        return None
    return Path(f"{os.path.abspath(database)}-workers") / f"{worker_id}.lock"
