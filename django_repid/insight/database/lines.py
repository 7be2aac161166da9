"""Rows to lines of a list, and which of them are what is asked for."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Case, F, Q, TextField, Value, When
from django.db.models.functions import Length

from django_repid.core.message import MessageState
from django_repid.insight import contents
from django_repid.insight.jobs import CANCELLED, Line, Question
from django_repid.insight.state import JobState, state_of
from django_repid.insight.terms import read_spec
from django_repid.models import Bucket, Failure, Message

#: Longer arguments are not read for a list.
_PAYLOAD = 32_000
_ERROR = 300
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")

_MESSAGE = (
    "pk", "message_id", "topic", "queue", "state", "run_at", "due_at", "enqueued_at", "claimed_at",
    "worker_id", "tries", "dead_reason", "spec", "args_id", "waits_for", "tick", "short",
)  # fmt: skip
_BUCKET = (
    "pk", "bucket_id", "message_id", "topic", "queue", "stored_at", "started_ns", "finished_ns",
    "success", "exception", "tries", "spec", "args_id", "short", "failed_with",
)  # fmt: skip


#: The messages that a failed result belongs to: a recurring one goes on after it.
STANDS = Q(state=MessageState.DEAD) | Q(tick__isnull=True)


@dataclass(slots=True)
class MessageLines:
    """Lines of messages. `live`: the ids of workers that are there."""

    database: str
    question: Question
    now: int
    live: Collection[int]
    states: Collection[JobState] = frozenset(JobState)

    def __call__(self, keys: Sequence[int]) -> Mapping[int, Line]:
        """Return those of the messages that are what is asked for."""
        asked = self.question
        rows = Message.objects.using(self.database).filter(pk__in=list(keys))
        rows = rows.filter(*conditions(asked, "message_id"), *self._error(keys))
        rows = _with_payload(rows, asked)
        found = {}
        for row in rows.values(*_MESSAGE):
            line = self._line(row)
            if line.state in self.states and _holds(line, asked) and _in_range(line, asked):
                found[line.key] = line
        return found

    def _error(self, keys: Sequence[int]) -> list[Q]:
        """Return a condition on why it failed last: what it died of, or any try's failure."""
        wanted = self.question.search.error
        if not wanted:
            return []
        failures = Failure.objects.using(self.database).filter(message_key__in=list(keys))
        said = Q(exception__iexact=wanted) | Q(text__icontains=wanted)
        if _FINGERPRINT.fullmatch(wanted):
            said |= Q(fingerprint=wanted)
        failed = set(failures.filter(said).values_list("message_key", flat=True))
        return [Q(dead_reason__icontains=wanted) | Q(pk__in=failed)]

    def _line(self, row: Mapping[str, Any]) -> Line:
        state = MessageState(row["state"])
        orphaned = row["worker_id"] is not None and row["worker_id"] not in self.live
        shown = state_of(state, row["run_at"], now=self.now, tries=row["tries"], orphaned=orphaned)
        spec, began = read_spec(row["spec"]), row["claimed_at"]
        return Line(
            key=row["pk"],
            id=row["message_id"],
            topic=row["topic"],
            queue=row["queue"],
            state=shown,
            when=row["run_at"] if began is None else began,
            payload=row["short"],
            args_id=row["args_id"],
            error=row["dead_reason"],
            tries=row["tries"],
            retries=0 if spec is None else spec.retries,
            waited=None if began is None else max(began - row["due_at"], 0),
            ran=None if began is None else max(self.now - began, 0),
            recurs=row["tick"] is not None,
            waits_for=row["waits_for"],
            enqueued_at=row["enqueued_at"],
        )


@dataclass(slots=True)
class BucketLines:
    """Lines of results; of failed ones only where the job itself is not in the list any more."""

    database: str
    question: Question

    def __call__(self, keys: Sequence[int]) -> Mapping[int, Line]:
        """Return those of the results that are what is asked for."""
        asked = self.question
        rows = Bucket.objects.using(self.database).filter(pk__in=list(keys))
        rows = rows.filter(*conditions(asked, "message_id"), *_ended_as(asked.state))
        if wanted := asked.search.error:
            rows = rows.filter(exception__isnull=False)
            rows = rows.filter(Q(exception__iexact=wanted) | Q(data__icontains=wanted))
        failed = When(success=False, then=F("data"))
        rows = _with_payload(rows, asked).annotate(
            failed_with=Case(failed, default=Value(""), output_field=TextField())
        )
        lines = [_ended_line(row) for row in rows.values(*_BUCKET)]
        standing = self._standing([line.id for line in lines if line.state is JobState.FAILED])
        return {
            line.key: line
            for line in lines
            if line.id not in standing and _holds(line, asked) and _in_range(line, asked)
        }

    def _standing(self, ids: Sequence[str]) -> set[str]:
        standing = Message.objects.using(self.database).filter(STANDS, message_id__in=ids)
        return set(standing.values_list("message_id", flat=True)) if ids else set()


def _ended_line(row: Mapping[str, Any]) -> Line:
    spec = read_spec(row["spec"] or "")
    began, ended = row["started_ns"], row["finished_ns"]
    state = JobState.DONE
    if not row["success"]:
        state = JobState.CANCELLED if row["exception"] == CANCELLED else JobState.FAILED
    said = (row["failed_with"] or "")[:_ERROR].strip().splitlines()
    waited = None
    if spec is not None and began and not row["tries"] and spec.again is None:
        waited = max(began // 1000 - max(spec.at, spec.until or 0), 0)
    return Line(
        key=row["pk"],
        id=row["message_id"] or "",
        topic=row["topic"] or "",
        queue=row["queue"] or "",
        state=state,
        when=row["stored_at"],
        payload=row["short"],
        args_id=row["args_id"],
        error=f"{row['exception']}: {said[0] if said else ''}" if state is JobState.FAILED else "",
        tries=row["tries"] or 0,
        retries=0 if spec is None else spec.retries,
        waited=None if state is JobState.CANCELLED else waited,
        ran=(ended - began) // 1000
        if began and ended and state is not JobState.CANCELLED
        else None,
        bucket=row["bucket_id"],
        recurs=spec is not None and spec.again is not None,
        enqueued_at=row["stored_at"],
    )


def named(column: str, name: str) -> Q:
    """Return the condition that a column is a name, or begins as one that ends with a star."""
    if name.endswith("*"):
        return Q((f"{column}__startswith", name[:-1]))
    return Q((column, name))


def conditions(asked: Question, id_column: str) -> Iterable[Q]:
    """Return what the rows of messages and of results are both asked for."""
    search = asked.search
    if search.actor:
        yield named("topic", search.actor)
    if search.queue:
        yield named("queue", search.queue)
    if search.id:
        yield Q((id_column, search.id))
    for word in search.words:
        bare = word.removesuffix("*")
        yield (
            named("topic", word)
            | Q((f"{id_column}__startswith", bare))
            | Q((f"{id_column}__endswith", bare))
        )
    for one in search.args:
        part = contents.sieve(one.value)
        if part:
            yield Q(payload__contains=part)


def _ended_as(state: JobState | None) -> list[Q]:
    if state is JobState.DONE:
        return [Q(success=True)]
    if state is JobState.CANCELLED:
        return [Q(success=False, exception=CANCELLED)]
    if state is JobState.FAILED:
        return [Q(success=False) & ~Q(exception=CANCELLED)]
    return []


def _with_payload(rows: Any, asked: Question) -> Any:
    """Read the arguments with the rows, unless they are long and not searched."""
    if asked.search.args:
        return rows.annotate(short=F("payload"))
    long = rows.annotate(size=Length("payload"))
    short: Any = When(size__lte=_PAYLOAD, then=F("payload"))
    return long.annotate(short=Case(short, default=Value(None), output_field=TextField()))


def _holds(line: Line, asked: Question) -> bool:
    wanted = asked.search.args
    if not wanted:
        return True
    return asked.args_allowed and contents.matches(line.topic, line.payload, wanted)


def _in_range(line: Line, asked: Question) -> bool:
    since, until = asked.since, asked.until
    return (since is None or line.when >= since) and (until is None or line.when <= until)


def with_failures(database: str, lines: Sequence[Line]) -> list[Line]:
    """Return lines of messages with what their last try said and how long it took."""
    keys = [one.key for one in lines if not one.bucket and one.tries]
    failures = Failure.objects.using(database).filter(message_key__in=keys).order_by("pk")
    columns = ("message_key", "exception", "text", "duration_us")
    last = {row[0]: row[1:] for row in failures.values_list(*columns)} if keys else {}
    return [_told(line, last.get) if not line.bucket else line for line in lines]


def _told(line: Line, last: Callable[[int], Any]) -> Line:
    found = last(line.key)
    if found is None:
        return line
    exception, text, took = found
    said = text.strip().splitlines()
    error = line.error or f"{exception}: {said[0][:_ERROR] if said else ''}"
    return replace(line, error=error, ran=took if line.ran is None else line.ran)
