"""What is to be known of a job besides why it failed: a label, a value, and how that is shown."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_repid.core.codec import Spec
from django_repid.insight import words
from django_repid.insight.jobs import Ended, Standing, Whole
from django_repid.insight.snapshot import Snapshot
from django_repid.insight.state import JobState

#: A label, a value, and its kind: a moment, a span, an id, or nothing special.
Fact = tuple[str, Any, str]


def facts(job: Whole, seen: Snapshot) -> Iterator[Fact]:
    """Return what is to be known of a job or a bucket."""
    standing, ended = job.standing, job.ended
    if standing is not None:
        yield from _place(standing, standing.spec)
        yield from _standing(job, standing, seen)
        yield from _terms(standing.spec)
    elif ended is not None:
        if ended.is_result:
            yield from _place(ended, ended.terms)
            yield from _terms(ended.terms)
            yield _("Worker"), ended.worker or "–", ""
        yield from _bucket(ended)


def _place(of: Standing | Ended, spec: Spec | None) -> Iterator[Fact]:
    yield _("Queue"), of.queue, ""
    yield _("Priority"), of.priority, ""
    retries = 0 if spec is None else spec.retries
    yield _("Failed tries"), _("%(n)d of %(all)d") % {"n": of.tries, "all": retries + 1}, ""


def _standing(job: Whole, standing: Standing, seen: Snapshot) -> Iterator[Fact]:
    yield _("Enqueued"), standing.enqueued_at, "moment"
    if job.state is JobState.FAILED:
        yield _("Failed"), standing.run_at, "moment"
    elif standing.claimed_at is not None:
        yield _("Began"), standing.claimed_at, "moment"
        name = next((one.info.name for one in seen.workers if one.id == standing.worker_id), "–")
        yield _("Worker"), name, ""
    else:
        yield _("Due"), standing.run_at, "moment"
    if standing.crashes:
        yield _("Crashed workers"), standing.crashes, ""
    yield _("Claimed"), ngettext("%d time", "%d times", standing.lease) % standing.lease, ""


def _terms(spec: Spec | None) -> Iterator[Fact]:
    if spec is None:
        return
    yield _("Timeout"), spec.timeout, "span"
    if spec.ttl is not None:
        yield _("To start within"), spec.ttl, "span"
    if spec.again is not None:
        every = spec.again.every
        again = f"{spec.again.cron} ({spec.again.zone})" if every is None else words.span(every)
        yield _("Recurs"), again, ""
    if spec.result_id is None:
        yield _("Result"), _("not stored"), ""
    else:
        yield _("Result"), spec.result_id, "id"


def _bucket(ended: Ended) -> Iterator[Fact]:
    yield _("Stored"), ended.stored_at, "moment"
    if ended.expires_at is not None:
        yield _("Kept until"), ended.expires_at, "moment"
    if ended.took is not None:
        yield _("Took"), ended.took, "span"
