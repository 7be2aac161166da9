"""Run the suite once per database: everything on SQLite, tests marked `store` on the others too.

Tests marked `redis` run on a Redis server, beside SQLite. While the first of several databases has
its tests, the others have theirs, one after another; what these print comes when it is done.

    python tests/run.py                              every database that answers
    python tests/run.py --database postgres          that one only
    python tests/run.py --database sqlite -k claim   whatever follows is pytest's
    python tests/run.py --harsh                      the tests marked `harsh`, which take minutes
    python tests/run.py --browser                    the tests marked `browser`, on SQLite

A server that does not answer is left out with a line that says so, as Chromium is where there is
none; where a server was asked for by name, or CI or REPID_REQUIRE_DATABASES is set, that is a
failure. Servers are looked for at the addresses of PGHOST, PGPORT, PGUSER, PGPASSWORD, of
MYSQL_HOST, MYSQL_TCP_PORT, MYSQL_USER, MYSQL_PWD, and of REPID_TEST_REDIS. tests/settings.py reads
the same variables, and REPID_TEST_DATABASE.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
NO_TESTS_COLLECTED = 5  # pytest's exit code for it
LOCAL_SOCKET = ""  # PostgreSQL's own word for it


class Unreachable(Exception):
    """The database cannot be used; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database to test on."""

    name: str
    title: str
    reach: Callable[[], dict[str, str]]
    """Connect; return the environment that leads there, or raise Unreachable."""
    select: str = "store"
    """Which tests run there, as pytest's -m takes it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one database."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.passed or self.failed or self.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def main() -> int:
    arguments, pytest_arguments = parse(sys.argv[1:])
    chosen = [d for d in DATABASES if not arguments.database or d.name in arguments.database]
    if arguments.browser:
        chosen = [BROWSER]
    if arguments.harsh:
        chosen = [replace(d, select=f"harsh and {d.select}") for d in chosen]
    required = bool(arguments.database) or is_set("CI") or is_set("REPID_REQUIRE_DATABASES")
    coverage("erase")
    # The tests marked `harsh` want the machine for themselves.
    beside = [] if arguments.harsh or len(chosen) < 2 else chosen[1:]
    with ThreadPoolExecutor(1) as second:
        later = [second.submit(run_quietly, d, pytest_arguments, required=required) for d in beside]
        outcomes = {
            d.title: run(d, pytest_arguments, required=required) for d in chosen if d not in beside
        }
        for database, done in zip(beside, later, strict=True):
            outcomes[database.title], printed = done.result()
            print(printed, end="", flush=True)
    coverage("combine", "--quiet")
    report(outcomes)
    nothing_ran = all(outcome.is_empty for outcome in outcomes.values())
    left_out = arguments.browser and nothing_ran  # which a person is told, and may live with
    return int(
        (nothing_ran and not left_out) or any(outcome.failed for outcome in outcomes.values())
    )


def parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", action="append", choices=[d.name for d in DATABASES])
    parser.add_argument("--harsh", action="store_true")
    parser.add_argument("--browser", action="store_true")
    return parser.parse_known_args(words)


def is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() not in {"", "0", "false", "no"}


def run_quietly(
    database: Database, pytest_arguments: list[str], *, required: bool
) -> tuple[Outcome, str]:
    """Run as `run` does, and return what it printed: another run prints meanwhile."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as printed:
        outcome = run(database, pytest_arguments, required=required, to=printed)
        printed.seek(0)
        return outcome, printed.read()


def run(
    database: Database,
    pytest_arguments: list[str],
    *,
    required: bool,
    to: IO[str] | None = None,
) -> Outcome:
    try:
        address = database.reach()
    except Unreachable as reason:
        print(f"\n{database.title} is left out: {reason}", file=to, flush=True)
        return Outcome(failed=int(required), note=f"left out: {reason}")
    print(f"\nOn {database.title}:", file=to, flush=True)
    environment = {**os.environ, "REPID_TEST_DATABASE": database.name, **address}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.xml"
        command = ["-m", "coverage", "run", "-m", "pytest", f"--junit-xml={counts}"]
        code = python([*command, "-m", database.select, *pytest_arguments], environment, to)
        return read(counts, code, bool(pytest_arguments), time.monotonic() - started)


def read(counts: Path, code: int, narrowed: bool, seconds: float) -> Outcome:
    """Turn what pytest left behind into numbers; a run that went wrong counts as a failure."""
    note = f"in {seconds:.0f} s"
    if code == NO_TESTS_COLLECTED and narrowed:
        return Outcome(note="nothing chosen here")
    if not counts.exists():
        return Outcome(failed=1, note=f"pytest ended with code {code}")
    suites = ElementTree.parse(counts).getroot().findall("testsuite")
    tests, failures, errors, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites)
        for name in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    if code and not failed:
        failed, note = 1, f"pytest ended with code {code}"
    return Outcome(tests - failures - errors - skipped, failed, skipped, note)


def report(outcomes: dict[str, Outcome]) -> None:
    """Print a line per database and, last and alone on its line, the sum."""
    print()
    for title, outcome in outcomes.items():
        numbers = "" if outcome.is_empty else f"{outcome}, "
        print(f"  {title:<11} {numbers}{outcome.note}")
    total = Outcome(
        passed=sum(outcome.passed for outcome in outcomes.values()),
        failed=sum(outcome.failed for outcome in outcomes.values()),
        skipped=sum(outcome.skipped for outcome in outcomes.values()),
    )
    print(f"\n{total}", flush=True)


def coverage(*words: str) -> None:
    """Do something with the measured data; without any there is nothing to say about it."""
    command = [sys.executable, "-m", "coverage", *words]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)


def python(words: list[str], environment: dict[str, str], to: IO[str] | None) -> int:
    """Run this interpreter; on Ctrl-C let the child, who hears it too, tidy up first."""
    with subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env=environment, stdout=to, stderr=to
    ) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            sys.exit(130)


def reach_sqlite() -> dict[str, str]:
    return {}


def reach_postgres() -> dict[str, str]:
    try:
        import psycopg
    except ImportError as error:
        raise Unreachable(f"its driver is missing ({one_line(error)})") from error
    user = os.environ.get("PGUSER", "postgres")
    reason = ""
    for host in [os.environ["PGHOST"]] if "PGHOST" in os.environ else [LOCAL_SOCKET, "127.0.0.1"]:
        try:
            with psycopg.connect(
                host=host, user=user, dbname="postgres", connect_timeout=5
            ) as connection:
                there = connection.info
                return {"PGHOST": there.host, "PGPORT": str(there.port), "PGUSER": user}
        except psycopg.OperationalError as error:
            reason = one_line(error)
    raise Unreachable(reason)


def reach_mariadb() -> dict[str, str]:
    try:
        import MySQLdb
    except ImportError as error:
        raise Unreachable(f"its driver is missing ({one_line(error)})") from error
    address = {
        "MYSQL_HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
        "MYSQL_TCP_PORT": os.environ.get("MYSQL_TCP_PORT", "3306"),
        "MYSQL_USER": os.environ.get("MYSQL_USER", "root"),
        "MYSQL_PWD": os.environ.get("MYSQL_PWD", ""),
    }
    try:
        MySQLdb.connect(
            host=address["MYSQL_HOST"],
            port=int(address["MYSQL_TCP_PORT"]),
            user=address["MYSQL_USER"],
            password=address["MYSQL_PWD"],
            connect_timeout=5,
        ).close()
    except MySQLdb.OperationalError as error:
        raise Unreachable(one_line(error)) from error
    return address


def reach_redis() -> dict[str, str]:
    try:
        import redis
    except ImportError as error:
        raise Unreachable(f"its driver is missing ({one_line(error)})") from error
    url = os.environ.get("REPID_TEST_REDIS", "redis://127.0.0.1:6379/15")
    try:
        with redis.Redis.from_url(url, socket_timeout=5) as client:
            client.ping()
    except redis.RedisError as error:
        raise Unreachable(one_line(error)) from error
    return {"REPID_TEST_REDIS": url, "REPID_TEST_DATABASE": "sqlite"}


def reach_chromium() -> dict[str, str]:
    path = os.environ.get("REPID_CHROMIUM") or shutil.which("chromium")
    if path is None:
        raise Unreachable("apt-get install chromium, or name another one in REPID_CHROMIUM")
    return {"REPID_CHROMIUM": path}


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())


DATABASES = (
    Database("sqlite", "SQLite", reach_sqlite, select="not redis"),
    Database("postgres", "PostgreSQL", reach_postgres),
    Database("mariadb", "MariaDB", reach_mariadb),
    Database("redis", "Redis", reach_redis, select="redis"),
)
BROWSER = Database("sqlite", "Chromium", reach_chromium, select="browser")


if __name__ == "__main__":
    sys.exit(main())
