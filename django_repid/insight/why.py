"""Why a job does not run, in words: a pure function of what is known of it and around it."""

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_repid.core.suspicion import ISOLATED
from django_repid.insight import words
from django_repid.insight.jobs import Standing, Whole
from django_repid.insight.queues import Pause
from django_repid.insight.state import JobState
from django_repid.insight.workers import WorkerState


def why(
    job: Whole,
    *,
    now: int,
    workers: Sequence[WorkerState],
    pauses: Sequence[Pause],
    args_wait_us: int,
    known: bool = True,
) -> list[str]:
    """Return what keeps a job from running, or what is to be known while it does.

    `known`: whether the process that asks knows its actor.
    """
    standing = job.standing
    if standing is None or job.state is JobState.FAILED:
        return []
    if job.state in (JobState.RUNNING, JobState.LOST):
        return list(_running(job, standing, workers))
    unknown = [] if known else [_("The code that runs here knows no actor %s.") % standing.topic]
    found = [*_itself(job, standing, now, args_wait_us), *_around(standing, now, workers, pauses)]
    return [*found, *unknown] or [_("It is due, and a worker takes it as soon as it has room.")]


def _running(job: Whole, standing: Standing, workers: Sequence[WorkerState]) -> Iterator[str]:
    name = next((one.info.name for one in workers if one.id == standing.worker_id), "")
    if job.state is JobState.LOST:
        text = _("The worker %s that ran it is gone.") % name if name else ""
        yield text or _("The worker that ran it is gone.")
        if any(worker.lives for worker in workers):
            yield _("It runs again soon, at no cost of a try.")
        else:
            yield _("It runs again once a worker is alive.")
    elif name:
        yield _("It runs on %s.") % name
    if standing.cancel_asked:
        yield _("It was asked to stop.")


def _itself(job: Whole, standing: Standing, now: int, args_wait_us: int) -> Iterator[str]:
    spec = standing.spec
    if standing.waits_for:
        ttl = args_wait_us if spec is None or spec.ttl is None else spec.ttl
        left = words.ago(standing.due_at + ttl, now)
        text = _(
            "It waits for the bucket %(bucket)s, which is not there yet; it gives up %(when)s."
        )
        yield text % {"bucket": standing.waits_for, "when": left}
    elif job.state is JobState.RETRYING and standing.run_at > now:
        tries = 1 + (0 if spec is None else spec.retries)
        text = _("Try %(next)d of %(tries)d comes %(when)s.")
        when = words.ago(standing.run_at, now)
        yield text % {"next": standing.tries + 1, "tries": tries, "when": when}
    elif standing.run_at > now:
        yield _("It is due %s.") % words.ago(standing.run_at, now)
    if standing.suspicion >= ISOLATED:
        yield _("It may have killed its worker, so it runs alone in a process of its own.")


def _around(
    standing: Standing, now: int, workers: Sequence[WorkerState], pauses: Sequence[Pause]
) -> Iterator[str]:
    pause = next((one for one in pauses if one.queue == standing.queue), None)
    if pause is not None:
        values = {"queue": pause.queue, "by": pause.by, "ago": words.ago(pause.at, now)}
        text = _("The queue %(queue)s was paused %(ago)s") % values
        if pause.by:
            text = _("The queue %(queue)s was paused by %(by)s %(ago)s") % values
        yield f"{text}: {pause.reason.rstrip('.')}." if pause.reason else f"{text}."
    serving = [worker for worker in workers if worker.takes(standing.queue)]
    knowing = [worker for worker in serving if worker.takes(standing.queue, standing.topic)]
    if not any(worker.lives for worker in workers):
        yield _("No worker is alive.")
    elif not serving:
        yield _("No live worker serves the queue %s.") % standing.queue
    elif not knowing:
        text = ngettext(
            "%(n)d worker serves the queue %(queue)s, but it does not know the actor %(actor)s.",
            "%(n)d workers serve the queue %(queue)s, but none knows the actor %(actor)s.",
            len(serving),
        )
        yield text % {"n": len(serving), "queue": standing.queue, "actor": standing.topic}
