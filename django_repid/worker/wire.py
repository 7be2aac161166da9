"""Messages and outcomes as JSON, between a worker and its cell: both of one version, so without."""

import dataclasses
from typing import Any

from django_repid.core.answer import Answer, Verb
from django_repid.core.cause import Cause, RemoteFailure
from django_repid.core.codec import Spec
from django_repid.core.message import MessageState, RoutingKey, StoredMessage
from django_repid.core.outcome import Outcome
from django_repid.core.retryable import Retryable

_PLAIN = [
    field.name
    for field in dataclasses.fields(StoredMessage)
    if field.name not in {"key", "spec", "state"}
]


def pack_message(message: StoredMessage) -> dict[str, Any]:
    """Return a message as what JSON can hold."""
    plain = {name: getattr(message, name) for name in _PLAIN}
    key = dataclasses.asdict(message.key)
    return {**plain, "key": key, "spec": message.spec.text, "state": int(message.state)}


def unpack_message(packed: dict[str, Any]) -> StoredMessage:
    """Return the message again."""
    special = {
        "key": RoutingKey(**packed["key"]),
        "spec": Spec.read(packed["spec"]),
        "state": MessageState(packed["state"]),
    }
    return StoredMessage(**{**packed, **special})


def pack_outcome(outcome: Outcome, retryable: Retryable) -> dict[str, Any]:
    """Return an outcome as what JSON can hold. Only here can its exception be weighed up."""
    cause = None if outcome.exception is None else Cause.of(outcome.exception, retryable)
    return {
        "data": outcome.data,
        "success": outcome.success,
        "started_when": outcome.started_when,
        "finished_when": outcome.finished_when,
        "cause": None if cause is None else dataclasses.asdict(cause),
        "answer": None if outcome.answer is None else dataclasses.asdict(outcome.answer),
    }


def unpack_outcome(packed: dict[str, Any]) -> Outcome:
    """Return the outcome again."""
    cause, answer = packed["cause"], packed["answer"]
    return Outcome(
        data=packed["data"],
        success=packed["success"],
        exception=None if cause is None else RemoteFailure(Cause(**cause)),
        started_when=packed["started_when"],
        finished_when=packed["finished_when"],
        answer=None if answer is None else Answer(**{**answer, "verb": Verb(answer["verb"])}),
    )
