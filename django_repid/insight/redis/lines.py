"""Messages and results to lines of a list, and whether they are what is asked for."""

import json
from collections.abc import Collection

from django_repid.brokers.redis import wire
from django_repid.core.message import StoredMessage
from django_repid.insight import contents
from django_repid.insight.jobs import Ended, Line, Question
from django_repid.insight.state import JobState, state_of
from django_repid.insight.terms import read_spec

#: What a bucket holds: version, data, four of the outcome, and ten of the job it came from.
_ARGS, _RESULT, _WHOLE = 2, 6, 16
_ERROR = 300
Left = Ended


def read_left(id_: str, text: bytes) -> Left | None:
    """Return what a bucket holds; None if this version cannot read it."""
    try:
        return _read_left(id_, text)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _read_left(id_: str, text: bytes) -> Left | None:
    times, held = text.split(b"\n", 1)
    stored_at, ttl, _ = times.decode().split(" ")
    version, data, *more = json.loads(held)
    if version > wire.VERSION:
        return None
    end = int(stored_at) + int(ttl) if ttl else None
    if len(more) < _RESULT - _ARGS:
        return Ended(
            bucket_id=id_, is_result=False, data=data, stored_at=int(stored_at), expires_at=end
        )
    started, finished, success, exception, *origin = more
    if len(origin) < _WHOLE - _RESULT:
        origin = ["", "", "", 0, 0, "", None, None, "", ""]
    job, topic, queue, priority, tries, worker, payload, args_id, spec, headers, *_ = origin
    return Ended(
        bucket_id=id_,
        is_result=True,
        data=data,
        stored_at=int(stored_at),
        expires_at=end,
        success=success,
        exception=exception or "",
        started_ns=started,
        finished_ns=finished,
        id=job,
        topic=topic,
        queue=queue,
        priority=priority,
        tries=tries,
        worker=worker,
        payload=payload,
        args_id=args_id,
        spec=spec,
        terms=read_spec(spec),
        headers=headers,
    )


def message_line(message: StoredMessage, *, now: int, live: Collection[int]) -> Line:
    """Return the line of a message. `live`: the workers that are there."""
    key, began = message.key, message.claimed_at
    orphaned = bool(message.worker_id) and message.worker_id not in live
    state = state_of(message.state, message.run_at, now=now, tries=message.tries, orphaned=orphaned)
    return Line(
        key=key.pk or 0,
        id=key.id_,
        topic=key.topic,
        queue=key.queue,
        state=state,
        when=message.run_at if began is None else began,
        payload=message.payload,
        args_id=message.args_id,
        error=message.dead_reason,
        tries=message.tries,
        retries=message.spec.retries,
        waited=None if began is None else max(began - message.due_at, 0),
        ran=None if began is None else max(now - began, 0),
        recurs=message.spec.again is not None,
        waits_for=message.waits_for,
        enqueued_at=message.enqueued_at,
    )


def ended_line(left: Left) -> Line:
    """Return the line of a result."""
    state, spec = left.state, left.terms
    said = left.data[:_ERROR].strip().splitlines() if not left.success else []
    waited = None
    if spec is not None and left.started_ns and not left.tries and spec.again is None:
        waited = max(left.started_ns // 1000 - max(spec.at, spec.until or 0), 0)
    cancelled = state is JobState.CANCELLED
    failed = state is JobState.FAILED
    return Line(
        id=left.id,
        topic=left.topic,
        queue=left.queue,
        state=state,
        when=left.stored_at,
        payload=left.payload,
        args_id=left.args_id,
        error=f"{left.exception}: {said[0] if said else ''}" if failed else "",
        tries=left.tries,
        retries=0 if spec is None else spec.retries,
        waited=None if cancelled else waited,
        ran=None if cancelled else left.took,
        bucket=left.bucket_id,
        recurs=spec is not None and spec.again is not None,
        enqueued_at=left.stored_at,
    )


def is_named(name: str, wanted: str) -> bool:
    """Whether a name is the one that is wanted, or begins as one that ends with a star."""
    if wanted.endswith("*"):
        return name.startswith(wanted[:-1])
    return not wanted or name == wanted


def fits(line: Line, asked: Question, said: Collection[str] = ()) -> bool:
    """Whether a line is what is asked for. `said`: what its failing attempts said."""
    search, since, until = asked.search, asked.since, asked.until
    return (
        (asked.state is None or line.state is asked.state)
        and is_named(line.topic, search.actor)
        and is_named(line.queue, search.queue)
        and (not search.id or line.id == search.id)
        and (since is None or line.when >= since)
        and (until is None or line.when <= until)
        and (not search.error or _failed_so(line, search.error, said))
        and all(_is_word(line, word) for word in search.words)
        and (not search.args or _holds(line, asked))
    )


def _holds(line: Line, asked: Question) -> bool:
    return asked.args_allowed and contents.matches(line.topic, line.payload, asked.search.args)


def _failed_so(line: Line, wanted: str, said: Collection[str]) -> bool:
    low = wanted.lower()
    return any(low in one.lower() for one in (line.error, *said))


def _is_word(line: Line, word: str) -> bool:
    bare = word.removesuffix("*")
    return is_named(line.topic, word) or line.id.startswith(bare) or line.id.endswith(bare)
