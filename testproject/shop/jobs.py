"""The jobs a visitor has started: remembered in the session, looked up in django_repid's tables."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from django_repid import Job
from django_repid.core.receipt import Receipt
from django_repid.models import Bucket, Failure, Message, WorkerProcess

_KEY = "jobs"
_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A job as the page shows it. `tone` picks the colour."""

    label: str
    message_id: str
    state: str
    tone: str
    failures: int
    at: datetime | None = None
    error: str = ""
    result: str = ""
    report: Mapping[str, Any] | None = None


def note(label: str, job: Job, receipt: Receipt) -> dict[str, str]:
    """Return what has to be remembered of a job that was just enqueued."""
    return {"label": label, "message_id": receipt.key.id_, "result_id": job.result_id}


def remember(session: SessionBase, *notes: dict[str, str]) -> None:
    """Keep the newest jobs of this visitor, the newest first."""
    session[_KEY] = [*reversed(notes), *session.get(_KEY, [])][:_MOST]


async def aremember(session: SessionBase, *notes: dict[str, str]) -> None:
    """Do the same in an async view, which must not block on the session's database."""
    await session.aset(_KEY, [*reversed(notes), *await session.aget(_KEY, [])][:_MOST])


def has_worker() -> bool:
    """Whether a worker is there. The row of a killed one stays until another finds it dead."""
    return WorkerProcess.objects.exists()


def shown(session: SessionBase) -> list[Shown]:
    """Return the state of this visitor's jobs: three queries, however many there are."""
    notes = session.get(_KEY, [])
    ids = [note["message_id"] for note in notes]
    # Messages before buckets: a job that ends in between is seen in both, never in none.
    messages = {row.message_id: row for row in Message.objects.filter(message_id__in=ids)}
    buckets = {
        row.message_id: row
        for row in Bucket.objects.filter(bucket_id__in=[note["result_id"] for note in notes])
    }
    failures = Counter(
        Failure.objects.filter(message_id__in=ids).values_list("message_id", flat=True)
    )
    return [
        Shown(
            label=note["label"],
            message_id=id_,
            failures=failures[id_],
            **(_ended(buckets[id_]) if id_ in buckets else _unended(messages.get(id_))),
        )
        for note, id_ in zip(notes, ids, strict=True)
    ]


def _ended(bucket: Bucket) -> dict[str, Any]:
    if not bucket.success:
        return _failed(f"{bucket.exception}: {bucket.data}")
    value = json.loads(bucket.data)
    done: dict[str, Any] = {"state": "done", "tone": "good"}
    if isinstance(value, dict) and value.keys() == {"imported", "updated", "errors"}:
        return {**done, "report": value}
    return {**done, "result": json.dumps(value, indent=2, ensure_ascii=False)}


def _unended(message: Message | None) -> dict[str, Any]:
    if message is None:
        return {"state": "gone: its result was kept for a day", "tone": "idle"}
    if message.state == Message.State.DEAD:
        return _failed(message.dead_reason)
    if message.state == Message.State.RUNNING:
        return {"state": "running", "tone": "busy"}
    if message.waits_for:
        return {"state": "waiting for the result of another job", "tone": "idle"}
    if message.tries:
        at = datetime.fromtimestamp(message.run_at / 1_000_000, tz=UTC)
        return {"state": "will be retried at", "tone": "warm", "at": at}
    return {"state": "waiting", "tone": "idle"}


def _failed(error: str) -> dict[str, Any]:
    return {"state": "failed", "tone": "bad", "error": error}
