"""Jobs as people steer them, many at once: tried again, run now, cancelled, deleted, repeated.

Each function takes ids, and returns those of the jobs with which it was done; the others were not
in a state for it any more, or their rows cannot be read by this version. It is a few transactions
for all of them, so a job that is seized may stand as running for a moment.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django_repid.core import follow, settlement
from django_repid.core.codec import Spec
from django_repid.core.connection import Connection
from django_repid.core.errors import BrokerUnavailable, RepidError
from django_repid.core.message import MessageState, NewMessage, RoutingKey, StoredMessage
from django_repid.core.names import new_id
from django_repid.core.settlement import Settlement

#: Jobs that are seized at once: what a crash in between leaves as orphans.
_STEP = 50
_UNREADABLE = (RepidError, ValueError, LookupError, TypeError, AttributeError)

_Rule = Callable[[StoredMessage, int], Settlement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is kept of a job that has ended: what it takes to run it again."""

    topic: str
    queue: str
    priority: int
    spec: str
    payload: str | None = field(default=None, repr=False)
    args_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def retry(connection: Connection, ids: Collection[str]) -> list[str]:
    """Let dead jobs start over now, with all their tries."""
    return _settled(connection, ids, [MessageState.DEAD], _anew)


def run_now(connection: Connection, ids: Collection[str]) -> list[str]:
    """Let jobs run now that come later or wait for their next try, at no cost of a try."""
    return _settled(connection, ids, [MessageState.READY], _at_once)


def delete(connection: Connection, ids: Collection[str]) -> list[str]:
    """Remove jobs that wait or are dead; of the dead their results too, which nobody needs."""
    results: list[str] = []

    def gone(message: StoredMessage, _now: int) -> Settlement:
        if message.dead_reason and message.spec.result_id is not None:
            results.append(message.spec.result_id)
        return settlement.gone(message, result=None, processed=False)

    done = _settled(connection, ids, [MessageState.READY, MessageState.DEAD], gone)
    buckets = connection.results_bucket_broker
    if buckets is not None and results:
        used = connection.message_broker.referred(results)
        connection.delete_buckets(buckets, [id_ for id_ in results if id_ not in used])
    return done


def cancel(connection: Connection, ids: Collection[str]) -> list[str]:
    """Take back jobs that wait, and ask those to stop that run; recurring ones come no more."""
    return [id_ for id_ in ids if _cancelled(connection, id_)]


def repeat(connection: Connection, past: Past) -> str:
    """Enqueue a job that has ended once more, under a new id; return that.

    Its result is stored under a new id too. It runs once, also if it was a recurring job's.

    Raises:
        NewerFormat: its terms cannot be read by this version.
        ValueError: nothing is kept of its terms.

    """
    try:
        old = Spec.read(past.spec)
    except (ValueError, LookupError, TypeError) as error:
        message = "Nothing is kept of this job's terms."
        raise ValueError(message) from error
    spec = Spec.write(
        connection.message_broker.now_us(),
        timeout=old.timeout,
        retries=old.retries,
        ttl=old.ttl,
        result_id=None if old.result_id is None else new_id(),
        result_ttl=old.result_ttl,
    )
    new = NewMessage(
        key=RoutingKey(past.topic, past.queue, past.priority),
        spec=spec,
        payload=past.payload,
        args_id=past.args_id,
        headers=past.headers,
    )
    return connection.enqueue([new])[0].key.id_


def _settled(
    connection: Connection, ids: Collection[str], states: Sequence[MessageState], rule: _Rule
) -> list[str]:
    done, wanted, broker = list[str](), list(dict.fromkeys(ids)), connection.message_broker
    for start in range(0, len(wanted), _STEP):
        seized = list(_seized(connection, wanted[start : start + _STEP], states))
        now = broker.now_us()
        lost = connection.settle([rule(message, now) for message in seized]) if seized else ()
        done += [message.key.id_ for message in seized if message.key.pk not in lost]
    return done


def _seized(
    connection: Connection, ids: Sequence[str], states: Sequence[MessageState]
) -> Iterator[StoredMessage]:
    for id_ in ids:
        try:
            message = connection.message_broker.seize(id_, states)
        except BrokerUnavailable:
            raise
        except _UNREADABLE:
            continue
        if message is not None:
            yield message


def _cancelled(connection: Connection, id_: str) -> bool:
    try:
        return follow.cancel(connection, id_)
    except BrokerUnavailable:
        raise
    except _UNREADABLE:
        return False


def _anew(message: StoredMessage, now: int) -> Settlement:
    return settlement.anew(message, at=now)


def _at_once(message: StoredMessage, now: int) -> Settlement:
    if message.spec.again is not None and not message.tries:
        # Its schedule stays as it is: this run stands for no occurrence that was planned.
        return replace(settlement.anew(message, at=now), uncancel=False)
    return settlement.again(message, run_at=now, tries=message.tries, suspicion=message.suspicion)
