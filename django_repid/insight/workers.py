"""Workers as people see them: alive, draining, silent or gone."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from django.utils.translation import gettext_lazy as _

from django_repid.core.claims import WorkerInfo

#: A worker that has missed so many beats is silent; in any case after so many microseconds.
_BEATS = 3
_LONGEST_SILENCE_US = 30_000_000


class Liveness(StrEnum):
    """What a worker is. SILENT: nothing is heard of it. GONE: its process has ended, for sure."""

    ALIVE = "alive"
    DRAINING = "draining"
    SILENT = "silent"
    GONE = "gone"

    @property
    def word(self) -> str:
        """It in a word, to be shown."""
        return str(_WORDS[self])


_WORDS = {
    Liveness.ALIVE: _("alive"),
    Liveness.DRAINING: _("draining"),
    Liveness.SILENT: _("silent"),
    Liveness.GONE: _("gone"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """One worker. `beat_at`: its last sign of life; None where beats leave no trace."""

    id: int
    info: WorkerInfo
    state: Liveness
    started_at: int
    beat_at: int | None = None

    @property
    def lives(self) -> bool:
        """Whether it is there; one that drains takes no new jobs."""
        return self.state in (Liveness.ALIVE, Liveness.DRAINING)

    def takes(self, queue: str, topic: str | None = None) -> bool:
        """Whether it takes jobs from a queue, of an actor."""
        known = topic is None or topic in self.info.topics
        return self.state is Liveness.ALIVE and known and self.info.serves(queue)


class WorkerReader(Protocol):
    """The workers of a store."""

    def workers(self) -> list[WorkerState]:
        """Return those that are registered, the oldest first."""


def liveness(
    *,
    silence: int | None,
    beat: int,
    alive: bool | None = None,
    there: bool | None = None,
    draining: bool = False,
) -> Liveness:
    """Judge a worker.

    `silence`: microseconds since its last beat by the store's clock, None where none is written;
    `beat`: between two of them. `alive`: what the store knows from the operating system; `there`:
    whether its process is there. None: it cannot be told.
    """
    if alive is False or there is False:
        return Liveness.GONE
    if alive is None and silence is not None and silence > min(_BEATS * beat, _LONGEST_SILENCE_US):
        return Liveness.SILENT
    return Liveness.DRAINING if draining else Liveness.ALIVE
