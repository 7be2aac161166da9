"""What the memory broker asks of single messages, and what it makes of them."""

from dataclasses import replace

from django_repid.core.message import (
    MessageCategory,
    MessageState,
    NewMessage,
    Parameters,
    RetriesProperties,
    RoutingKey,
    StoredMessage,
)
from django_repid.core.settlement import Settlement


def fresh(message: NewMessage, key: RoutingKey, now: int) -> StoredMessage:
    """Return a new message as it is stored."""
    run_at = now if message.run_at is None else message.run_at
    return StoredMessage(
        key=key,
        parameters=message.parameters,
        state=MessageState.READY,
        run_at=run_at,
        due_at=run_at,
        tick=None,
        enqueued_at=now,
        claimed_at=None,
        worker_id=None,
        tries=0,
        crashes=0,
        cancel_asked=False,
        payload=message.payload,
        args_id=message.args_id,
        args_generated=message.args_generated,
        waits_for=None,
        dead_reason="",
        headers=dict(message.headers),
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
    return replace(
        held,
        state=end.state,
        run_at=end.run_at,
        due_at=end.due_at,
        tick=end.tick,
        tries=end.tries,
        crashes=end.crashes,
        waits_for=end.waits_for,
        dead_reason=end.dead_reason,
        worker_id=None,
        claimed_at=None,
        parameters=_with_tries(held.parameters, end.tries),
    )


def rescued(message: StoredMessage) -> StoredMessage:
    """Return a message as it is after its worker was found dead."""
    return replace(
        message,
        state=MessageState.READY,
        worker_id=None,
        claimed_at=None,
        crashes=message.crashes + 1,
    )


def rank(message: StoredMessage) -> tuple[int, int, int]:
    """Order within a queue: by priority, then by due time, then by age."""
    return -message.key.priority, message.run_at, message.key.pk or 0


def category(message: StoredMessage, now: int) -> MessageCategory | None:
    """Return what a message is browsed as; a running one as nothing."""
    if message.state is MessageState.DEAD:
        return MessageCategory.DEAD
    if message.state is MessageState.RUNNING:
        return None
    return MessageCategory.DELAYED if message.run_at > now else MessageCategory.NORMAL


def _with_tries(parameters: Parameters, tries: int) -> Parameters:
    return replace(
        parameters, retries=RetriesProperties(parameters.retries.max_amount, already_tried=tries)
    )
