"""Messages and buckets as texts: what the scripts keep as it is, and what they take apart.

Payloads and results are never read by a script: its numbers and escapes are not Python's.
"""

import json
from collections.abc import Sequence

from django_repid.core.bucket import ArgsBucket, BucketRecord
from django_repid.core.codec import NewerFormat, Spec, decode_headers, encode_headers
from django_repid.core.message import MessageState, NewMessage, RoutingKey, StoredMessage
from django_repid.core.settlement import Settlement

#: Of bodies and buckets. A reader refuses a newer one.
VERSION = 1

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_states = {str(int(state)): state for state in MessageState}


def number(value: int | None) -> str:
    """Return a number as text, None as an empty one."""
    return "" if value is None else str(value)


def pk(value: int | None) -> str:
    """Return a message's key as text: texts of one length are in the order of their numbers."""
    return f"{value or 0:016}"


def head(key: RoutingKey) -> str:
    """Return what a message waits under."""
    return f"{key.queue} {key.topic} {int(key.priority)}"


def schedule(spec: Spec) -> str:
    """Return by what two messages come at the same times; an empty text for one that does not."""
    if spec.again is None:
        return ""
    return ("d" if spec.again.declared else "-") + _encode([spec.again.as_wire(), spec.until])


def body(new: NewMessage) -> str:
    """Return what of a message its enqueuer says once and for all."""
    key = new.key
    return _encode((
        VERSION, key.topic, key.queue, int(key.priority), key.id_, new.spec.text,
        encode_headers(new.headers), new.payload, new.args_id, new.args_generated,
    ))  # fmt: skip


def message(text: bytes) -> StoredMessage:
    """Return the message that a script has shown.

    Raises:
        NewerFormat: it was written by a newer version than this one can read.

    """
    numbers, reason, said = text.split(b"\n", 2)
    version, topic, queue, priority, id_, spec, headers, payload, args_id, generated, *_ = (
        json.loads(said)
    )
    if version > VERSION:
        raise NewerFormat(f"Its body is of format {version}, this version reads up to {VERSION}.")
    found = numbers.decode().split(" ")
    key, lease, state, run_at, due_at, tick, enqueued, claimed, worker, *rest = found
    tries, crashes, suspicion, cancel, waits_for = rest
    return StoredMessage(
        key=RoutingKey(topic, queue, priority, id_, int(key), int(lease)),
        spec=Spec.read(spec),
        state=_states[state],
        headers=decode_headers(headers) if headers else {},
        cancel_asked=cancel == "1",
        args_generated=generated,
        run_at=int(run_at),
        due_at=int(due_at),
        tick=_or_none(tick),
        enqueued_at=int(enqueued),
        claimed_at=_or_none(claimed),
        worker_id=_or_none(worker),
        tries=int(tries),
        crashes=int(crashes),
        suspicion=int(suspicion),
        payload=payload,
        args_id=args_id,
        waits_for=None if waits_for == "-" else waits_for,
        dead_reason=json.loads(reason) if reason else "",
    )


def _or_none(text: str) -> int | None:
    return None if text == "-" else int(text)


def fence(text: bytes) -> tuple[str, str]:
    """Return the key and the lease of a message that a script has shown, readable or not."""
    key, lease, _ = text.decode("utf-8", "replace").split(" ", 2)
    return key, lease


def bucket(record: BucketRecord) -> str:
    """Return what a bucket holds. When it was stored and when it ends stand before it."""
    if record.finished_ns is None:
        return _encode((VERSION, record.data))
    outcome = (record.started_ns, record.finished_ns, record.success, record.exception)
    origin = record.origin
    if origin is None:
        return _encode((VERSION, record.data, *outcome))
    key = origin.key
    return _encode((
        VERSION, record.data, *outcome,
        key.id_, key.topic, key.queue, int(key.priority), record.tries, record.worker,
        origin.payload, origin.args_id, origin.spec.text, encode_headers(origin.headers),
    ))  # fmt: skip


def failure(end: Settlement) -> str:
    """Return a failing attempt in three lines: its job's id, what is said of it, its traceback."""
    key, found = end.message.key, end.failure
    assert found is not None  # noqa: S101 - callers have filtered
    said = (
        VERSION, key.pk, key.topic, key.queue, found.worker, end.message.tries + 1, key.lease,
        found.at, found.duration_us, found.exception[:255], found.fingerprint, found.text,
    )  # fmt: skip
    return f"{key.id_}\n{_encode(said)}\n{_encode(found.traceback)}"


def read_bucket(id_: str, text: bytes) -> tuple[ArgsBucket, int | None]:
    """Return the bucket that the store holds under an id, and its end in microseconds."""
    times, held = text.split(b"\n", 1)
    stored_at, ttl, _ = times.decode().split(" ")
    version, data, *outcome = json.loads(held)
    if version > VERSION:
        raise NewerFormat(f"The bucket {id_} is of format {version}; {VERSION} can be read.")
    started, finished, success, exception, *_ = outcome or (0, None, True, None)
    record = BucketRecord(
        id_=id_,
        data=data,
        stored_at=int(stored_at),
        ttl=int(ttl) if ttl else None,
        started_ns=started,
        finished_ns=finished,
        success=success,
        exception=exception,
    )
    return record.bucket, int(stored_at) + int(ttl) if ttl else None


def ends(settlements: Sequence[Settlement], *, store_results: bool) -> tuple[str, list[str]]:
    """Return what `exchange` takes: the ends in numbers, and the texts that go with them."""
    metas: list[list[str]] = []
    texts: list[str] = []
    # Of equal ids the result that ended last stays.
    for end in sorted(settlements, key=_finished):
        key, result = end.message.key, end.result if store_results else None
        state = "-" if end.state is None else str(int(end.state))
        # A server that was killed may have forgotten claims, and count leases up again: workers'
        # numbers are never used again, so the worker tells such attempts apart.
        meta = [pk(key.pk), f"{key.lease} {end.message.worker_id or 0}", state]
        if result is None:
            meta += "", "", ""
        else:
            meta += result.id_, number(result.stored_at), number(result.ttl)
            texts.append(bucket(result))
        listed = result is not None and result.origin is not None
        meta.append(("l" if listed else "") + (f"f{end.failure.at}" if end.failure else ""))
        if end.state is not None:
            meta += _kept(end)
        if end.state is MessageState.DEAD:
            texts.append(_encode(end.dead_reason))
        if end.failure is not None:
            texts.append(failure(end))
        metas.append(meta)
    return _encode(metas), texts


def _finished(end: Settlement) -> int:
    return 0 if end.result is None else end.result.finished_ns or 0


def _kept(end: Settlement) -> list[str]:
    return [
        str(end.run_at), str(end.due_at), number(end.tick), str(end.tries), str(end.crashes),
        str(end.suspicion), end.waits_for or "", str(int(end.recurs)), str(int(end.uncancel)),
    ]  # fmt: skip
