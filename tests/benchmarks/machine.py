"""What the measurements were made on: machine, versions, commit."""

import datetime
import os
import platform
import sqlite3
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tests.benchmarks import stores

PACKAGES = (
    "django", "psycopg", "asyncpg", "mysqlclient", "redis", "hiredis", "pydantic",
    "procrastinate", "django-tasks-db", "django-q2", "pgqueuer", "chancy", "huey", "celery",
    "dramatiq", "rq", "taskiq", "taskiq-redis",
)  # fmt: skip


def about(scale: str) -> dict[str, Any]:
    """Return machine, versions, date and commit."""
    today = datetime.datetime.now(datetime.UTC).date()
    return {
        "date": today.isoformat(),
        "scale": scale,
        "commit": _commit(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory, GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": f"{platform.system()} {platform.release()}",
        },
        "versions": {"python": platform.python_version(), **_servers(), **_packages()},
    }


def _commit() -> str:
    """Return the commit, with a plus if files differ from it."""
    try:
        found = _output("git", "rev-parse", "--short", "HEAD")
        changed = _output("git", "status", "--porcelain", "--", "django_repid")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found + ("+" if changed else "")


def _output(*command: str) -> str:
    done = subprocess.run(
        command, cwd=stores.ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return done.stdout.decode().strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    pinned = Path(__file__).with_name("requirements-redis5.txt").read_text().splitlines()
    for line in pinned:
        name, _, number = line.partition("==")
        if number and name not in found:
            found[name] = number
    return found


def _servers() -> dict[str, str]:
    found = {"sqlite": sqlite3.sqlite_version}
    for kind, ask in (("postgresql", _postgresql), ("mariadb", _mariadb), ("redis server", _redis)):
        try:
            found[kind] = ask()
        except Exception as error:  # whatever a driver raises where no server runs
            print(f"{kind}: {type(error).__name__}", file=sys.stderr)
    return found


def _postgresql() -> str:
    store = stores.Postgres("about")
    try:
        return str(store.query("SHOW server_version")[0]).split()[0]
    finally:
        store.drop()


def _mariadb() -> str:
    store = stores.Mariadb("about")
    try:
        return str(store._run("SELECT version()")[0]).partition("-")[0]
    finally:
        store.drop()


def _redis() -> str:
    store = stores.Redis()
    try:
        return str(store.client.info("server")["redis_version"])
    finally:
        store.drop()
