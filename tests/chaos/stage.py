"""Two workers on one store, and what a single fault asks of them."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.chaos import records
from tests.chaos.fleet import Fleet
from tests.chaos.processes import eventually
from tests.chaos.records import Note
from tests.chaos.store import ROOT, Store, open_store

SILENCE, BEAT = 1.5, 0.3
_REST_SECONDS = 90.0


class Broken(Exception):
    """A promise was not kept."""


def expect(kept: bool, otherwise: str) -> None:
    if not kept:
        raise Broken(otherwise)


class Stage:
    """A store, its fleet, and the jobs that were enqueued."""

    silence = SILENCE

    def __init__(self, store: Store, fleet: Fleet) -> None:
        self.store = store
        self.fleet = fleet
        self.jobs: list[str] = []

    def enqueue(self, actor: str, count: int, **arguments: Any) -> None:
        """Enqueue jobs from a process of its own."""
        first = len(self.jobs)
        ids = [f"job-{number:05d}-{actor}" for number in range(first, first + count)]
        done = subprocess.run(
            [sys.executable, "-c", _ENQUEUE, actor, json.dumps(arguments), *ids],
            cwd=ROOT,
            env=self.store.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        self.jobs += ids

    # ---- Waiting.

    def until(self, ask: Callable[[], Any], what: str, seconds: float = _REST_SECONDS) -> Any:
        """Wait for something while the fleet is kept running."""

        def look() -> Any:
            self.fleet.tick()
            return ask()

        return eventually(look, what, seconds)

    def rest(self, seconds: float = _REST_SECONDS) -> None:
        """Wait until no job is left, and have the workers end in order."""
        self.until(lambda: not self.store.waiting(), "no job is left", seconds)
        codes = self.fleet.stop()
        expect(not any(codes), f"exit codes {codes}")

    def ended_more(self, count: int) -> None:
        before = self.done()
        self.until(lambda: self.done() >= before + count, "jobs end")

    # ---- What jobs have done.

    def notes(self, event: str) -> list[Note]:
        return [one for one in records.notes(self.store.folder) if one.event == event]

    def runs_of(self, job: str) -> list[Note]:
        return [one for one in self.notes("began") if one.job == job]

    def done(self) -> int:
        """How many jobs came to the end of their work."""
        return len({one.job for one in self.notes("ended")})

    def twice(self) -> set[str]:
        counts = Counter(one.job for one in self.notes("ended"))
        return {job for job, count in counts.items() if count > 1}

    def ran_once(self, count: int) -> None:
        runs = Counter(one.job for one in self.notes("began"))
        expect(len(runs) == count, f"{count - len(runs)} jobs are lost")
        expect(set(runs.values()) == {1}, f"run again: {[j for j, n in runs.items() if n > 1]}")
        expect(self.done() == count, "some did not end")

    def at_work_since(self, when: float) -> set[int]:
        return {one.pid for one in self.notes("began") if one.at > when}

    def began_again(self, jobs: set[str], since: float) -> list[float]:
        """Wait until all of these jobs run again; return how many seconds each took."""

        def begun() -> dict[str, float]:
            again = [one for one in self.notes("began") if one.at > since and one.job in jobs]
            return {one.job: one.at - since for one in reversed(again)}

        self.until(lambda: set(begun()) == jobs, "the jobs of the killed worker run elsewhere")
        return list(begun().values())

    def said_of(self, pid: int, what: str) -> bool:
        return any(member.pid == pid and what in member.said for member in self.fleet.members)


_ENQUEUE = """
import json, sys
import django
django.setup()
from django_repid import Job
actor, arguments, *ids = sys.argv[1:]
Job.enqueue_many_sync([Job(actor, id_=i, args={"job": i, **json.loads(arguments)}) for i in ids])
"""


@contextmanager
def on_stage(name: str, folder: Path) -> Iterator[Stage]:
    """Have two workers on a fresh store, and leave neither behind."""
    numbers = {"SILENCE_SECONDS": SILENCE, "BEAT_SECONDS": BEAT, "THREADS": 4, "DATABASE_LANES": 4}
    with open_store(name, folder, json.dumps(numbers)) as store:
        fleet = Fleet(store, (1, 1))
        try:
            fleet.start()
            yield Stage(store, fleet)
        finally:
            fleet.destroy()
            if left := store.query("SELECT * FROM django_repid_message"):
                lines = [f"{time.strftime('%H:%M:%S')} left: {row}" for row in left]
                records.append(folder / records.EVENTS, lines)
