"""Recurring jobs as people see them: in words, with the next run and how the last one ended."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from django_repid.core.schedule import ALIASES, Schedule
from django_repid.insight import words
from django_repid.insight.queues import TARGET_US
from django_repid.insight.state import JobState

#: So many of them are looked at.
LIMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleState:
    """One recurring job. `run_at`: when it runs next; of one that is dead, when it died."""

    id: str
    topic: str
    queue: str
    schedule: Schedule
    state: JobState
    run_at: int
    result_id: str | None = None
    dead_reason: str = ""

    @property
    def words(self) -> str:
        """When it comes, in words."""
        return in_words(self.schedule)

    def is_missed(self, now: int) -> bool:
        """Whether its time has come, and gone by without a run."""
        waits = self.state in (JobState.WAITING, JobState.LATER, JobState.RETRYING)
        return waits and now - self.run_at > TARGET_US


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    success: bool
    at: int
    exception: str | None = None


class ScheduleReader(Protocol):
    """The recurring jobs of a store."""

    def schedules(self) -> list[ScheduleState]:
        """Return up to `LIMIT` of them, in order of their actors and ids."""

    def outcomes(self, result_ids: Collection[str]) -> Mapping[str, Outcome]:
        """Return how the last runs ended whose results are still there."""


def in_words(schedule: Schedule) -> str:
    """Say when a schedule comes; a cron line in words where cron-descriptor is installed."""
    if schedule.every is not None:
        return _("every %s") % words.period(schedule.every)
    line = (schedule.cron or "").strip()
    try:
        from cron_descriptor import CasingTypeEnum, Options, get_description
    except ImportError:
        return line
    options = Options()
    options.use_24hour_time_format = True
    options.casing_type = CasingTypeEnum.Sentence
    options.locale_code = (get_language() or "en").replace("-", "_")
    try:
        return str(get_description(ALIASES.get(line.lower(), line), options))
    except Exception:  # noqa: BLE001 - it may not know what cronsim does: the line itself is right
        return line
