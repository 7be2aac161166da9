"""The states of a job as people see them: more than a row's three."""

from enum import StrEnum

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_repid.core.message import MessageState


class JobState(StrEnum):
    """What a job is doing. The value names its glyph and its colour."""

    WAITING = "waiting"
    LATER = "later"
    RUNNING = "running"
    RETRYING = "retrying"
    FAILED = "failed"
    LOST = "lost"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def word(self) -> str:
        """The state in one word, to be shown."""
        return str(_WORDS[self])


_WORDS = {
    JobState.WAITING: _("waiting"),
    JobState.LATER: _("later"),
    JobState.RUNNING: _("running"),
    JobState.RETRYING: _("retrying"),
    JobState.FAILED: pgettext_lazy("state of a job", "failed"),
    JobState.LOST: pgettext_lazy("state of a job", "lost"),
    JobState.DONE: pgettext_lazy("state of a job", "done"),
    JobState.CANCELLED: pgettext_lazy("state of a job", "cancelled"),
}


def state_of(
    state: MessageState, run_at: int, *, now: int, tries: int = 0, orphaned: bool = False
) -> JobState:
    """Return what a message that stands in its store is doing.

    `orphaned`: it is running by what its row says, and its worker is not there any more.
    """
    if state is MessageState.DEAD:
        return JobState.FAILED
    if state is MessageState.RUNNING:
        return JobState.LOST if orphaned else JobState.RUNNING
    if tries:
        return JobState.RETRYING
    return JobState.LATER if run_at > now else JobState.WAITING
