"""The other systems, a file for each, at the best settings that were found for them.

Each module offers what `Rival` says, runs in a process of its own, and imports its system at will.
Where its worker has no command of its own, running the module starts it.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Rival(Protocol):
    """What every system's module offers, django_repid's own included."""

    def prepare(self) -> None:
        """Make tables, queues and whatever else must be there first."""

    def enqueue(self, count: int, actor: str) -> None:
        """Enqueue `count` jobs, numbered from 0, the fastest way there is."""

    def client(self, actor: str) -> AbstractContextManager[Callable[[int], None]]:
        """Give a function that enqueues one job of a number, as a web request would."""
