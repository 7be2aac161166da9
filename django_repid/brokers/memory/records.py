"""What the memory broker asks of single messages, and what it makes of them."""

import itertools
from dataclasses import replace

from django_repid.core.message import (
    MessageCategory,
    MessageState,
    NewMessage,
    RoutingKey,
    StoredMessage,
)
from django_repid.core.settlement import Settlement
from django_repid.core.suspicion import after_crash


def fresh(message: NewMessage, key: RoutingKey, now: int) -> StoredMessage:
    """Return a new message as it is stored."""
    run_at = now if message.run_at is None else message.run_at
    return StoredMessage(
        key=key,
        spec=message.spec,
        state=MessageState.READY,
        run_at=run_at,
        due_at=run_at,
        tick=message.tick,
        enqueued_at=now,
        claimed_at=None,
        worker_id=None,
        tries=0,
        crashes=0,
        suspicion=0,
        cancel_asked=False,
        payload=message.payload,
        args_id=message.args_id,
        args_generated=message.args_generated,
        waits_for=None,
        dead_reason="",
        headers=dict(message.headers),
    )


def on_new_terms(held: StoredMessage, message: NewMessage, now: int) -> StoredMessage:
    """Return a recurring message under new terms; the occurrence that it stands for stays."""
    return replace(
        held,
        key=replace(message.key, pk=held.key.pk, lease=held.key.lease),
        spec=message.spec,
        enqueued_at=now,
        payload=message.payload,
        args_id=message.args_id,
        args_generated=message.args_generated,
        headers=dict(message.headers),
        waits_for=None,
        cancel_asked=False,
    )


def taken(message: StoredMessage, worker_id: int | None, now: int) -> StoredMessage:
    """Return a message as it is after a claim."""
    return replace(
        message,
        key=replace(message.key, lease=message.key.lease + 1),
        state=MessageState.RUNNING,
        worker_id=worker_id,
        claimed_at=now,
    )


def settled(held: StoredMessage, end: Settlement) -> StoredMessage:
    """Return a message as it stays behind after a settlement that does not remove it."""
    assert end.state is not None  # noqa: S101 - callers have filtered
    return replace(
        held,
        state=end.state,
        run_at=end.run_at,
        due_at=end.due_at,
        tick=end.tick,
        tries=end.tries,
        crashes=end.crashes,
        suspicion=end.suspicion,
        waits_for=end.waits_for,
        dead_reason=end.dead_reason,
        cancel_asked=held.cancel_asked and not end.uncancel,
        worker_id=None,
        claimed_at=None,
    )


def given_back(message: StoredMessage) -> StoredMessage:
    """Return a message as it is after a claim that nobody has heard of."""
    return replace(message, state=MessageState.READY, worker_id=None, claimed_at=None)


def rescued(message: StoredMessage, in_flight: int) -> StoredMessage:
    """Return a message as it is after its worker was found dead with so many in flight."""
    return replace(
        message,
        state=MessageState.READY,
        worker_id=None,
        claimed_at=None,
        crashes=message.crashes + 1,
        suspicion=after_crash(message.suspicion, in_flight),
    )


def rank(message: StoredMessage) -> tuple[int, int, int]:
    """Order within a queue: by priority, then by due time, then by age."""
    return -message.key.priority, message.run_at, message.key.pk or 0


def in_turns(due: list[StoredMessage], turn: int) -> list[StoredMessage]:
    """Order messages: those of a queue by rank; the queues in turns, each time another first."""
    by_queue: dict[str, list[StoredMessage]] = {}
    for message in sorted(due, key=rank):
        by_queue.setdefault(message.key.queue, []).append(message)
    queues = list(by_queue.values())
    start = turn % len(queues) if queues else 0
    rounds = itertools.zip_longest(*queues[start:], *queues[:start])
    return [message for one_round in rounds for message in one_round if message is not None]


def category(message: StoredMessage, now: int) -> MessageCategory | None:
    """Return what a message is browsed as; a running one as nothing."""
    if message.state is MessageState.DEAD:
        return MessageCategory.DEAD
    if message.state is MessageState.RUNNING:
        return None
    return MessageCategory.DELAYED if message.run_at > now else MessageCategory.NORMAL
