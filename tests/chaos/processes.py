"""Processes that are frozen, woken and killed; only such as this run has started."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.chaos.store import ROOT


def _stat(pid: int) -> tuple[str, int]:
    """The state of a process, and its parent."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[1])


def lives(pid: int) -> bool:
    return _stat(pid)[0] not in "ZX"


def children(pid: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [child for child in pids if _stat(child)[1] == pid and lives(child)]


def send(pids: Iterable[int], which: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, which)


def kill(pids: Collection[int]) -> None:
    """End processes at once, and return when they are gone."""
    send(pids, signal.SIGKILL)
    eventually(lambda: not any(map(lives, pids)), "killed processes are gone")


def eventually(ask: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Ask until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > end:
            message = f"Not within {seconds:g} s: {what}."
            raise TimeoutError(message)
        time.sleep(0.02)
    return answer


class Child:
    """A process of the run; what it says goes to a file."""

    def __init__(
        self, name: str, arguments: Iterable[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.arguments = list(arguments)
        self.log = folder / f"{name}.log"
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self.arguments],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started."
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def send(self, which: signal.Signals) -> None:
        if self.code is None:
            send([self.pid], which)

    def wait(self, seconds: float) -> int:
        assert self._process is not None
        return self._process.wait(seconds)


class Member(Child):
    """A `repid_worker` of the fleet: one process, or a supervisor with several."""

    def __init__(
        self, name: str, environment: Mapping[str, str], folder: Path, processes: int = 1
    ) -> None:
        more = ("--processes", str(processes)) if processes > 1 else ()
        command = ("django", "repid_worker", "--no-reload", "--worker-id", name, *more)
        super().__init__(name, command, environment, folder)
        self.processes = processes
        #: Whether this run has told it to end, or has killed it.
        self.told = False
        self.killed = False

    def start(self) -> None:
        self.told = self.killed = False
        super().start()

    def workers(self) -> list[int]:
        """The processes that run jobs."""
        if self.code is not None:
            return []
        return children(self.pid) if self.processes > 1 else [self.pid]
