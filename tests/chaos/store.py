"""The databases that a run may break: a SQLite file, or a server of the run's own.

Needs PostgreSQL's or MariaDB's programs on this machine, and never the machine's own server.
"""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.outages.servers import MariaDBServer, PostgresServer

ROOT = Path(__file__).parents[2]
DATABASE = "chaos"
TITLES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mariadb": "MariaDB"}
_ANSWER_SECONDS = 30.0

READY, RUNNING, DEAD = range(3)


class Store:
    """A database with the tables of the queue; `server` is None for SQLite."""

    def __init__(
        self, name: str, folder: Path, address: Mapping[str, str], options: str, server: Any = None
    ) -> None:
        self.name = name
        self.folder = folder
        self.server = server
        self.file = folder / f"{DATABASE}.sqlite3"
        self.environment = {
            **os.environ,
            **address,
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "PYTHONPATH": str(ROOT),
            "REPID_TEST_DATABASE": name,
            "REPID_TEST_FOLDER": str(folder),
            "CHAOS_DATABASE": DATABASE if server else str(self.file),
            "CHAOS_FOLDER": str(folder),
            "CHAOS_OPTIONS": options,
        }

    def query(self, sql: str) -> list[Any]:
        """Ask on a connection of its own; wait for a server that is just coming back."""
        end = time.monotonic() + _ANSWER_SECONDS
        while True:
            try:
                return self._ask(sql)
            except Exception:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def _ask(self, sql: str) -> list[Any]:
        if self.server is not None:
            return list(self.server.execute(sql, database=DATABASE))
        where = f"file:{self.file}?mode=ro"
        with closing(sqlite3.connect(where, uri=True, timeout=20)) as connection:
            return connection.execute(sql).fetchall()

    def migrate(self) -> None:
        """Make the tables."""
        done = subprocess.run(
            [sys.executable, "-m", "django", "migrate", "--run-syncdb", "-v0"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)

    # ---- What is in it.

    def waiting(self) -> int:
        """How many jobs are ready or running."""
        found = f"SELECT count(*) FROM django_repid_message WHERE state <> {DEAD}"
        return int(self.query(found)[0][0])

    def running(self, workers: set[int]) -> set[str]:
        """The ids of the jobs that the table says these workers run."""
        if not workers:
            return set()
        keys = ", ".join(map(str, sorted(workers)))
        found = self.query(
            "SELECT message_id FROM django_repid_message"
            f" WHERE state = {RUNNING} AND worker_id IN ({keys})"
        )
        return {one for (one,) in found}

    def workers(self) -> list[tuple[int, int, str]]:
        """Key, process id and name of each worker that is registered."""
        return self.query("SELECT id, pid, name FROM django_repid_workerprocess")


@contextmanager
def open_store(name: str, folder: Path, options: str, **settings: str) -> Iterator[Store]:
    """Have a store with empty tables; `settings` are the server's."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "sqlite":
        store = Store(name, folder, {}, options)
        store.migrate()
        yield store
        return
    kind: Any = {"postgres": PostgresServer, "mariadb": MariaDBServer}[name]
    with kind(settings=_SETTINGS[name] | settings) as server:
        server.execute(f"CREATE DATABASE {DATABASE} {_CHARACTERS[name]}")
        store = Store(name, folder, server.environment(), options, server)
        store.migrate()
        try:
            yield store
        finally:
            (folder / "server.log").write_text(server.log)


_SETTINGS = {
    "postgres": {"max_connections": "200"},
    "mariadb": {"max-connections": "200", "innodb-buffer-pool-size": "64M"},
}
_CHARACTERS = {"postgres": "", "mariadb": "CHARACTER SET utf8mb4"}
