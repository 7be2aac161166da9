"""What happened to a job, drawn to scale: spans of time as parts of a line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from django_repid.insight.jobs import Attempt, Whole
from django_repid.insight.state import JobState

#: The width of the whole line, and the least that a part has, so that it can be seen.
WIDTH = 1000
_LEAST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of a job's life. `kind` names its colour."""

    kind: str
    label: str
    begin: int
    end: int

    @property
    def took(self) -> int:
        """How long it was."""
        return max(self.end - self.begin, 0)


@dataclass(frozen=True, slots=True)
class Bar:
    """A span where it is drawn."""

    span: Span
    x: int
    width: int


def bars(job: Whole, now: int) -> list[Bar]:
    """Return the life of a job, drawn; nothing if too little is known of it."""
    spans = [span for span in _spans(job, now) if span.took]
    total = sum(span.took for span in spans)
    if not total:
        return []
    widths = [max(round(span.took / total * WIDTH), _LEAST) for span in spans]
    # What the narrow parts were given, the widest gives.
    widest = max(range(len(widths)), key=widths.__getitem__)
    widths[widest] = max(widths[widest] + WIDTH - sum(widths), _LEAST)
    places = [sum(widths[:number]) for number in range(len(widths))]
    return [Bar(*one) for one in zip(spans, places, widths, strict=True)]


def _spans(job: Whole, now: int) -> Iterator[Span]:
    begin, due = _beginning(job)
    if begin is None:
        return
    attempts = [one for one in reversed(job.attempts) if one.at - one.took >= begin]
    running, end = _run(job, now)
    starts = [one.at - one.took for one in attempts]
    first = min([*starts, *([running] if running else [])], default=end)
    if due is not None and begin < due <= first:
        yield Span(kind="later", label=_("deferred"), begin=begin, end=due)
        begin = due
    yield Span(kind="waiting", label=_("waited"), begin=begin, end=first)
    yield from _tries(attempts, running or end)
    if running:
        kind = {JobState.RUNNING: "running", JobState.DONE: "done"}.get(job.state, "failed")
        label = _("runs") if kind == "running" else _("ran")
        yield Span(kind=kind, label=label, begin=running, end=end)


def _tries(attempts: Sequence[Attempt], after: int) -> Iterator[Span]:
    """Return failed tries, and the waits between them and before what came after."""
    for number, one in enumerate(attempts):
        start = one.at - one.took
        label = _("try %d failed") % one.number
        yield Span(kind="failed", label=label, begin=start, end=max(one.at, start + 1))
        last = number == len(attempts) - 1
        following = after if last else attempts[number + 1].at - attempts[number + 1].took
        yield Span(kind="retrying", label=_("back-off"), begin=one.at, end=following)


def _beginning(job: Whole) -> tuple[int | None, int | None]:
    """Return when a job was enqueued, and when it was due, if it was to come later."""
    if job.standing is not None:
        standing = job.standing
        if standing.tick is not None:  # its occurrences before this one are none of this line's
            return standing.due_at, None
        return standing.enqueued_at, standing.due_at
    if job.ended is None or job.ended.terms is None or job.ended.terms.again is not None:
        return None, None
    return job.ended.terms.at, job.ended.terms.until


def _run(job: Whole, now: int) -> tuple[int, int]:
    """Return when the run began that is no failed try (0 if none did), and when all ended."""
    standing, ended = job.standing, job.ended
    if standing is not None:
        if standing.claimed_at is not None:
            return standing.claimed_at, now
        return 0, standing.run_at if job.state is JobState.FAILED else now
    began, finished = (ended.started_ns // 1000, ended.finished_ns // 1000) if ended else (0, 0)
    failed = job.state is not JobState.DONE
    return (0 if failed else began), finished
