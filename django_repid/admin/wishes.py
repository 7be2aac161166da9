"""What somebody wants done: with the jobs that were picked, or all that a search finds."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import Http404, HttpRequest

from django_repid.admin.asking import asked
from django_repid.admin.verbs import ACTIONS, Action
from django_repid.insight.jobs import CAP, Line, Question, Whole
from django_repid.insight.reader import Reader
from django_repid.insight.state import JobState

#: Jobs that are done with at once, and the seconds that one request goes on.
CHUNK = 100
SECONDS = 8.0
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


def read(request: HttpRequest, reader: Reader) -> Wish:
    """Return what a form asks for.

    Raises:
        Http404: there is no such action, or it is not said of which jobs.

    """
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
    before, done, since, until = (
        int(text) if (text := post.get(name, "")).isdecimal() and len(text) < 19 else 0  # noqa: PLR2004 - what fits a bigint
        for name in ("before", "done", "since", "until")
    )
    question = found.question
    if post.get("confirmed"):  # "an hour ago" is what it was when that was asked
        question = replace(question, since=since or None, until=until or None)
    if not picks:
        before = before or now
        if question.state in _TIMED:
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


def first(request: HttpRequest, reader: Reader, wish: Wish) -> tuple[list[Line], bool]:
    """Return the jobs that it would be done with, up to the cap; and whether there are more."""
    found: list[Line] = []
    states = {*wish.action.of_jobs, *wish.action.of_results}
    if not wish.picks and wish.question.state not in states:
        return found, False
    end = time.monotonic() + SECONDS
    for lines, place in chunks(reader, wish):
        found += [line for line in lines if may(request, wish, line)]
        if len(found) > CAP:
            return found[:CAP], True
        if place and time.monotonic() > end:
            return found, True
    return found, False


def may(request: HttpRequest, wish: Wish, line: Line) -> bool:
    """Whether somebody may have it done with this job."""
    action, result = wish.action, bool(line.bucket)
    if not wish.picks and line.enqueued_at > wish.before:
        return False  # nobody has seen it when this was asked for
    return action.takes(line.state, result=result) and action.allowed(request, result=result)


def chunks(reader: Reader, wish: Wish) -> Iterator[tuple[Sequence[Line], str]]:
    """Return the jobs in chunks, each with the place where the next one begins."""
    if wish.picks:
        yield _picked(reader, wish.picks), ""
        return
    after = wish.after
    while True:
        page = reader.job_page(wish.question, after=after, limit=CHUNK)
        after = page.after
        yield page.lines, after
        if not after:
            return


def _picked(reader: Reader, picks: Sequence[str]) -> list[Line]:
    found = []
    for pick in picks:
        kind, id_, state, *_more = [*pick.split(":"), "", ""]
        job = reader.job(id_) if kind == "j" else reader.ended(id_)
        if job is None or (kind == "j") != (job.standing is not None):
            continue
        if job.standing is None and (job.ended is None or not job.ended.is_result):
            continue  # arguments are no job
        if state in ("", job.state.value):  # it is what it was when that was asked
            found.append(_line(job))
    return found


def pick_of(line: Line) -> str:
    """Return what stands for a job in a form that asks, with its state."""
    id_ = f"r:{line.bucket}" if line.bucket else f"j:{line.id}"
    return f"{id_}:{line.state.value}"


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
