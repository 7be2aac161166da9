"""The databases that are measured on: made anew for each drain, and dropped afterwards.

Where they are is read from the usual environment variables, as in the test suite; each has a name
of its own that begins with `repid_bench_`.
"""

import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[2]
PREFIX = "repid_bench_"


class Store(Protocol):
    """One place for jobs, empty when it is made."""

    def environment(self) -> dict[str, str]:
        """Return what a process needs to find it."""

    def settle(self) -> None:
        """Bring it to the same state before each measurement."""

    def count(self, query: str) -> int:
        """Answer one cheap question with a number."""

    def drop(self) -> None:
        """Remove it."""


class Postgres:
    """A database of its own on a PostgreSQL server."""

    def __init__(self, name: str) -> None:
        self.name = PREFIX + name
        self.admin = self._connect("postgres")
        self.connection: Any = None
        self._drop()
        self.admin.execute(f'CREATE DATABASE "{self.name}"')

    def _connect(self, database: str) -> Any:
        import psycopg

        return psycopg.connect(
            host=os.environ.get("PGHOST", "127.0.0.1"),
            port=os.environ.get("PGPORT", "5432"),
            user=os.environ.get("PGUSER", "postgres"),
            password=os.environ.get("PGPASSWORD", ""),
            dbname=database,
            autocommit=True,
        )

    def _drop(self) -> None:
        self.admin.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    def environment(self) -> dict[str, str]:
        return {
            "REPID_BENCH_NAME": self.name,
            "PGHOST": os.environ.get("PGHOST", "127.0.0.1"),
            "PGPORT": os.environ.get("PGPORT", "5432"),
            "PGUSER": os.environ.get("PGUSER", "postgres"),
            "PGDATABASE": self.name,
        }

    def query(self, query: str) -> tuple[Any, ...]:
        """Return the first row of the answer."""
        if self.connection is None:
            self.connection = self._connect(self.name)
        row: tuple[Any, ...] = self.connection.execute(query).fetchone()
        return row

    def run(self, statement: str) -> None:
        """Run a statement in the database."""
        if self.connection is None:
            self.connection = self._connect(self.name)
        self.connection.execute(statement)

    def count(self, query: str) -> int:
        return int(self.query(query)[0])

    def settle(self) -> None:
        self.run("VACUUM ANALYZE")
        self.admin.execute("CHECKPOINT")

    def wal(self) -> int:
        """Return how many bytes of WAL the server has written."""
        row = self.admin.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
        return int(row[0])

    def transactions(self) -> int:
        """Return how many transactions ran in this database; sessions report once a second."""
        row = self.admin.execute(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s",
            [self.name],
        ).fetchone()
        return int(row[0])

    def statements(self) -> int | None:
        """Return how many statements ran in this database; None without pg_stat_statements."""
        row = self.admin.execute(
            "SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'"
        ).fetchone()
        if not row[0]:
            return None
        row = self.admin.execute(
            "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s "
            "JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = %s",
            [self.name],
        ).fetchone()
        return int(row[0])

    def drop(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self._drop()
        self.admin.close()


class Sqlite:
    """A file, on the disk of the repository: memory would make syncing look free."""

    def __init__(self, name: str, synchronous: str) -> None:
        build = ROOT / "build"
        build.mkdir(exist_ok=True)
        self.folder = tempfile.TemporaryDirectory(prefix=PREFIX + name, dir=build)
        self.path = Path(self.folder.name) / "jobs.sqlite3"
        self.synchronous = synchronous

    def environment(self) -> dict[str, str]:
        return {
            "REPID_BENCH_NAME": str(self.path),
            "REPID_BENCH_SYNCHRONOUS": self.synchronous,
        }

    def settle(self) -> None:
        connection = sqlite3.connect(self.path)
        connection.execute("ANALYZE")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        os.sync()

    def count(self, query: str) -> int:
        connection = sqlite3.connect(self.path, timeout=20)
        try:
            return int(connection.execute(query).fetchone()[0])
        finally:
            connection.close()

    def drop(self) -> None:
        self.folder.cleanup()


class Mariadb:
    """A database of its own on a MariaDB server."""

    def __init__(self, name: str) -> None:
        self.name = PREFIX + name
        self.admin = self._connect(None)
        self._run(f"DROP DATABASE IF EXISTS {self.name}")
        self._run(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4")

    def _connect(self, database: str | None) -> Any:
        import MySQLdb

        return MySQLdb.connect(
            host=os.environ.get("MYSQL_HOST", "127.0.0.1"),
            port=int(os.environ.get("MYSQL_TCP_PORT", "3306")),
            user=os.environ.get("MYSQL_USER", "root"),
            password=os.environ.get("MYSQL_PWD", ""),
            autocommit=True,
            **({"database": database} if database else {}),
        )

    def _run(self, statement: str) -> Any:
        cursor = self.admin.cursor()
        cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None

    def environment(self) -> dict[str, str]:
        return {"REPID_BENCH_NAME": self.name}

    def settle(self) -> None:
        self._run("FLUSH LOCAL TABLES")

    def count(self, query: str) -> int:
        self._run(f"USE {self.name}")
        return int(self._run(query)[0])

    def drop(self) -> None:
        self._run(f"DROP DATABASE IF EXISTS {self.name}")
        self.admin.close()


class Redis:
    """A numbered database of a Redis server, which must be empty at first.

    It is number 9, or what REPID_BENCH_REDIS names. A query is the name of a list, a stream, a
    sorted set or a hash, or `DBSIZE`.
    """

    checked = False

    def __init__(self) -> None:
        import redis

        self.url = os.environ.get("REPID_BENCH_REDIS", "redis://127.0.0.1:6379/9")
        self.client = redis.Redis.from_url(self.url)
        if not Redis.checked and self.client.dbsize():
            message = f"{self.url} is not empty: name another in REPID_BENCH_REDIS"
            raise RuntimeError(message)
        Redis.checked = True
        self.client.flushdb()

    def environment(self) -> dict[str, str]:
        return {"REPID_BENCH_NAME": self.url, "RQ_REDIS_URL": self.url}

    def settle(self) -> None:
        pass

    def count(self, query: str) -> int:
        if query == "DBSIZE":
            return int(self.client.dbsize())
        commands = {b"list": "llen", b"stream": "xlen", b"zset": "zcard", b"hash": "hlen"}
        kind: Any = self.client.type(query)
        found = commands.get(kind)
        return int(getattr(self.client, found)(query)) if found else 0

    def drop(self) -> None:
        self.client.flushdb()
        self.client.close()


def make(kind: str, name: str, synchronous: str = "NORMAL") -> Any:
    """Return a new, empty store of this kind."""
    if kind == "postgres":
        return Postgres(name)
    if kind == "sqlite":
        return Sqlite(name, synchronous)
    if kind == "mariadb":
        return Mariadb(name)
    return Redis()
