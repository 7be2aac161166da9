"""Clients that enqueue one job after the other, as web requests do."""

import os
import random
import time
from pathlib import Path
from time import monotonic_ns
from typing import Any

from tests.benchmarks import tally

#: The pause between two jobs for an idle worker, in seconds.
PAUSES = (0.3, 0.7)


def pickup(system: Any, actor: str, count: str) -> list[int]:
    """Enqueue jobs far apart; return the moments just before. The first one only warms up."""
    moments = []
    with system.client(actor) as enqueue:
        for number in range(int(count)):
            time.sleep(random.uniform(*PAUSES))
            moments.append(monotonic_ns())
            enqueue(number)
    return moments


def closed(system: Any, actor: str, count: str, window: str) -> list[int]:
    """Enqueue job by job with at most `window` under way; return the moments just before."""
    folder = Path(os.environ[tally.FOLDER])
    moments: list[int] = []
    done = 0
    with system.client(actor) as enqueue:
        for number in range(int(count)):
            while number - done >= int(window):
                done = tally.read(folder).count
                if number - done >= int(window):
                    time.sleep(0.0002)
            moments.append(monotonic_ns())
            enqueue(number)
    return moments
