"""What can be done with jobs: on those that were picked, or on all that a search finds.

Each is asked for by POST, shows what it would do and to how many, and is done by another POST, in
chunks: a request ends after some seconds, and says how to go on.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_repid.admin.asking import asked, in_state, list_url
from django_repid.admin.base import Page, back
from django_repid.admin.links import Link, page_url
from django_repid.admin.rows import Row, job_rows
from django_repid.admin.verbs import ACTIONS, Action
from django_repid.core import steering
from django_repid.core.codec import decode_headers
from django_repid.core.connection import Connection
from django_repid.core.errors import RepidError
from django_repid.core.steering import Past
from django_repid.insight.jobs import CAP, Ended, Line, Question, Whole
from django_repid.insight.reader import Reader
from django_repid.insight.state import JobState
from django_repid.models import Bucket, Message

#: Jobs that are done with at once, and the seconds that one request goes on.
_CHUNK = 100
_SECONDS = 8.0
_SAMPLES = 5
#: States whose jobs carry the time at which they came into it.
_TIMED = frozenset({JobState.DONE, JobState.CANCELLED, JobState.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a form asks for. `picks`: jobs that were ticked; without any, all of the search.

    `before`: only what had come into its state by then. `after`: where to go on.
    """

    action: Action
    text: str
    question: Question
    picks: Sequence[str] = ()
    before: int = 0
    after: str = ""
    done: int = 0


def act(page: Page, request: HttpRequest, reader: Reader) -> HttpResponse:
    """Show what was asked for, or do it if that was confirmed."""
    wish = _wish(request, reader)
    if not (wish.action.allowed(request) or wish.action.allowed(request, result=True)):
        raise PermissionDenied
    if request.POST.get("confirmed"):
        return _do(page, request, reader, wish)
    lines, more = _first(request, reader, wish)
    if not lines:
        messages.warning(request, _("None of these jobs can be dealt with that way now."))
        return back(request, _list(request, wish))
    return _confirm(page, request, wish, count=len(lines), more=more, lines=lines)


def _wish(request: HttpRequest, reader: Reader) -> Wish:
    post, now = request.POST, reader.now_us()
    action = next((one for one in ACTIONS if one.name == post.get("action")), None)
    found = asked(request, post, now)
    picks = post.getlist("pick")[:CAP]
    if action is None:
        message = "There is no such action."
        raise Http404(message)
    if not picks and (found.problems or found.question.state is None):
        message = "All of which jobs? The search cannot be read, or says no state."
        raise Http404(message)
    before, done = (
        int(text) if (text := post.get(name, "")).isdecimal() and len(text) < 19 else 0  # noqa: PLR2004 - what fits a bigint
        for name in ("before", "done")
    )
    question = found.question
    if not picks and question.state in _TIMED:
        before = before or now
        until = before if question.until is None else min(before, question.until)
        question = replace(question, until=until)
    return Wish(
        action=action,
        text=found.text,
        question=question,
        picks=picks,
        before=before,
        after=post.get("after", ""),
        done=done,
    )


def _first(request: HttpRequest, reader: Reader, wish: Wish) -> tuple[list[Line], bool]:
    """Return the jobs that it would be done with, up to the cap; and whether there are more."""
    found: list[Line] = []
    for lines, _place in _chunks(reader, wish):
        found += [line for line in lines if _may(request, wish.action, line)]
        if len(found) > CAP:
            return found[:CAP], True
    return found, False


def _may(request: HttpRequest, action: Action, line: Line) -> bool:
    result = bool(line.bucket)
    return action.takes(line.state, result=result) and action.allowed(request, result=result)


def _chunks(reader: Reader, wish: Wish) -> Iterator[tuple[Sequence[Line], str]]:
    """Return the jobs in chunks, each with the place where the next one begins."""
    if wish.picks:
        yield _picked(reader, wish.picks), ""
        return
    after = wish.after
    while True:
        page = reader.job_page(wish.question, after=after, limit=_CHUNK)
        after = page.after
        yield page.lines, after
        if not after:
            return


def _picked(reader: Reader, picks: Sequence[str]) -> list[Line]:
    found = []
    for pick in picks:
        kind, _colon, id_ = pick.partition(":")
        job = reader.job(id_) if kind == "j" else reader.ended(id_)
        if job is None or (kind == "j") != (job.standing is not None):
            continue
        found.append(_line(job))
    return found


def _line(job: Whole) -> Line:
    of: Any = job.standing or job.ended
    return Line(
        id=job.id,
        topic=of.topic,
        queue=of.queue,
        state=job.state,
        when=0,
        payload=of.payload,
        args_id=of.args_id,
        bucket="" if job.standing or not job.ended else job.ended.bucket_id,
        recurs=getattr(of, "tick", None) is not None,
    )


def _confirm(
    page: Page,
    request: HttpRequest,
    wish: Wish,
    *,
    count: int,
    more: bool,
    lines: Sequence[Line] = (),
) -> HttpResponse:
    crumb = Link(_("Jobs"), page_url("message_changelist", request=request))
    samples: list[Row] = job_rows(request, lines[:_SAMPLES])
    return page.render(
        request,
        "job_act.html",
        title=str(wish.action.question),
        crumbs=[crumb],
        wish=wish,
        count=count,
        more=more,
        cap=CAP,
        samples=samples,
        left=count - len(samples),
        queues=sorted({line.queue for line in lines}),
        recurring=sum(line.recurs for line in lines),
        next=back(request, _list(request, wish))["Location"],
        act_url=page_url("message_act", request=request),
    )


def _do(page: Page, request: HttpRequest, reader: Reader, wish: Wish) -> HttpResponse:
    end = time.monotonic() + _SECONDS
    done, refused, place = wish.done, 0, ""
    for lines, place in _chunks(reader, wish):
        mine = [line for line in lines if _may(request, wish.action, line)]
        worked = _carry_out(reader, wish.action, mine)
        _log(request, wish.action, worked)
        done, refused = done + len(worked), refused + len(mine) - len(worked)
        if place and time.monotonic() > end:
            break
    if refused:
        text = ngettext(
            "%d job was left as it is: it has changed meanwhile, or its arguments are gone.",
            "%d jobs were left as they are: they have changed meanwhile, or their arguments are "
            "gone.",
            refused,
        )
        messages.warning(request, text % refused)
    if place:
        onward = replace(wish, after=place, done=done)
        return _confirm(page, request, onward, count=0, more=True)
    messages.success(request, str(wish.action.done % done))
    return back(request, _list(request, wish))


def _carry_out(reader: Reader, action: Action, lines: Sequence[Line]) -> list[Line]:
    """Do it with some jobs; return those it was done with."""
    jobs = [line for line in lines if not line.bucket]
    done = set(action.steer(reader.connection, [line.id for line in jobs])) if jobs else set()
    worked = [line for line in jobs if line.id in done]
    results = [line for line in lines if line.bucket]
    if action.name == "delete":
        return worked + _removed(reader.connection, results)
    return worked + [line for line in results if _repeated(reader, line.bucket)]


def _removed(connection: Connection, lines: Sequence[Line]) -> list[Line]:
    broker = connection.results_bucket_broker
    if broker is None or not lines:
        return []
    connection.delete_buckets(broker, [line.bucket for line in lines])
    return list(lines)


def _repeated(reader: Reader, bucket_id: str) -> bool:
    """Enqueue the job that a result came from once more, if all that it needs is there."""
    job = reader.ended(bucket_id)
    ended = None if job is None else job.ended
    if job is None or ended is None or (ended.args_id is not None and job.args is None):
        return False
    try:
        steering.repeat(reader.connection, _past(ended))
    except (RepidError, ValueError):
        return False
    return True


def _past(ended: Ended) -> Past:
    headers: Mapping[str, str] = decode_headers(ended.headers)
    return Past(
        topic=ended.topic,
        queue=ended.queue,
        priority=ended.priority,
        spec=ended.spec,
        payload=ended.payload,
        args_id=ended.args_id,
        headers=headers,
    )


def _log(request: HttpRequest, action: Action, lines: Sequence[Line]) -> None:
    """Write down who has done what with each job."""
    user: Any = request.user
    types = {model: ContentType.objects.get_for_model(model) for model in (Message, Bucket)}
    LogEntry.objects.bulk_create(
        LogEntry(
            user_id=user.pk,
            content_type=types[Bucket if line.bucket else Message],
            object_id=line.bucket or line.id,
            object_repr=f"{line.topic} {line.id}"[:200],
            action_flag=DELETION if action.name == "delete" else CHANGE,
            change_message=str(action.label),
        )
        for line in lines
    )


def _list(request: HttpRequest, wish: Wish) -> str:
    return list_url(request, in_state(wish.question.search, wish.question.state))
