"""Several worker processes under one supervisor, for the tests of `--processes`."""

import os
import signal
import subprocess
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from django_repid.models import Message, WorkerProcess
from tests.acceptance.kit import ROOT, command, environment, eventually
from tests.acceptance.test_worker_command import held_job, started

#: Settings of a child that are not those of its supervisor, as after an unlucky deploy.
CHILD_SETTINGS = """
from pathlib import Path
from tests.settings import *

NUMBER = os.environ.get("DJANGO_REPID_PROCESS")
FOLDER = Path(__file__).parent
"""


class Processes:
    """A supervisor and its workers; what they log can be read while they run."""

    def __init__(self, log: Path, *arguments: str, **more: str) -> None:
        self._log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                command("repid_worker", *arguments),
                cwd=ROOT,
                env=environment(**more),
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                start_new_session=True,  # a group, as a terminal's
            )
        self.pid = self._process.pid

    def log(self) -> str:
        return self._log.read_text()

    def says(self, what: str) -> None:
        eventually(lambda: what in self.log())

    def is_told_twice(self) -> bool:
        """Send a signal once more: within half a second it is the same wish."""
        self.send(signal.SIGTERM)
        return "stopping at once" in self.log()

    def send(self, which: signal.Signals) -> None:
        self._process.send_signal(which)

    def ends(self, seconds: float = 30) -> int:
        """Wait until it and all its workers have ended: none holds the pipe any more."""
        self._process.communicate(timeout=seconds)
        return self._process.returncode

    def has_ended(self) -> bool:
        return self._process.poll() is not None


@contextmanager
def processes(folder: Path, *arguments: str, **more: str) -> Iterator[Processes]:
    """Have a supervisor, and leave none of its processes behind."""
    one = Processes(folder / "log", *arguments, **more)
    try:
        yield one
    finally:
        if not one.has_ended():
            one.send(signal.SIGKILL)
        one.ends()


def living(count: int = 2, *, but: Collection[int] = ()) -> dict[str, int]:
    """Wait for so many workers besides some; return their process ids by name."""

    def look() -> dict[str, int] | None:
        found = WorkerProcess.objects.exclude(pid__in=but).values_list("name", "pid")
        return dict(found) if len(found) == count else None

    return eventually(look)


def ready(folder: Path, count: int = 2) -> dict[str, int]:
    """Wait until so many workers have run a job: a worker has a name before it takes signals."""
    found = living(count)
    (jobs := folder / "ready").mkdir()

    def all_run_one() -> bool:
        held_job(jobs)
        return set(started(jobs)) == set(found.values())

    eventually(all_run_one)
    (jobs / "release").touch()
    eventually(lambda: not Message.objects.exists())
    return found


def own_settings(folder: Path, *lines: str) -> dict[str, str]:
    """Write settings for one test; return the environment that leads to them."""
    (folder / "own_settings.py").write_text(CHILD_SETTINGS + "\n".join(lines))
    path = os.pathsep.join([str(folder), environment()["PYTHONPATH"]])
    return {"DJANGO_SETTINGS_MODULE": "own_settings", "PYTHONPATH": path}
