"""Messages as people handle them: looked at, and answered from outside."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from asgiref.sync import markcoroutinefunction

from django_repid.core import settlement
from django_repid.core.announcing import announce
from django_repid.core.connection import Connection
from django_repid.core.eager import Nacked
from django_repid.core.errors import LeaseLost
from django_repid.core.host import host
from django_repid.core.loud import Loud, require_loop
from django_repid.core.message import (
    MessageCategory,
    MessageState,
    Parameters,
    RoutingKey,
    StoredMessage,
)
from django_repid.core.message_dependency import checked_wait
from django_repid.core.outcome import Bench
from django_repid.core.settlement import Settlement
from django_repid.core.verdict import hand_back, refuse

_Rule = Callable[[StoredMessage, Bench], Settlement]


class Message:
    """One message of a queue, as it stood when it was looked at. It is not claimed.

    An answer takes it out of its queue for as long as the answer takes to be written, and only if
    it still is what it was: `LeaseLost` says that a worker, or somebody else, was faster. After the
    first one that was carried out the message is read-only, and any other a ValueError.
    """

    def __init__(
        self, stored: StoredMessage, category: MessageCategory, connection: Connection
    ) -> None:
        self._stored = stored
        self._connection = connection
        self._read_only = False
        self.category = category

    def __repr__(self) -> str:
        return f"<Message {self.key.topic} {self.key.id_}>"

    @property
    def key(self) -> RoutingKey:
        """Its address."""
        return self._stored.key

    @property
    def parameters(self) -> Parameters:
        """Its terms."""
        return self._stored.parameters

    @property
    def raw_payload(self) -> str:
        """The serialized arguments that it carries; empty if they are in a bucket."""
        return self._stored.payload or ""

    @property
    def args_id(self) -> str | None:
        """The bucket that holds its arguments, if they are in one."""
        return self._stored.args_id

    @property
    def headers(self) -> Mapping[str, str]:
        """The small texts that travel with it."""
        return self._stored.headers

    @property
    def dead_reason(self) -> str:
        """Why it is dead, in one line; empty if it is not."""
        return self._stored.dead_reason

    @property
    def read_only(self) -> bool:
        """Whether it was answered, so that it takes no other answer."""
        return self._read_only

    @markcoroutinefunction
    def ack(self) -> Coroutine[Any, Any, None]:
        """Take it away as done, without a result; a waiting recurring job comes again.

        Raises:
            LeaseLost: it is no longer what it was.
            ValueError: it was answered already.

        """
        return self._awaited("ack", _acked)

    def ack_sync(self) -> None:
        """Take it away as done; see `ack`."""
        self._called("ack", _acked)

    @markcoroutinefunction
    def nack(self) -> Coroutine[Any, Any, None]:
        """Make it a dead letter.

        Raises:
            LeaseLost: it is no longer what it was.
            ValueError: it is not NORMAL, or was answered already.

        """
        return self._awaited("nack", _nacked)

    def nack_sync(self) -> None:
        """Make it a dead letter; see `nack`."""
        self._called("nack", _nacked)

    @markcoroutinefunction
    def reject(self) -> Coroutine[Any, Any, None]:
        """Leave it as it is.

        Raises:
            LeaseLost: it is no longer what it was.
            ValueError: it was answered already.

        """
        return self._awaited("reject", self._as_it_was)

    def reject_sync(self) -> None:
        """Leave it as it is; see `reject`."""
        self._called("reject", self._as_it_was)

    @markcoroutinefunction
    def retry(self, next_retry: timedelta | None = None) -> Coroutine[Any, Any, None]:
        """Count a try, and let it be due after `next_retry`; now unless that is given.

        Raises:
            LeaseLost: it is no longer what it was.
            ValueError: its retries are used up, `next_retry` is no time to wait, it is not NORMAL,
                or was answered already.

        """
        return self._awaited("retry", _tried_again(next_retry))

    def retry_sync(self, next_retry: timedelta | None = None) -> None:
        """Count a try; see `retry`."""
        self._called("retry", _tried_again(next_retry))

    @markcoroutinefunction
    def force_retry(self, next_retry: timedelta | None = None) -> Coroutine[Any, Any, None]:
        """Count a try as `retry` does, also if the retries are used up."""
        return self._awaited("force_retry", _tried_again(next_retry))

    def force_retry_sync(self, next_retry: timedelta | None = None) -> None:
        """Count a try; see `force_retry`."""
        self._called("force_retry", _tried_again(next_retry))

    @markcoroutinefunction
    def reschedule(self) -> Coroutine[Any, Any, None]:
        """Let the job start over now, with all its tries.

        Raises:
            LeaseLost: it is no longer what it was.
            ValueError: it was answered already.

        """
        return self._awaited("reschedule", _anew)

    def reschedule_sync(self) -> None:
        """Let the job start over; see `reschedule`."""
        self._called("reschedule", _anew)

    def _awaited(self, verb: str, rule: _Rule) -> Coroutine[Any, Any, None]:
        require_loop(f"message.{verb}()", f"message.{verb}_sync()")
        return Loud(self._connection.run(self._answer, verb, rule), f"{self!r}.{verb}()", depth=3)

    def _called(self, verb: str, rule: _Rule) -> None:
        host().guard_sync(f"message.{verb}_sync")
        self._answer(verb, rule)

    def _answer(self, verb: str, rule: _Rule) -> None:
        self._check(verb)
        seized = self._seize()
        bench = Bench(worker="", now=self._connection.message_broker.now_us())
        ends = [rule(seized, bench)]
        # Repid has one event for all that comes again.
        said = verb if verb in ("ack", "nack", "reject") else "requeue"
        announce(self._connection.middleware, "before", ends, verb=said)
        if self._connection.settle(ends):
            raise self._lost()
        announce(self._connection.middleware, "after", ends, verb=said)
        self._read_only = True

    def _check(self, verb: str) -> None:
        if self._read_only:
            message = "Message is read only: it was answered already."
            raise ValueError(message)
        needs_normal = verb in ("nack", "retry", "force_retry")
        if needs_normal and self.category is not MessageCategory.NORMAL:
            message = f"Can not {verb} a message with category {self.category}, only a NORMAL one."
            raise ValueError(message)
        retries = self._stored.spec.retries
        if verb == "retry" and self._stored.tries >= retries:
            message = (
                f"Max retry limit reached: the job has used up its {retries} retries. force_retry "
                "tries it again all the same."
            )
            raise ValueError(message)

    def _seize(self) -> StoredMessage:
        stored, broker = self._stored, self._connection.message_broker
        seized = broker.seize(self.key.id_, [stored.state])
        if seized is None:
            raise self._lost()
        was = (stored.key.pk, stored.key.lease + 1, stored.enqueued_at)
        if (seized.key.pk, seized.key.lease, seized.enqueued_at) != was:
            # It has run since, or another job has taken the id: that one stays as it was.
            self._connection.settle([self._as_it_was(seized)])
            raise self._lost()
        return seized

    def _as_it_was(self, seized: StoredMessage, _: Bench | None = None) -> Settlement:
        if self._stored.state is not MessageState.DEAD:
            return hand_back(seized)
        back = settlement.dead(
            seized,
            at=seized.run_at,
            reason=seized.dead_reason,
            result=None,
            failure=None,
            tries=seized.tries,
            processed=False,
        )
        return replace(back, suspicion=seized.suspicion)

    def _lost(self) -> LeaseLost:
        state = self._stored.state.name
        return LeaseLost(f"Message {self.key.id_} is not {state} any more, or has run since.")


def _acked(seized: StoredMessage, bench: Bench) -> Settlement:
    end = settlement.gone(seized, result=None, processed=False)
    if seized.spec.again is None or seized.dead_reason:
        return end
    return settlement.recurring(end, after=bench.now)


def _nacked(seized: StoredMessage, bench: Bench) -> Settlement:
    return refuse(seized, Nacked(), bench)


def _anew(seized: StoredMessage, bench: Bench) -> Settlement:
    return settlement.anew(seized, at=bench.now)


def _tried_again(next_retry: timedelta | None) -> _Rule:
    wait = 0 if next_retry is None else checked_wait(next_retry)

    def rule(seized: StoredMessage, bench: Bench) -> Settlement:
        return settlement.again(
            seized, run_at=bench.now + wait, tries=seized.tries + 1, suspicion=seized.suspicion
        )

    return rule
