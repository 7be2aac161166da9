"""The measured systems: where each keeps its jobs, how its worker is started, how it is counted."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.benchmarks import stores, tally

MANAGE = "tests/benchmarks/project/manage.py"
REPID_WORKER = (MANAGE, "repid_worker")
DB_WORKER = (MANAGE, "db_worker", "--interval", "0.01", "--no-startup-delay")
RIVALS = "tests.benchmarks.rivals"
CHILD_SECONDS = 900


@dataclass(frozen=True)
class System:
    """One way to run jobs."""

    key: str
    label: str
    store: str
    module: str
    #: What the worker is started with, after `python`.
    command: tuple[str, ...]
    note: str = ""
    actor: str = "noop"
    #: Counts jobs that are not done yet; or those that are, where all stay in one place.
    left: str = ""
    done: str = ""
    #: Jobs/s, very roughly, from which the size of a trial is taken.
    guess: int = 400
    synchronous: str = ""
    redis5: bool = False
    django: bool = False
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def rival(self) -> bool:
        return self.module != "ours"

    @property
    def python(self) -> str:
        """Return the Python of its environment."""
        if not self.redis5:
            return sys.executable
        beside = stores.ROOT / ".venv-bench-redis5" / "bin" / "python"
        return os.environ.get("REPID_BENCH_REDIS5", str(beside))

    @property
    def shown(self) -> str:
        """Return the command for people."""
        return " ".join(("python", *self.command))

    def having(self, **changes: Any) -> "System":
        return replace(self, **changes)


class Site:
    """A system in a store of its own, with a folder for what its jobs leave behind."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.store = stores.make(
            system.store, system.key.replace("-", "_"), system.synchronous or "NORMAL"
        )
        self.folder = tally.make_folder()

    def environment(self, jobs: int = 0) -> dict[str, str]:
        """Return what the processes of this system are started with."""
        system = self.system
        found = {
            "PYTHONPATH": str(stores.ROOT),
            "PYTHONUNBUFFERED": "1",
            "REPID_BENCH_STORE": system.store,
            "REPID_BENCH_MODULE": system.module,
            tally.FOLDER: str(self.folder),
            tally.JOBS: str(jobs),
            **self.store.environment(),
            **dict(system.environment),
        }
        if system.django:
            found["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.project.settings"
        return found

    def child(self, *arguments: object, jobs: int = 0) -> Any:
        """Run something of the system's module in a process of its own; return what it says."""
        with self.start_child(*arguments, jobs=jobs) as process:
            return answer(process)

    @contextmanager
    def start_child(self, *arguments: object, jobs: int = 0) -> Iterator[subprocess.Popen[str]]:
        """As `child`, without waiting."""
        command = [self.system.python, "-m", "tests.benchmarks.child", *map(str, arguments)]
        process = subprocess.Popen(
            command,
            env={**os.environ, **self.environment(jobs)},
            cwd=stores.ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def forget(self) -> None:
        """Remove what jobs have left behind so far."""
        for path in self.folder.iterdir():
            path.unlink()

    def close(self) -> None:
        """Remove everything."""
        self.forget()
        Path(self.folder).rmdir()
        self.store.drop()


def answer(process: subprocess.Popen[str]) -> Any:
    """Wait for a child's answer, a line of JSON."""
    out, err = process.communicate(timeout=CHILD_SECONDS)
    if process.returncode:
        message = f"exit {process.returncode}: {err.strip()[-400:]}"
        raise RuntimeError(message)
    lines = out.strip().splitlines()
    return json.loads(lines[-1]) if lines else None


@contextmanager
def site(system: System) -> Iterator[Site]:
    """Give a prepared site, and remove it in the end."""
    made = Site(system)
    try:
        made.child("prepare")
        yield made
    finally:
        made.close()
