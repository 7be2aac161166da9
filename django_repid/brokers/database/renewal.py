"""Recurring jobs under a chosen id: new terms take the place of the old ones."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django_repid.brokers.database import rows
from django_repid.brokers.database.statements import Statements
from django_repid.core import settlement
from django_repid.core.codec import Spec
from django_repid.core.errors import BrokerUnavailable
from django_repid.core.message import Enqueued, MessageState, NewMessage, RoutingKey, StoredMessage
from django_repid.core.settlement import Settlement

#: Overwrites nothing: a state that no message is in.
_NOTHING = (-1,)
#: The rest of a message that begins anew in the place of another. Its lease goes on.
_ANEW = {
    "state": MessageState.READY.value, "tries": 0, "crashes": 0, "suspicion": 0,
    "cancel_asked": False, "dead_reason": "", "renewal": None, "worker_id": None,
    "claimed_at": None, "waits_for": None,
}  # fmt: skip
#: What new terms change of a message. Its occurrence stays.
_TERMS = tuple(name for name in rows.NEW_COLUMNS if name not in ("message_id", "tick"))


def renew(connection: Any, statements: Statements, message: NewMessage) -> Enqueued:
    """Write a recurring message in the caller's transaction; see `MessageBroker.enqueue`.

    One that stands there is locked until the caller commits, and its settlement waits for that.
    """
    values, id_ = rows.new_message(message), message.key.id_
    for _ in range(3):  # one that stands there may be gone when it is to be locked
        if written := statements.enqueue(connection, [values], [message.run_at], _NOTHING):
            return _written(message, written[id_])
        look = statements.standing(connection, [id_]).get(id_)
        standing = None if look is None else rows.message(look)
        if standing is not None and _blocks(standing, message):
            now = statements.read_now(connection)
            return Enqueued(
                key=standing.key, duplicate=True, enqueued_at=now, standing=standing.spec
            )
        locked = _lock(connection, statements, id_)
        if locked is not None:
            answer = _replace(connection, statements, rows.message(locked), message, values)
            if answer is not None:
                return answer
    text = f"The job {id_} comes and goes too fast to be written. Enqueue it again."
    raise BrokerUnavailable(text)


def _written(message: NewMessage, found: tuple[int, int, int]) -> Enqueued:
    (pk, lease, at), key = found, message.key
    key = RoutingKey(key.topic, key.queue, key.priority, key.id_, pk, lease)
    return Enqueued(key=key, duplicate=False, enqueued_at=at)


def _blocks(standing: StoredMessage, message: NewMessage) -> bool:
    """Whether a message stays as it is: one that runs and does not recur, or is dead and the same.

    A declaration is repeated at each start of a worker, and would revive a quarantined job.
    """
    if standing.state is MessageState.RUNNING:
        return standing.spec.again is None
    again = message.spec.again
    declared = again is not None and again.declared
    return (
        standing.state is MessageState.DEAD
        and declared
        and settlement.same_schedule(standing.spec, message.spec)
    )


def _replace(
    connection: Any,
    statements: Statements,
    standing: StoredMessage,
    message: NewMessage,
    values: tuple[Any, ...],
) -> Enqueued | None:
    """Write over a message that is locked; None if it must be looked at again."""
    if _blocks(standing, message):
        return None
    pk, now = standing.key.pk or 0, statements.read_now(connection)
    terms = dict(zip(rows.NEW_COLUMNS, values, strict=True))
    if settlement.under_way(standing):
        _update(connection, statements, pk, {"renewal": json.dumps(terms)})
    elif standing.state is MessageState.READY and settlement.same_schedule(
        standing.spec, message.spec
    ):
        fresh = {"enqueued_at": now, "renewal": None, "waits_for": None, "cancel_asked": False}
        _update(connection, statements, pk, {**{name: terms[name] for name in _TERMS}, **fresh})
    else:
        # Not by `enqueue`, which on MySQL looks first and sees what the transaction began with.
        due = now if message.run_at is None else message.run_at
        times = {"run_at": due, "due_at": due, "enqueued_at": now}
        _update(connection, statements, pk, {**terms, **times, **_ANEW})
    return _written(message, (pk, standing.key.lease, now))


def apply(connection: Any, statements: Statements, ends: Sequence[Settlement]) -> list[Settlement]:
    """Return the ends of recurring messages as they are to be written, and write new terms.

    The messages are locked by this transaction.
    """
    found = _wishes(connection, statements, [end.message.key.pk or 0 for end in ends])
    changed = []
    for end in ends:
        renewal, cancel_asked = found.get(end.message.key.pk or 0, (None, False))
        if renewal is not None:
            terms = json.loads(renewal)
            spec, tick = Spec.read(terms["spec"]), int(terms["tick"])
            fresh = {"renewal": None, "cancel_asked": False}
            update = {**{name: terms[name] for name in _TERMS}, **fresh}
            _update(connection, statements, end.message.key.pk or 0, update)
            changed.append(settlement.renewed(end, spec, tick))
        elif cancel_asked and end.recurs:
            changed.append(settlement.stopped(end))
        else:
            changed.append(end)
    return changed


def _lock(connection: Any, statements: Statements, id_: str) -> Sequence[Any] | None:
    """Lock one message by its id, and return its row."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {statements.columns} FROM {statements.message} "
            f"WHERE message_id = %s{statements.for_update}",
            [id_],
        )
        found: Sequence[Any] | None = cursor.fetchone()
        return found


def _update(connection: Any, statements: Statements, pk: int, values: Mapping[str, Any]) -> None:
    """Write columns of one message that this transaction has locked."""
    sets = ", ".join(f"{name} = %s" for name in values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {statements.message} SET {sets} WHERE id = %s", [*values.values(), pk]
        )


def _wishes(
    connection: Any, statements: Statements, keys: Sequence[int]
) -> dict[int, tuple[str | None, bool]]:
    """Return pk -> (renewal, cancel_asked) of the messages for which there is one of them.

    They are locked already. Only a look that locks sees them as they are now, where an atomic
    actor's transaction goes by what it began with (REPEATABLE READ).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, renewal, cancel_asked FROM {statements.message} WHERE id IN "
            f"({statements.marks(keys)}) AND (renewal IS NOT NULL OR cancel_asked)"
            f"{statements.for_update}",
            list(keys),
        )
        return {pk: (renewal, bool(asked)) for pk, renewal, asked in cursor.fetchall()}
