"""Which jobs that are under suspicion may run now, and where: see `core.suspicion`."""

import random
from collections import Counter
from enum import Enum

from django_repid.core.message import StoredMessage
from django_repid.core.suspicion import AT_ONCE, ISOLATED

#: A suspect that finds no room comes back after this long, and later the more of them wait.
_PAUSE_US, _PER_WAITING_US, _MOST_WAITING = 500_000, 20_000, 500


class Place(Enum):
    """Where a job runs."""

    WORKER = "in the worker"
    CELL = "in a process of its own"
    LATER = "not now"


class Suspects:
    """Counts the suspects of a worker; only its broker thread does."""

    def __init__(self) -> None:
        self._running: Counter[int] = Counter()
        self._turned_away = 0

    def admit(self, message: StoredMessage) -> Place:
        """Say where a suspect is to run. Unless it is "later", it is let go at its end."""
        level = min(message.suspicion, ISOLATED)
        if self._running[level] >= AT_ONCE.get(level, 1):
            self._turned_away += 1
            return Place.LATER
        self._turned_away = 0
        self._running[level] += 1
        return Place.CELL if level == ISOLATED else Place.WORKER

    def let_go(self, message: StoredMessage) -> None:
        """Take note that a suspect that was admitted has come to an end."""
        self._running[min(message.suspicion, ISOLATED)] -= 1

    def pause_us(self) -> int:
        """Return how long one that was turned away is to wait: they come back one by one."""
        waiting = min(self._turned_away, _MOST_WAITING)
        return _PAUSE_US + round(waiting * _PER_WAITING_US * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
