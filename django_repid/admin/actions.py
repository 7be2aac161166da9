"""What can be done with jobs: on those that were picked, or on all that a search finds.

Each is asked for by POST, shows what it would do and to how many, and is done by another POST, in
chunks: a request ends after some seconds, and says how to go on.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_repid.admin import wishes
from django_repid.admin.asking import in_state, list_url
from django_repid.admin.base import Page, back
from django_repid.admin.links import Link, page_url
from django_repid.admin.rows import Row, job_rows
from django_repid.admin.verbs import Action
from django_repid.admin.wishes import Wish, chunks, first, may, pick_of, read
from django_repid.core import steering
from django_repid.core.codec import decode_headers
from django_repid.core.connection import Connection
from django_repid.core.errors import BrokerUnavailable, RepidError
from django_repid.core.message import MessageState
from django_repid.core.steering import Past
from django_repid.insight.jobs import CAP, Ended, Line
from django_repid.insight.reader import Reader
from django_repid.insight.state import JobState
from django_repid.models import Bucket, Message

_SAMPLES = 5


def act(page: Page, request: HttpRequest, reader: Reader) -> HttpResponse:
    """Show what was asked for, or do it if that was confirmed."""
    wish = read(request, reader)
    if not (wish.action.allowed(request) or wish.action.allowed(request, result=True)):
        raise PermissionDenied
    if request.POST.get("confirmed"):
        return _do(page, request, reader, wish)
    lines, more = first(request, reader, wish)
    if not lines:
        messages.warning(request, _("None of these jobs can be dealt with that way now."))
        return back(request, _list(request, wish))
    return _confirm(page, request, wish, count=len(lines), more=more, lines=lines)


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
    if wish.picks:
        wish = replace(wish, picks=[pick_of(line) for line in lines])
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
    end = time.monotonic() + wishes.SECONDS
    done, refused, place = wish.done, 0, ""
    for lines, place in chunks(reader, wish):
        mine = [line for line in lines if may(request, wish, line)]
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
    if job.state is JobState.FAILED and _stands(reader, job.id):
        return False
    try:
        steering.repeat(reader.connection, _past(ended))
    except BrokerUnavailable:
        raise
    except (RepidError, ValueError, LookupError, TypeError, AttributeError):
        return False  # what is stored of it is not what a job has
    return True


def _stands(reader: Reader, id_: str) -> bool:
    """Whether the job of a failed result is there itself: it starts over, it is not doubled."""
    found = reader.job(id_)
    standing = None if found is None else found.standing
    return standing is not None and (
        standing.row_state is MessageState.DEAD or standing.tick is None
    )


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
