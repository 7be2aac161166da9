"""What a soak watches, and when a line counts as flat."""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.store import DEAD, Store

#: The last quarter's median may be this many times the second quarter's, plus the metric's slack.
FLAT = 1.25


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the plots; `slack`: what is too little to be a trend, in its unit."""

    name: str
    title: str
    slack: float


METRICS = (
    Metric("rss_mb", "memory of the workers, MB", 5),
    Metric("threads", "threads of the workers", 2),
    Metric("connections", "database connections", 2),
    Metric("messages_kb", "message table, kB", 1024),
    Metric("indexes_kb", "its indexes, kB", 1024),
    Metric("store_kb", "the whole database, kB", 8192),
    Metric("dead_rows", "dead rows (PostgreSQL), free pages (SQLite)", 1000),
    Metric("wal_kb", "write-ahead log (SQLite), kB", 4096),
    Metric("buckets", "results in the store", 1000),
    Metric("backlog", "jobs that wait or run", 50),
    Metric("rate", "jobs per second", 0),
    Metric("p50_ms", "pick-up, median, ms", 2),
    Metric("p99_ms", "pick-up, 99th percentile, ms", 25),
)


@dataclass(frozen=True, slots=True)
class Trend:
    """A metric's medians in the second and in the last quarter."""

    metric: Metric
    second: float
    last: float

    @property
    def is_flat(self) -> bool:
        if self.metric.name == "rate":  # here less is worse
            return self.last * FLAT >= self.second
        return self.last <= FLAT * self.second + self.metric.slack


def trends(samples: Sequence[dict[str, float]]) -> list[Trend]:
    quarter = max(1, len(samples) // 4)
    second, last = samples[quarter : 2 * quarter] or samples, samples[-quarter:]

    def median(some: Sequence[dict[str, float]], name: str) -> float:
        return statistics.median(one[name] for one in some)

    return [Trend(m, median(second, m.name), median(last, m.name)) for m in METRICS]


class Sampler:
    """Takes samples of a store and of the processes of its workers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._started = self._last = time.monotonic()
        self._place = 0

    def sample(self, pids: Sequence[int]) -> dict[str, float]:
        now = time.monotonic()
        waits = self._new_waits()
        taken = {
            "seconds": round(now - self._started, 1),
            "rss_mb": sum(_status(pid, "VmRSS:") for pid in pids) / 1024,
            "threads": sum(_status(pid, "Threads:") for pid in pids),
            "rate": len(waits) / max(now - self._last, 0.001),
            "p50_ms": _percentile(waits, 0.5),
            "p99_ms": _percentile(waits, 0.99),
            "buckets": self._number("SELECT count(*) FROM django_repid_bucket"),
            "backlog": self._number(
                f"SELECT count(*) FROM django_repid_message WHERE state <> {DEAD}"
            ),
            **(self._of_postgres() if self._store.server else self._of_sqlite(pids)),
        }
        self._last = now
        return {name: round(value, 2) for name, value in taken.items()}

    def _number(self, sql: str) -> float:
        return float(self._store.query(sql)[0][0] or 0)

    def _of_postgres(self) -> dict[str, float]:
        table = "'django_repid_message'"
        dead = "SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE relname LIKE 'django_repid%'"
        activity = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        return {
            "connections": self._number(activity),
            "messages_kb": self._number(f"SELECT pg_table_size({table}) / 1024"),
            "indexes_kb": self._number(f"SELECT pg_indexes_size({table}) / 1024"),
            "store_kb": self._number("SELECT pg_database_size(current_database()) / 1024"),
            "dead_rows": self._number(dead),
            "wal_kb": 0.0,
        }

    def _of_sqlite(self, pids: Sequence[int]) -> dict[str, float]:
        file = self._store.file
        wal = file.with_name(f"{file.name}-wal")
        return {
            "connections": sum(_handles(pid, file) for pid in pids),
            "messages_kb": 0.0,  # tables share the one file
            "indexes_kb": 0.0,
            "store_kb": file.stat().st_size / 1024,
            "dead_rows": self._number("PRAGMA freelist_count"),
            "wal_kb": wal.stat().st_size / 1024 if wal.exists() else 0.0,
        }

    def _new_waits(self) -> list[float]:
        """The pick-up times, in ms, that jobs have written since the last sample."""
        path = self._store.folder / "picked-up"
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._place)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._place += len(whole)
        return sorted(map(float, whole.split()))


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def _status(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)


def _handles(pid: int, file: Path) -> int:
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(entry) == str(file)
        except OSError:
            continue  # closed meanwhile
    return found
