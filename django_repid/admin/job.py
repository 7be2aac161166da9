"""The page of one job: why it failed or does not run first, then what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_repid import showing
from django_repid.admin import timeline, verbs
from django_repid.admin.facts import facts
from django_repid.admin.links import has, jobs_url, may, page_url
from django_repid.admin.rows import short_id
from django_repid.core.redaction import HIDDEN
from django_repid.core.serializer import printable
from django_repid.insight import calls, tracebacks
from django_repid.insight.calls import Bound
from django_repid.insight.jobs import Attempt, Whole
from django_repid.insight.reader import Reader
from django_repid.insight.snapshot import Snapshot
from django_repid.insight.state import JobState
from django_repid.insight.tracebacks import Piece
from django_repid.insight.why import why

#: A longer value is folded; and different tracebacks that are shown in full, the newest.
_LONG = 200
_TRACEBACKS = 5
_MESSAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument as it is shown. `folded`: what a fold says of a long one."""

    bound: Bound
    text: str
    folded: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A failed attempt as it is shown. `same`: the number of the one with an equal traceback."""

    attempt: Attempt
    pieces: Sequence[Piece] = ()
    own: int = 0
    same: int | None = None
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a job failed. `more`: the rest of a long message."""

    line: str
    more: str = ""
    place: str = ""
    same: str = ""
    same_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a job carries: its arguments, or why they are not shown."""

    arguments: Sequence[Argument] = ()
    values: Mapping[str, Any] | None = field(default=None, repr=False)
    note: str = ""
    waits_for: str = ""


def job_content(request: HttpRequest, reader: Reader, seen: Snapshot, job: Whole) -> dict[str, Any]:
    """Return what the page shows of a job."""
    carried = _carried(request, job)
    topic = _of(job, "topic")
    is_job = job.standing is not None or bool(job.ended and job.ended.is_result)
    call = calls.short(topic, carried.values, length=160) if topic else ""
    tries = _tries(job) if may(request, "view", "failure") else []
    return {
        "title": f"{printable(topic)} {short_id(job.id)}" if topic else _("Bucket"),
        "job": job,
        "is_job": is_job,
        "call": call,
        "bucket_id": job.ended.bucket_id if job.ended else "",
        "cause": _cause(request, reader, job),
        "reasons": why(
            job,
            now=seen.now,
            workers=seen.workers,
            pauses=[queue.pause for queue in seen.queues if queue.pause is not None],
            known=calls.is_known(topic),
            args_wait_us=round(reader.connection.options.args_wait_seconds * 1_000_000),
        ),
        "actions": verbs.legal(request, job),
        "act_url": page_url("message_act", request=request),
        "pick": f"j:{job.id}" if job.standing else f"r:{job.ended.bucket_id if job.ended else ''}",
        "bars": timeline.bars(job, seen.now),
        "line_width": timeline.WIDTH,
        "carried": carried,
        "facts": list(facts(job, seen)),
        "tries": tries,
        "result": _result(request, job),
        "terms": _plain(job.standing.spec_text if job.standing else _of(job, "spec")),
        "headers": _plain(_of(job, "headers")),
        "python": _python(topic, carried, job) if is_job else "",
    }


def _of(job: Whole, name: str) -> Any:
    """Return a column of a job that stands, or of the result that it has left."""
    return getattr(job.standing or job.ended, name, "")


def _cause(request: HttpRequest, reader: Reader, job: Whole) -> Cause | None:
    last = job.attempts[0] if job.attempts and may(request, "view", "failure") else None
    if job.state is JobState.DONE or (job.standing is None and job.ended is None):
        return None
    exception, text = "", ""
    if last is not None and job.state is not JobState.CANCELLED:
        exception, text = last.exception, last.text
    elif job.standing is not None and job.standing.dead_reason:
        text = job.standing.dead_reason
    elif job.standing is None and job.ended is not None:
        exception, text = job.ended.exception, job.ended.data
    if not text and not exception:
        return None
    whole = showing.block(text).strip()
    first = whole[:_MESSAGE]
    more = whole if len(whole) > _MESSAGE else ""
    line = f"{printable(exception)}: {first}" if exception else first
    if last is None:
        return Cause(line=line, more=more)
    count = reader.same_cause(last, _of(job, "topic"))
    text = ngettext("same cause: %d job", "same cause: %d jobs", count) % count
    state = job.state if job.state is JobState.RETRYING else JobState.FAILED
    terms = {"state": state.value, "actor": _of(job, "topic"), "error": last.fingerprint}
    return Cause(
        line=line,
        more=more,
        place=printable(tracebacks.place(last.traceback)),
        same=text if count > 1 else "",
        same_url=jobs_url(request, **terms),
    )


def _carried(request: HttpRequest, job: Whole) -> Carried:
    """Return the arguments of a job, as far as they may be seen and are there."""
    if job.ended is not None and not job.ended.is_result:
        return Carried()
    topic, args_id = _of(job, "topic"), _of(job, "args_id") or ""
    if not has(request, "view_payload"):
        return Carried(note=_("You may not see arguments and results."))
    try:
        if args_id:
            if job.args is None:
                return Carried(note=_("They are in a bucket that is not there."), waits_for=args_id)
            values = showing.bucket_arguments(job.args)
            values = showing.hidden(topic, values)
        else:
            values = showing.arguments(topic, _of(job, "payload"))
    except showing.Unreadable:
        return Carried(note=_("It cannot be read, so nothing of it is shown."), waits_for=args_id)
    shown = [_argument(one) for one in calls.bound(topic, values)]
    return Carried(arguments=shown, values=values, waits_for=args_id)


def _argument(bound: Bound) -> Argument:
    text = showing.indented(bound.value)
    if len(text) <= _LONG:
        return Argument(bound=bound, text=text)
    return Argument(bound=bound, text=text, folded=_size(bound.value, text))


def _size(value: Any, text: str) -> str:
    """Say how large a value is."""
    size = f"{len(text) / 1000:.1f} kB" if len(text) < showing.SHOWN else _("more than 20 kB")
    if isinstance(value, dict):
        return f"{ngettext('%d key', '%d keys', len(value)) % len(value)}, {size}"
    if isinstance(value, list):
        return f"{ngettext('%d item', '%d items', len(value)) % len(value)}, {size}"
    return size


def _tries(job: Whole) -> list[Try]:
    """Return the failed attempts; of those with equal tracebacks only the newest has it."""
    found, seen = list[Try](), dict[str, int]()
    for attempt in job.attempts:
        if attempt.traceback in seen:
            found.append(Try(attempt=attempt, same=seen[attempt.traceback]))
            continue
        text = showing.block(attempt.traceback[-showing.SHOWN :])
        pieces = tracebacks.pieces(text) if len(seen) < _TRACEBACKS else []
        own = tracebacks.own_frames(pieces)
        found.append(Try(attempt=attempt, pieces=pieces, own=own, open=not seen))
        seen[attempt.traceback] = attempt.number
    return found


def _result(request: HttpRequest, job: Whole) -> dict[str, Any] | None:
    """Return what a bucket holds, if it may be seen."""
    ended = job.ended
    if ended is None or (job.state is JobState.FAILED and ended.is_result):  # the cause says it
        return None
    if not (may(request, "view", "bucket") or job.standing is None):
        return None
    url = page_url("bucket_change", quote(ended.bucket_id), request=request)
    shown: dict[str, Any] = {"id": ended.bucket_id, "url": url if job.standing else "", "text": ""}
    if not ended.success:
        return {**shown, "failed": True, "text": showing.block(ended.data)}
    if not has(request, "view_payload"):
        return {**shown, "note": _("You may not see arguments and results.")}
    try:
        value: Any
        if not ended.is_result:
            value = showing.bucket_arguments(ended.data)
        else:
            value = showing.result(ended.topic or None, ended.data)
    except showing.Unreadable:
        return {**shown, "note": _("It cannot be read, so nothing of it is shown.")}
    text = HIDDEN if value == HIDDEN else showing.indented(value)
    folded = _size(value, text) if len(text) > 10 * _LONG else ""
    return {**shown, "text": text, "folded": folded}


def _plain(text: str) -> str:
    """Return our own JSON to be read."""
    if not text:
        return ""
    try:
        return showing.indented(showing.plain(text))
    except showing.Unreadable:
        return _("It cannot be read, so nothing of it is shown.")


def _python(topic: str, carried: Carried, job: Whole) -> str:
    terms: list[tuple[str, Any]] = [("queue", _of(job, "queue"))]
    if (priority := _of(job, "priority")) != 5:  # noqa: PLR2004
        terms.append(("priority", priority))
    if carried.waits_for:
        terms.append(("args_id", carried.waits_for))
        return calls.as_python(topic, {}, terms)
    return "" if carried.values is None else calls.as_python(topic, carried.values, terms)
