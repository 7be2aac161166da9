"""Heads: where ready messages begin in the claim's index, and what a claim takes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Candidates looked at per message that is wanted, so that claims side by side find unlocked ones:
#: with five, four processes met no empty claim (measured on PostgreSQL: 10k against 7.7k jobs/s).
OVERFETCH = 5


@dataclass(frozen=True, slots=True)
class Head:
    """A queue, topic and priority that has ready messages, and when the first of them is due."""

    queue: str
    topic: str
    priority: int
    run_at: int
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Taking:
    """What a claim takes: at most `limit` due messages of these heads, for a worker."""

    heads: Sequence[Head]
    limit: int
    worker_id: int


def found_heads(found: Sequence[Sequence[Any]]) -> tuple[list[Head], int]:
    """Return heads and the time from rows of (now, queue, topic, priority, run_at, paused).

    There is always one row, for the time; without heads its other columns are NULL.
    """
    heads = [Head(row[1], row[2], row[3], row[4], bool(row[5])) for row in found if row[1]]
    return heads, int(found[0][0])
