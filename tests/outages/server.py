"""A server process of the tests' own: in a folder of its own, on a free port.

It ends with the process that started it, however that ends. Start it from the main thread: the
kernel takes the end of the thread that started it for the end of the process.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

_START_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(ask: Callable[[], Any], what: str, seconds: float = _START_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not ask():
        if time.monotonic() > end:
            message = f"{what}: it did not happen in {seconds} s."
            raise TimeoutError(message)
        time.sleep(0.02)


def _state(pid: int) -> tuple[str, int]:
    """The state of a process, and its parent."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[1])


def _lives(pid: int) -> bool:
    return _state(pid)[0] not in "ZX"


def _children(pid: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [child for child in pids if _state(child)[1] == pid and _lives(child)]


class Server:
    """A server process; a context manager that starts it, and leaves nothing behind.

    Without `folder` it makes one in /tmp and removes it. A folder of yours must be one that the
    server's user may walk to: pytest's `tmp_path` is root's alone.
    """

    #: The user that it runs as when we are root; None: root, too.
    user: str | None = None
    #: The signals for the ways of `stop`.
    signals: ClassVar[Mapping[str, signal.Signals]] = {
        "fast": signal.SIGTERM,
        "immediate": signal.SIGKILL,
    }

    def __init__(
        self, folder: Path | None = None, *, settings: Mapping[str, str] | None = None
    ) -> None:
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="repid-outage-"))
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        if self.user is not None and os.getuid() == 0:
            shutil.chown(self.folder, self.user)
        self.port = free_port()
        self.settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._install()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.kill()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self._process is not None, "It does not run."
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user(), *self._command()],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        _await(self._answers, f"{type(self).__name__} at port {self.port} answers")

    def stop(self, mode: str = "fast") -> None:
        """End it: `fast` tidies up and closes every connection, `immediate` only ends."""
        if self._process is not None:
            self._process.send_signal(self.signals[mode])
            self._process.wait(_START_SECONDS)
            self._process = None

    def kill(self) -> None:
        """SIGKILL for the process and its children, as the OOM killer or a power supply would."""
        if self._process is None:
            return
        children = _children(self._process.pid)
        for pid in (self._process.pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(_START_SECONDS)
        self._process = None
        _await(lambda: not any(map(_lives, children)), "the children end")

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    def environment(self) -> dict[str, str]:
        """The variables that lead a client to it."""
        raise NotImplementedError

    def _install(self) -> None:
        """Make what it needs before its first start."""

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _ping(self) -> None:
        """Raise if it does not answer."""
        raise NotImplementedError

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"{type(self).__name__} ended at its start:\n{self.log}")
        try:
            self._ping()
        except Exception:
            return False
        return True

    def _as_user(self) -> list[str]:
        prefix = ["setpriv", "--pdeathsig", "KILL" if self.user is None else "QUIT"]
        if self.user is not None and os.getuid() == 0:
            them = pwd.getpwnam(self.user)
            prefix += [f"--reuid={them.pw_uid}", f"--regid={them.pw_gid}", "--init-groups"]
        return [*prefix, "--"]

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [*self._as_user(), *command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
