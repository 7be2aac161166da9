"""The jobs a visitor has started: remembered in the session, looked up in django_repid's tables."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from django_repid import Job
from django_repid.core.receipt import Receipt
from django_repid.models import Bucket, Failure, Message, WorkerProcess

_KEY = "started"
_MOST = 20

#: What is remembered: a label, and of each job the ids of its message and of its result.
Note = tuple[str, list[tuple[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A job as the page shows it, or a batch of them. `tone` picks the colour."""

    label: str
    state: str
    tone: str
    message_id: str
    at: datetime | None = None
    took: str = ""
    failures: int = 0
    error: str = ""
    result: str = ""
    report: Mapping[str, Any] | None = None
    picture: Mapping[str, Any] | None = None
    ended: int = 0
    of: int = 1
    can_be_cancelled: bool = False


def started(request: HttpRequest, label: str, job: Job, receipt: Receipt) -> HttpResponse:
    """Remember a job, and lead its visitor back to the page."""
    notes = request.session.get(_KEY, [])
    request.session[_KEY] = _with(notes, label, [job], [receipt])
    return redirect("index")


async def astarted(request: HttpRequest, label: str, job: Job, receipt: Receipt) -> HttpResponse:
    """Do the same in an async view, which must not block on the session's database."""
    return await astarted_many(request, label, [job], [receipt])


async def astarted_many(
    request: HttpRequest, label: str, jobs: Sequence[Job], receipts: Sequence[Receipt]
) -> HttpResponse:
    """Remember many jobs as one."""
    notes = await request.session.aget(_KEY, [])
    await request.session.aset(_KEY, _with(notes, label, jobs, receipts))
    return redirect("index")


async def is_theirs(request: HttpRequest, message_id: str) -> bool:
    """Whether this visitor has started that job."""
    notes: list[Note] = await request.session.aget(_KEY, [])
    return any(message_id == id_ for _, ids in notes for id_, _ in ids)


def _with(
    notes: list[Note], label: str, jobs: Sequence[Job], receipts: Sequence[Receipt]
) -> list[Note]:
    ids = [(receipt.key.id_, job.result_id) for job, receipt in zip(jobs, receipts, strict=True)]
    return [(label, ids), *notes][:_MOST]


def has_worker() -> bool:
    """Whether a worker is there. The row of a killed one stays until another finds it dead."""
    return WorkerProcess.objects.exists()


def shown(session: SessionBase) -> list[Shown]:
    """Return the state of this visitor's jobs: three queries, however many there are."""
    notes: list[Note] = session.get(_KEY, [])
    ids = [id_ for _, jobs in notes for id_, _ in jobs]
    results = [result for _, jobs in notes for _, result in jobs]
    # Messages before buckets: a job that ends in between is seen in both, never in none.
    messages = {row.message_id: row for row in Message.objects.filter(message_id__in=ids)}
    buckets = {row.message_id: row for row in Bucket.objects.filter(bucket_id__in=results)}
    failures = Counter(
        Failure.objects.filter(message_id__in=ids).values_list("message_id", flat=True)
    )

    def one(label: str, id_: str) -> Shown:
        bucket = buckets.get(id_)
        state = _unended(messages.get(id_)) if bucket is None else _ended(bucket)
        return Shown(label=label, message_id=id_, failures=failures[id_], **state)

    def many(label: str, ids: list[str]) -> Shown:
        ended = sum(id_ in buckets for id_ in ids)
        state, tone = ("done", "good") if ended == len(ids) else ("running", "busy")
        return Shown(
            label=label, message_id=ids[0], state=state, tone=tone, ended=ended, of=len(ids)
        )

    return [
        one(label, jobs[0][0]) if len(jobs) == 1 else many(label, [id_ for id_, _ in jobs])
        for label, jobs in notes
    ]


def _ended(bucket: Bucket) -> dict[str, Any]:
    if not bucket.success:
        return _failed(f"{bucket.exception}: {bucket.data}".rstrip(": "))
    value = json.loads(bucket.data)
    done: dict[str, Any] = {"state": "done", "tone": "good"}
    if bucket.started_ns and bucket.finished_ns:
        ms = (bucket.finished_ns - bucket.started_ns) / 1_000_000
        done["took"] = f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms:.0f} ms"
    if isinstance(value, dict) and "picture" in value:
        return {**done, "picture": value}
    if isinstance(value, dict) and value.keys() == {"imported", "updated", "errors"}:
        return {**done, "report": value}
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return {**done, "result": text}


def _unended(message: Message | None) -> dict[str, Any]:
    if message is None:
        return {"state": "no such job: rolled back, or its result has expired", "tone": "idle"}
    if message.state == Message.State.DEAD:
        return _failed(message.dead_reason)
    if message.state == Message.State.RUNNING:
        asked = message.cancel_asked
        state = "running, and asked to stop" if asked else "running"
        return {"state": state, "tone": "busy", "can_be_cancelled": not asked}
    if message.waits_for:
        return {"state": "waiting for the result of another job", "tone": "idle"}
    if message.tries:
        at = datetime.fromtimestamp(message.run_at / 1_000_000, tz=UTC)
        return {"state": "will be retried at", "tone": "warm", "at": at}
    return {"state": "waiting", "tone": "idle", "can_be_cancelled": True}


def _failed(error: str) -> dict[str, Any]:
    return {"state": "failed", "tone": "bad", "error": error}
