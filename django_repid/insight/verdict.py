"""What is wrong, in words: a pure function from a snapshot to findings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_repid.insight import words
from django_repid.insight.queues import CAP, RATE_MINUTES, QueueState
from django_repid.insight.snapshot import Snapshot
from django_repid.insight.state import JobState
from django_repid.insight.workers import Liveness


class Level(IntEnum):
    """How bad something is; also the exit code of the health command that has found it."""

    INFO = 0
    WARNING = 1
    BROKEN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a person should know. `code` never changes; `text` is for reading.

    `about`: workers, queues, failures or schedules. `queue`, `actor` and `exception` say which.
    """

    level: Level
    code: str
    text: str
    about: str
    queue: str = ""
    actor: str = ""
    exception: str = ""


def verdict(seen: Snapshot) -> list[Finding]:
    """Judge a snapshot: what is wrong with it, the worst first."""
    rules = (_workers, _queues, _failures, _schedules, _quarantined, _pauses, _versions)
    found = [finding for rule in rules for finding in rule(seen)]
    return sorted(found, key=lambda finding: -finding.level)


def all_is_well(seen: Snapshot) -> str:
    """Say in one line that nothing was found, and what was checked."""
    alive = sum(worker.lives for worker in seen.workers)
    text = ngettext(
        "All is well: %d worker is alive, and nothing is late.",
        "All is well: %d workers are alive, and nothing is late.",
        alive,
    )
    return text % alive


def _workers(seen: Snapshot) -> Iterator[Finding]:
    if not any(worker.lives for worker in seen.workers):
        text = " ".join([_("No worker is alive."), *_last_seen(seen), *_due(seen.queues)])
        yield Finding(level=Level.BROKEN, code="no_worker", about="workers", text=text)
        return
    for worker in seen.workers:
        if worker.lives:
            continue
        name = worker.info.name
        if worker.state is Liveness.GONE:
            text = _("Worker %s is gone without a word; its jobs are given to others.") % name
        else:
            silence = words.age(seen.now - (worker.beat_at or seen.now))
            text = _("Worker %(name)s has been silent for %(span)s.") % {
                "name": name,
                "span": silence,
            }
        yield Finding(level=Level.WARNING, code="silent", about="workers", text=text)


def _last_seen(seen: Snapshot) -> Iterator[str]:
    """Say which worker was there last."""
    if not seen.workers:
        return
    last = max(seen.workers, key=lambda worker: worker.beat_at or worker.started_at)
    who = {"name": last.info.name, "pid": last.info.pid}
    if last.beat_at is None:
        yield _("%(name)s (pid %(pid)d) has ended without a word.") % who
        return
    who["ago"] = words.ago(last.beat_at, seen.now)
    yield _("The last sign of life came %(ago)s from %(name)s (pid %(pid)d).") % who


def _due(queues: Sequence[QueueState]) -> Iterator[str]:
    due = sum(queue.due for queue in queues if queue.pause is None)
    if due:
        yield ngettext("%s job is due.", "%s jobs are due.", due) % words.capped(due, CAP)


def _queues(seen: Snapshot) -> Iterator[Finding]:
    nobody = not any(worker.lives for worker in seen.workers)
    for queue in seen.queues:
        if queue.lost and not nobody:
            yield _lost(queue)
        if queue.pause is not None:
            continue
        if queue.unserved and not nobody:
            yield from _unserved(queue)
        elif queue.is_late and queue.oldest is not None and not nobody:
            text = _("Queue %(queue)s: the oldest due job has waited for %(age)s.") % {
                "queue": queue.name,
                "age": words.age(seen.now - queue.oldest),
            }
            yield Finding(
                level=Level.WARNING, code="late", about="queues", text=text, queue=queue.name
            )


def _lost(queue: QueueState) -> Finding:
    text = ngettext(
        "Queue %(queue)s: the worker of %(n)d running job is gone; it runs again soon.",
        "Queue %(queue)s: the workers of %(n)d running jobs are gone; they run again soon.",
        queue.lost,
    ) % {"queue": queue.name, "n": queue.lost}
    return Finding(level=Level.WARNING, code="lost", about="queues", text=text, queue=queue.name)


def _unserved(queue: QueueState) -> Iterator[Finding]:
    """Say of the whole queue that nobody serves it, or for which actors nobody does."""
    if not queue.workers:
        yield _waiting_in_vain(_("Queue %(queue)s: no live worker serves it."), queue, "", "")
        return
    for one in queue.unserved:
        only = QueueState(name=queue.name, now=queue.now, backlogs=[one], tally=queue.tally)
        text = _("Queue %(queue)s: no live worker knows the actor %(actor)s.")
        yield _waiting_in_vain(text, only, one.topic, "_actor")


def _waiting_in_vain(text: str, queue: QueueState, actor: str, suffix: str) -> Finding:
    due = queue.due
    what = ngettext(
        "%(due)s job is due, for %(age)s.",
        "%(due)s jobs are due, the oldest for %(age)s.",
        due,
    )
    age = words.age(queue.now - (queue.oldest or queue.now))
    values = {
        "queue": queue.name,
        "actor": actor,
        "due": words.capped(due, CAP),
        "age": age,
    }
    return Finding(
        level=Level.BROKEN,
        code=f"unserved{suffix}",
        about="queues",
        text=f"{text % values} {what % values}",
        queue=queue.name,
        actor=actor,
    )


def _failures(seen: Snapshot) -> Iterator[Finding]:
    for tally in seen.tallies:
        if not tally.is_failing:
            continue
        why = [
            one for one in seen.causes.found if (one.topic, one.queue) == (tally.topic, tally.queue)
        ]
        exception = max(why, key=lambda cause: cause.last).exception if why else ""
        text = _("%(actor)s: %(failed)d of %(runs)d runs failed in the last %(n)d minutes") % {
            "actor": tally.topic,
            "failed": tally.failures,
            "runs": tally.runs,
            "n": RATE_MINUTES,
        }
        yield Finding(
            level=Level.WARNING,
            code="failing",
            about="failures",
            text=f"{text} ({exception})." if exception else f"{text}.",
            queue=tally.queue,
            actor=tally.topic,
            exception=exception,
        )


def _schedules(seen: Snapshot) -> Iterator[Finding]:
    paused = {queue.name for queue in seen.queues if queue.pause is not None}
    for one in seen.schedules:
        values = {"id": one.id, "ago": words.ago(one.run_at, seen.now)}
        if one.state is JobState.FAILED:
            text = _("The schedule %(id)s has stopped: its job is a dead letter.") % values
            code = "schedule_dead"
        elif one.is_missed(seen.now) and one.queue not in paused:
            text = _("The schedule %(id)s missed its run %(ago)s.") % values
            code = "missed"
        else:
            continue
        yield Finding(
            level=Level.WARNING,
            code=code,
            about="schedules",
            text=text,
            queue=one.queue,
            actor=one.topic,
        )


def _quarantined(seen: Snapshot) -> Iterator[Finding]:
    if count := seen.causes.quarantined:
        text = ngettext(
            "%d job is in quarantine: it killed each process that ran it.",
            "%d jobs are in quarantine: they killed each process that ran them.",
            count,
        )
        yield Finding(
            level=Level.WARNING,
            code="quarantined",
            about="failures",
            text=text % count,
            exception="Quarantined",
        )


def _pauses(seen: Snapshot) -> Iterator[Finding]:
    for queue in seen.queues:
        pause = queue.pause
        if pause is None:
            continue
        values = {
            "queue": queue.name,
            "span": words.age(seen.now - pause.at),
            "by": pause.by,
        }
        text = _("Queue %(queue)s has been paused for %(span)s") % values
        if pause.by:
            text = _("Queue %(queue)s was paused by %(by)s %(span)s ago") % values
        reason = f": {pause.reason.rstrip('.')}" if pause.reason else ""
        waiting = " ".join([f"{text}{reason}.", *_waiting(queue.due)])
        yield Finding(
            level=Level.INFO, code="paused", about="queues", text=waiting, queue=queue.name
        )


def _waiting(due: int) -> Iterator[str]:
    if due:
        yield ngettext("%s job waits.", "%s jobs wait.", due) % words.capped(due, CAP)


def _versions(seen: Snapshot) -> Iterator[Finding]:
    versions = sorted({worker.info.version for worker in seen.workers if worker.lives})
    if len(versions) > 1:
        text = _("Live workers are of different versions: %s.") % ", ".join(versions)
        yield Finding(level=Level.INFO, code="versions", about="workers", text=text)
