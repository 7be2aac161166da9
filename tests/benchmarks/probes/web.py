"""A web request that writes one row, beside a worker."""

import os
import time
from pathlib import Path
from typing import Any

from tests.benchmarks import tally

PAUSE = 0.005
PATIENCE = 60.0


def inserts(system: Any, jobs: str) -> list[float]:
    """Insert rows one by one from the first job to the last; return how long each took, in ms."""
    from tests.benchmarks.project.models import Page

    folder = Path(os.environ[tally.FOLDER])
    Page.objects.create(title="warm up", text="x" * 200)
    print("{}", flush=True)  # ready
    deadline = time.monotonic() + PATIENCE
    while not tally.read(folder).count and time.monotonic() < deadline:
        time.sleep(0.001)
    taken = []
    while tally.read(folder).count < int(jobs) and time.monotonic() < deadline:
        started = time.perf_counter()
        Page.objects.create(title="a page", text="x" * 200)
        taken.append((time.perf_counter() - started) * 1_000)
        time.sleep(PAUSE)
    return taken
