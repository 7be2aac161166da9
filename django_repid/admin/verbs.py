"""What can be done with jobs, in which states, and what it takes to be allowed to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, ngettext_lazy

from django_repid.admin.links import has
from django_repid.core import steering
from django_repid.core.connection import Connection
from django_repid.insight.jobs import Whole
from django_repid.insight.state import JobState

_WAITING = (JobState.WAITING, JobState.LATER, JobState.RETRYING)
_ENDED = (JobState.DONE, JobState.CANCELLED, JobState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that can be done. `of_jobs`, `of_results`: in which states, on which of the two.

    `danger`: it cannot be taken back. `steer`: with messages; results are repeated or removed.
    """

    name: str
    label: str | Promise
    question: str | Promise
    done: Any
    note: str | Promise = ""
    permission: str = "retry_job"
    result_permission: str = ""
    of_jobs: Sequence[JobState] = ()
    of_results: Sequence[JobState] = ()
    danger: bool = False
    steer: Callable[[Connection, Sequence[str]], list[str]]

    def allowed(self, request: HttpRequest, *, result: bool = False) -> bool:
        """Whether somebody may do it."""
        return has(request, (self.result_permission if result else "") or self.permission)

    def takes(self, state: JobState, *, result: bool) -> bool:
        """Whether it can be done with a job in this state."""
        return state in (self.of_results if result else self.of_jobs)


ACTIONS = (
    Action(
        name="retry",
        label=gettext_lazy("Retry"),
        question=gettext_lazy("Retry these jobs?"),
        note=gettext_lazy("Each starts over now, with all its tries."),
        done=ngettext_lazy("%d job starts over.", "%d jobs start over."),
        of_jobs=[JobState.FAILED],
        of_results=[JobState.FAILED],
        steer=steering.retry,
    ),
    Action(
        name="run_now",
        label=gettext_lazy("Run now"),
        question=gettext_lazy("Run these jobs now?"),
        note=gettext_lazy("They do not wait for their time; it costs no try."),
        done=ngettext_lazy("%d job is due now.", "%d jobs are due now."),
        of_jobs=[JobState.LATER, JobState.RETRYING],
        steer=steering.run_now,
    ),
    Action(
        name="run_again",
        label=gettext_lazy("Run again"),
        question=gettext_lazy("Run these jobs again?"),
        note=gettext_lazy("Each is enqueued once more with the arguments that it had."),
        done=ngettext_lazy("%d job was enqueued again.", "%d jobs were enqueued again."),
        of_results=[JobState.DONE, JobState.CANCELLED],
        steer=steering.retry,
    ),
    Action(
        name="cancel",
        label=gettext_lazy("Cancel"),
        question=gettext_lazy("Cancel these jobs?"),
        note=gettext_lazy(
            "Those that wait are gone, those that run are asked to stop, and recurring ones come "
            "no more."
        ),
        done=ngettext_lazy("%d job was cancelled.", "%d jobs were cancelled."),
        permission="cancel_job",
        of_jobs=[*_WAITING, JobState.RUNNING, JobState.LOST],
        danger=True,
        steer=steering.cancel,
    ),
    Action(
        name="delete",
        label=gettext_lazy("Delete"),
        question=gettext_lazy("Delete these jobs?"),
        note=gettext_lazy("They leave no result, and cannot be brought back."),
        done=ngettext_lazy("%d job was deleted.", "%d jobs were deleted."),
        permission="delete_message",
        result_permission="delete_bucket",
        of_jobs=[*_WAITING, JobState.FAILED],
        of_results=_ENDED,
        danger=True,
        steer=steering.delete,
    ),
)


def offered(request: HttpRequest, state: JobState | None) -> list[Action]:
    """Return what somebody may do in a list of jobs of one state; None: of several."""
    found = []
    for action in ACTIONS:
        jobs = action.of_jobs if state is None else [one for one in action.of_jobs if one is state]
        results = [one for one in action.of_results if state in (None, one)]
        if (jobs and action.allowed(request)) or (results and action.allowed(request, result=True)):
            found.append(action)
    return found


def legal(request: HttpRequest, job: Whole) -> list[Action]:
    """Return what somebody may do with a job now."""
    result = job.standing is None
    if result and (job.ended is None or not job.ended.is_result):
        return []
    return [
        action
        for action in ACTIONS
        if action.takes(job.state, result=result) and action.allowed(request, result=result)
    ]
