"""Failures by their cause: which actor, and what went wrong where."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

#: Failures that are looked at, the newest first, and how far back.
LOOKED_AT = 2000
WINDOW_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Failing attempts with one cause. `dead`: how many of their jobs can be retried now.

    `text`: what the newest of them said, in one line.
    """

    topic: str
    queue: str
    exception: str
    fingerprint: str
    text: str
    count: int
    first: int
    last: int
    dead: int


@dataclass(frozen=True, slots=True)
class Causes:
    """The causes of the newest failures, the most frequent first.

    `complete`: all failures of the window were looked at. `quarantined`: how many of their jobs
    are dead because they killed what ran them.
    """

    found: Sequence[Cause] = ()
    complete: bool = True
    quarantined: int = 0


class CauseReader(Protocol):
    """The failures of a store."""

    def causes(self) -> Causes:
        """Return the causes of the newest failures."""
