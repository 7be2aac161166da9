"""What jobs leave behind: when each started, when the last ended, how many there were.

Each worker process writes to a file of its own, mapped into memory: four numbers, then the moment
at which each job started. Writing costs a job about half a microsecond and no system call, and
reading from outside costs the worker nothing, so nobody is slowed by being measured. Moments are
nanoseconds of the monotonic clock, which all processes of a machine share.

Only the standard library: jobs of every rival import this.
"""

import mmap
import os
import tempfile
import threading
from pathlib import Path
from time import monotonic_ns

FOLDER = "REPID_BENCH_TALLY"
JOBS = "REPID_BENCH_JOBS"

FIRST, LAST, COUNT, REPEATED, HEADER = range(5)
WORD = 8


class _Sheet:
    """The file of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.words: memoryview | None = None

    def open(self) -> memoryview:
        path = Path(os.environ[FOLDER]) / str(os.getpid())
        size = WORD * (HEADER + int(os.environ.get(JOBS, "0")))
        with path.open("w+b") as file:
            file.truncate(size)
            self.words = memoryview(mmap.mmap(file.fileno(), size)).cast("q")
        return self.words


_sheet = _Sheet()


def _forked() -> None:
    """Give the child of a fork a sheet of its own."""
    global _sheet  # noqa: PLW0603 - one sheet per process
    _sheet = _Sheet()


os.register_at_fork(after_in_child=_forked)


def started(number: int) -> None:
    """Note that job `number` has started; a negative number is only counted."""
    now = monotonic_ns()
    sheet = _sheet
    with sheet.lock:
        words = sheet.words or sheet.open()
        if not words[FIRST]:
            words[FIRST] = now
        if number >= 0:
            if words[HEADER + number]:
                words[REPEATED] += 1
            else:
                words[HEADER + number] = now


def ended() -> None:
    """Note that a job has ended."""
    now = monotonic_ns()
    sheet = _sheet
    with sheet.lock:
        words = sheet.words or sheet.open()
        words[LAST] = now
        words[COUNT] += 1


def ran(number: int) -> None:
    """Note a job that starts and ends in one moment."""
    started(number)
    ended()


# ---- Reading, in the process that measures.


class Reading:
    """The sum of all sheets of a folder at one moment."""

    def __init__(self, sheets: list[tuple[int, ...]]) -> None:
        self.first = min((sheet[FIRST] for sheet in sheets if sheet[FIRST]), default=0)
        self.last = max((sheet[LAST] for sheet in sheets), default=0)
        self.count = sum(sheet[COUNT] for sheet in sheets)
        self.repeated = sum(sheet[REPEATED] for sheet in sheets)
        self.processes = len(sheets)

    @property
    def seconds(self) -> float:
        return max((self.last - self.first) / 1e9, 1e-9)


def read(folder: Path) -> Reading:
    """Return the sum of the sheets so far."""
    return Reading([words for path in folder.iterdir() if (words := _words(path, HEADER))])


def starts(folder: Path) -> tuple[dict[int, int], int]:
    """Return the moment at which each job started, and how many ran in two processes."""
    moments: dict[int, int] = {}
    twice = 0
    for path in folder.iterdir():
        for number, moment in enumerate(_words(path)[HEADER:]):
            if moment:
                twice += number in moments
                moments[number] = moment
    return moments, twice


def _words(path: Path, limit: int | None = None) -> tuple[int, ...]:
    with path.open("rb") as file:
        data = file.read(-1 if limit is None else limit * WORD)
    if len(data) < HEADER * WORD:
        return ()  # being made
    return tuple(memoryview(data).cast("q"))


def make_folder() -> Path:
    """Return a new folder, in memory where the machine has such."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="repid-bench-", dir=memory if memory.is_dir() else None))
