"""Database servers of the tests' own, and what stands in front of them."""

import contextlib
import glob
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tests.outages.proxy import Proxy
from tests.outages.server import Server

__all__ = ["MariaDBServer", "PgBouncer", "PostgresServer", "Proxy"]


class PostgresServer(Server):
    """PostgreSQL as the machine has it; `settings` are of postgresql.conf."""

    user = "postgres"
    signals: ClassVar = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}

    def environment(self) -> dict[str, str]:
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres"}

    def connect(self, database: str = "postgres") -> Any:
        """A connection that commits each statement."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def execute(self, sql: str, *, database: str = "postgres") -> list[Any]:
        """Run a statement on a connection of its own; return its rows."""
        with contextlib.closing(self.connect(database)) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def _install(self) -> None:
        encoding = ("--encoding=UTF8", "--locale=C")
        how = ("--auth=trust", "--username=postgres", "--no-sync", "--no-instructions")
        self._run(self._binary("initdb"), "-D", str(self.folder / "data"), *how, *encoding)

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            **self.settings,
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        where = ["-D", str(self.folder / "data"), "-p", str(self.port)]
        return [self._binary("postgres"), *where, *options]

    def _ping(self) -> None:
        self.execute("SELECT 1")

    @staticmethod
    def _binary(name: str) -> str:
        versions = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
        found = versions[-1] if versions else shutil.which(name)
        assert found, f"{name} of PostgreSQL is not installed."
        return found


class MariaDBServer(Server):
    """MariaDB as the machine has it; `settings` are variables of the server's."""

    def environment(self) -> dict[str, str]:
        address = {"MYSQL_HOST": "127.0.0.1", "MYSQL_TCP_PORT": str(self.port)}
        return {**address, "MYSQL_USER": "root", "MYSQL_PWD": ""}

    def connect(self, database: str = "mysql") -> Any:
        """A connection that commits each statement."""
        import MySQLdb

        where = {"host": "127.0.0.1", "port": self.port, "user": "root", "database": database}
        return MySQLdb.connect(**where, autocommit=True, connect_timeout=5)

    def execute(self, sql: str, *, database: str = "mysql") -> list[Any]:
        """Run a statement on a connection of its own; return its rows."""
        connection = self.connect(database)
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def _install(self) -> None:
        how = ("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
        self._run("mariadb-install-db", "--no-defaults", *self._options(), *how)

    def _command(self) -> list[str]:
        binary = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        address = ["--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve"]
        files = [f"--socket={self.folder / 'sock'}", f"--pid-file={self.folder / 'pid'}"]
        settings = [f"--{key}={value}" for key, value in self.settings.items()]
        return [binary, "--no-defaults", *self._options(), *address, *files, *settings]

    def _options(self) -> list[str]:
        user = ["--user=root"] if os.getuid() == 0 else []
        return [f"--datadir={self.folder / 'data'}", "--innodb-log-file-size=16M", *user]

    def _ping(self) -> None:
        self.execute("SELECT 1")


class PgBouncer(Server):
    """PgBouncer in front of a PostgreSQL server; `settings` are of pgbouncer.ini."""

    user = "postgres"
    signals: ClassVar = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}

    def __init__(
        self,
        folder: Path | None,
        server: PostgresServer,
        pool_mode: str = "transaction",
        *,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder, settings=settings)
        self._server = server
        self._pool_mode = pool_mode

    def environment(self) -> dict[str, str]:
        return {**self._server.environment(), "PGPORT": str(self.port)}

    def _install(self) -> None:
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": self._pool_mode,
            **self.settings,
        }
        lines = [f"{key} = {value}" for key, value in settings.items()]
        behind = f"* = host=127.0.0.1 port={self._server.port} user=postgres"
        text = "\n".join(["[databases]", behind, "[pgbouncer]", *lines, ""])
        (self.folder / "pgbouncer.ini").write_text(text)

    def _command(self) -> list[str]:
        binary = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        return [binary, str(self.folder / "pgbouncer.ini")]

    def _ping(self) -> None:
        with contextlib.closing(PostgresServer.connect(self)) as connection:  # type: ignore[arg-type]  # a pooler has the same fields
            connection.execute("SELECT 1")
