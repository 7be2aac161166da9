"""Files that jobs, producers and the driver append to: what no database can undo or forget.

A line is one `write` to a file opened for appending, so those of several processes never mix.
Only the standard library: actors import this.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: Ids whose enqueue was committed; written, and forced to the disk, only after the commit.
LEDGER = "ledger"
#: Ids of transactions that are rolled back on purpose; written before they begin.
ROLLED_BACK = "rolled-back"
#: Ids of enqueues that failed: whether they were committed before that, nobody knows.
DOUBTFUL = "doubtful"
#: What jobs did: `began` and `ended`, the latter at the end of the work.
EFFECTS = "effects"
EVENTS = "events"


def append(path: Path, lines: Iterable[str], *, sync: bool = False) -> None:
    """Append lines, and with `sync` return only when they are on the disk."""
    data = "".join(f"{line}\n" for line in lines).encode()
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, data)
        if sync:
            os.fsync(file)
    finally:
        os.close(file)


def lines_of(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []


def folder() -> Path:
    """The folder of the run that this process belongs to."""
    return Path(os.environ["CHAOS_FOLDER"])


def note(event: str, job: str) -> None:
    """Say that an attempt of a job began, or came to the end of its work."""
    append(folder() / EFFECTS, [f"{event} {job} {os.getpid()} {time.time():.3f}"])


@dataclass(frozen=True, slots=True)
class Note:
    """A line of the effects; `at` by the clock on the wall."""

    event: str
    job: str
    pid: int
    at: float

    def __str__(self) -> str:
        return f"{clock(self.at)} {self.event} in process {self.pid}"


def notes(where: Path) -> Iterator[Note]:
    for line in lines_of(where / EFFECTS):
        event, job, pid, at = line.split()
        yield Note(event, job, int(pid), float(at))


def by_job(found: Iterable[Note]) -> dict[str, list[Note]]:
    groups: defaultdict[str, list[Note]] = defaultdict(list)
    for one in found:
        groups[one.job].append(one)
    return groups


def clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at)) + f"{at % 1:.3f}"[1:]
