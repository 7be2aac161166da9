"""Real commands in real processes, on the database that the suite runs on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

ROOT = Path(__file__).parents[2]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "django", *arguments]


def environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(ROOT),
        "REPID_TEST_CHILD": "1",
        **more,
    }


def run(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def empty_database(folder: Path) -> Iterator[dict[str, str]]:
    """Have a database without tables; yield the environment that leads a command to it."""
    on_server = connection.vendor != "sqlite"
    with connection.cursor() as cursor:
        if on_server:
            cursor.execute("CREATE DATABASE repid_empty")
    try:
        yield {"REPID_TEST_FOLDER": str(folder), "REPID_TEST_CHILD_DATABASE": "repid_empty"}
    finally:
        with connection.cursor() as cursor:
            if on_server:
                cursor.execute("DROP DATABASE repid_empty")


class WorkerInProcess:
    """A `repid_worker` in a process of its own."""

    def __init__(self, *arguments: str, **more: str) -> None:
        self._process = subprocess.Popen(
            command("repid_worker", "--no-reload", *arguments),
            cwd=ROOT,
            env=environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self._process.pid

    def send(self, which: signal.Signals) -> None:
        self._process.send_signal(which)

    def wait(self, seconds: float = 30) -> tuple[int, str]:
        """Wait for its end; return its exit code and what it said."""
        output, _ = self._process.communicate(timeout=seconds)
        return self._process.returncode, output

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate(timeout=10)


@contextmanager
def worker(*arguments: str, **more: str) -> Iterator[WorkerInProcess]:
    """Have a worker, and leave none behind."""
    one = WorkerInProcess(*arguments, **more)
    try:
        yield one
    finally:
        one.kill()


def parent_of(pid: int) -> int | None:
    """Return the process that a process was started by; None if it is not there (any more)."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except FileNotFoundError:
        return None
    return None if state == "Z" else int(parent)


def eventually(ask: Callable[[], Any], seconds: float = 30) -> Any:
    """Ask until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, "It did not happen in time."
        time.sleep(0.02)
    return answer
