"""The overview: what `/admin/django_repid/` shows instead of a list of models."""

from dataclasses import dataclass
from typing import Any

from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_repid.admin.base import context, reader_for
from django_repid.admin.links import has, jobs_url, may, page_url
from django_repid.insight import words
from django_repid.insight.causes import LOOKED_AT, Cause
from django_repid.insight.queues import CAP, QueueState
from django_repid.insight.snapshot import Snapshot, look

#: Causes that the overview lists.
_CAUSES = 12


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue, and where its page and its jobs are."""

    queue: QueueState
    url: str
    failed_url: str
    pausable: bool


@dataclass(frozen=True, slots=True)
class CauseRow:
    """A cause, and the list of its jobs; `retry_url`: of those that are dead, to be retried."""

    cause: Cause
    url: str
    retry_url: str


def overview(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the overview: as much of it as somebody may see."""
    seen = look(reader_for(request))
    shows_queues, shows_causes = may(request, "view", "queue"), may(request, "view", "failure")
    return context(
        request,
        title=_("Background jobs"),
        current="",
        seen=seen,
        facts=_facts(seen) if shows_queues else (),
        rows=queue_rows(request, seen) if shows_queues else (),
        shows_queues=shows_queues,
        causes=_cause_rows(request, seen) if shows_causes else (),
        shows_causes=shows_causes,
        looked_at=LOOKED_AT,
        cap=CAP,
    )


def queue_rows(request: HttpRequest, seen: Snapshot) -> list[QueueRow]:
    """Return the rows of the table of queues."""
    jobs = may(request, "view", "message")
    return [
        QueueRow(
            queue,
            page_url("queue_change", quote(queue.name), request=request),
            jobs_url(request, queue=queue.name, state="failed") if jobs else "",
            has(request, "pause_queue"),
        )
        for queue in seen.queues
    ]


def _cause_rows(request: HttpRequest, seen: Snapshot) -> list[CauseRow]:
    jobs, retry = may(request, "view", "message"), has(request, "retry_job")
    rows = []
    for cause in seen.causes.found[:_CAUSES]:
        url = jobs_url(request, actor=cause.topic, error=cause.exception, state="failed")
        shown = url if jobs else ""
        rows.append(CauseRow(cause, shown, shown if retry and cause.dead else ""))
    return rows


def _facts(seen: Snapshot) -> list[tuple[str, str]]:
    """Return the figures of all queues together, each with what it says."""
    queues = seen.queues
    waits = [queue.oldest for queue in queues if queue.oldest is not None and queue.pause is None]
    runs = sum(queue.tally.runs for queue in queues)
    failures = sum(queue.tally.failures for queue in queues)
    per_minute = sum(queue.per_minute for queue in queues)
    return [
        (_("Due now"), words.capped(sum(queue.due for queue in queues), CAP)),
        (_("Oldest due"), words.age(seen.now - min(waits)) if waits else "–"),
        (_("Running"), str(sum(queue.running for queue in queues))),
        (_("Runs a minute"), words.rate(per_minute)),
        (_("Failed, 5 min"), f"{failures / runs:.0%}" if runs else "–"),
        (_("Workers"), str(sum(worker.lives for worker in seen.workers))),
    ]
