"""Real workers and producers on a server that the test may break."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.kit import ROOT, command, eventually
from tests.outages.servers import MariaDBServer, PostgresServer

__all__ = [
    "BACK_AT_WORK_SECONDS",
    "BROKER_SAYS",
    "SQLiteStage",
    "Stage",
    "Worker",
    "at_work_since",
    "eventually",
    "on_mariadb",
    "on_postgres",
    "on_sqlite",
    "said_it_once",
]

#: How soon a worker must be at work once the store is back.
BACK_AT_WORK_SECONDS = 5.0
DATABASE = "outage"
#: What a thread of a worker's says of an outage.
BROKER_SAYS = "The store cannot be reached"
BEAT_SAYS = "The heartbeat cannot reach its store"
JANITOR_SAYS = "The janitor cannot reach its store"


@dataclass(frozen=True, slots=True)
class Line:
    """What a job wrote down; `at` by the clock on the wall."""

    event: str
    number: int
    pid: int
    at: float


class Worker:
    """A `repid_worker` in a process of its own; what it says goes into a file."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], *more: str) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command("repid_worker", "--no-reload", "--worker-id", name, *more),
                cwd=ROOT,
                env=dict(environment),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._process.pid

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def troubles(self) -> list[str]:
        """The lines that are no news of an ordinary day."""
        bad = (" WARNING ", " ERROR ", " CRITICAL ", "Traceback")
        return [line for line in self.said.splitlines() if any(word in line for word in bad)]

    def runs(self) -> bool:
        return self._process.poll() is None

    def stop(self, seconds: float = 30) -> None:
        """Have it end as a deploy does; it must say that it did."""
        assert self.end(seconds) == 0, self.said
        assert "The worker has ended" in self.said

    def end(self, seconds: float) -> int:
        """Tell it to end, and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(seconds)

    def kill(self) -> None:
        if self.runs():
            self._process.kill()
        self._process.wait(10)


class Stage:
    """A database with the queue's tables, a ledger of what jobs did, and ways to run both."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.server: Any = None
        self.kind = environment["REPID_TEST_DATABASE"]
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.outages.settings",
            "PYTHONPATH": str(ROOT),
            "OUTAGE_FOLDER": str(folder),
            "REPID_TEST_FOLDER": str(folder),
            "OUTAGE_DATABASE": DATABASE,
            **environment,
        }

    def run(self, *command: str, **more: str) -> str:
        """Run a command of the project's to its end."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def enqueue(
        self,
        actor: str,
        first: int = 0,
        count: int = 1,
        *,
        environment: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> float:
        """Enqueue jobs with the numbers from `first` on; return when they were committed."""
        what = (actor, str(first), str(count), json.dumps(arguments))
        return float(self.run("tests.outages.producer", *what, **(environment or {})))

    @contextmanager
    def worker(self, name: str = "w1", *more: str, **environment: str) -> Iterator[Worker]:
        """Have a worker that has begun, and leave none behind."""
        with self.starting_worker(name, *more, **environment) as one:
            eventually(lambda: name in self.workers(beating=True) or not one.runs())
            assert one.runs(), one.said
            yield one

    @contextmanager
    def starting_worker(self, name: str, *more: str, **environment: str) -> Iterator[Worker]:
        """Have one of which nothing is known yet."""
        one = Worker(name, self.folder, {**self.environment, **environment}, *more)
        try:
            yield one
        finally:
            one.kill()
            print(f"---- {name} (pid {one.pid}) said:\n{one.said}")

    def query(self, sql: str) -> list[Any]:
        """Ask the server itself, whatever stands in front of it."""
        return list(self.server.execute(sql, database=DATABASE))

    def workers(self, *, beating: bool = False) -> list[str]:
        """Their names; with `beating` only those that are past their start."""
        beats = int(beating and self.kind != "sqlite")  # there a worker never counts
        found = f"SELECT name FROM django_repid_workerprocess WHERE beat >= {beats}"
        return [name for (name,) in self.query(found)]

    def messages(self) -> list[Any]:
        """What is left of the jobs: id, state (1: running), worker, lease, tries, crashes."""
        columns = "message_id, state, worker_id, lease, tries, crashes"
        return self.query(f"SELECT {columns} FROM django_repid_message ORDER BY id")

    def all_run(self) -> bool:
        """Whether every job is claimed, and there is one."""
        found = self.messages()
        return bool(found) and all(state == 1 for _, state, *_ in found)

    def results(self) -> int:
        """How many results of successes are stored."""
        found = "SELECT count(*) FROM django_repid_bucket WHERE bucket_id LIKE 'job-%' AND success"
        return int(self.query(found)[0][0])

    def ledger(self, event: str | None = None) -> list[Line]:
        try:
            lines = (self.folder / "ledger").read_text().splitlines()
        except FileNotFoundError:
            return []
        parts = (line.split() for line in lines)
        found = [Line(event, int(n), int(pid), float(at)) for event, n, pid, at in parts]
        return [line for line in found if event is None or line.event == event]

    def began(self, *numbers: int) -> bool:
        return {line.number for line in self.ledger("began")} >= set(numbers)

    def release(self, number: int) -> None:
        """Let a held job end, and wait until it has."""
        (self.folder / f"release-{number}").touch()
        eventually(lambda: any(line.number == number for line in self.ledger("ended")))

    def all_is_done(self, seconds: float = 30) -> None:
        """Wait until no job is left; if one is, say in which state."""
        try:
            eventually(lambda: not self.messages(), seconds)
        except AssertionError:
            left = self.messages()
            table = "\n".join(map(str, left[:50]))
            workers = self.query("SELECT id, name, beat FROM django_repid_workerprocess")
            text = f"{len(left)} jobs are left (id, state, worker, lease, tries, crashes):"
            raise AssertionError(f"{text}\n{table}\nWorkers: {workers}") from None

    def runs_of_each(self) -> Counter[int]:
        return Counter(line.number for line in self.ledger("began"))

    def each_ran_once(self, count: int) -> None:
        """No job was lost, and none ran twice."""
        runs = self.runs_of_each()
        assert {n: times for n, times in runs.items() if times != 1} == {}
        assert sorted(runs) == list(range(count))
        assert self.results() == count


def at_work_since(stage: Stage, when: float) -> set[int]:
    return {line.pid for line in stage.ledger("began") if line.at > when}


def said_it_once(worker: Worker) -> None:
    """Each thread says once that the store is gone, and nothing else goes wrong."""
    assert worker.said.count(BROKER_SAYS) == 1
    assert worker.said.count(BEAT_SAYS) <= 1
    assert worker.said.count(JANITOR_SAYS) <= 1
    expected = (BROKER_SAYS, BEAT_SAYS, JANITOR_SAYS)
    assert [line for line in worker.troubles if not any(text in line for text in expected)] == []


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="repid-stage-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def on_postgres(**settings: str) -> Iterator[Stage]:
    with _folder() as folder, PostgresServer(settings=settings) as server:
        server.execute(f"CREATE DATABASE {DATABASE}")
        with _prepared(folder, server, "postgres") as stage:
            yield stage


@contextmanager
def on_mariadb(**settings: str) -> Iterator[Stage]:
    """MariaDB; what the project does it does as a user without special rights."""
    with _folder() as folder, MariaDBServer(settings=settings) as server:
        server.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
        server.execute("CREATE USER shop@'%'")
        server.execute(f"GRANT ALL ON {DATABASE}.* TO shop@'%'")
        with _prepared(folder, server, "mariadb", MYSQL_USER="shop") as stage:
            yield stage


@contextmanager
def _prepared(folder: Path, server: Any, kind: str, **more: str) -> Iterator[Stage]:
    stage = Stage(folder, {**server.environment(), "REPID_TEST_DATABASE": kind, **more})
    stage.server = server
    stage.run("django", "migrate", "-v0")
    yield stage


@contextmanager
def on_sqlite(folder: Path, journal: str = "WAL") -> Iterator["SQLiteStage"]:
    """A file in a folder of the test's; the ledger lies elsewhere."""
    with _folder() as ledger:
        stage = SQLiteStage(ledger, folder / "db.sqlite3", journal)
        stage.run("django", "migrate", "-v0")
        yield stage


class SQLiteStage(Stage):
    """A stage on a SQLite file."""

    def __init__(self, folder: Path, file: Path, journal: str) -> None:
        where = {"REPID_TEST_DATABASE": "sqlite", "OUTAGE_DATABASE": str(file)}
        super().__init__(folder, {**where, "OUTAGE_JOURNAL": journal})
        self.file = file

    def query(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=10)) as look:
            return look.execute(sql).fetchall()
