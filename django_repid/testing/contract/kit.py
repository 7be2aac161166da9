"""Small makers of what the contract's tests need."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from django_repid.core import clock, settlement
from django_repid.core.bucket import BucketRecord, ResultBucket
from django_repid.core.claims import Claim, ClaimRequest, Want, WorkerInfo
from django_repid.core.codec import Spec
from django_repid.core.connection import Connection
from django_repid.core.message import (
    Enqueued,
    NewMessage,
    OnDuplicate,
    RoutingKey,
    StoredMessage,
)
from django_repid.core.settlement import Failure, Settlement

SECOND = 1_000_000
HOUR = 3600 * SECOND


def new(
    topic: str = "work",
    *,
    queue: str = "default",
    priority: int = 5,
    id_: str | None = None,
    on_duplicate: str | None = None,
    result_id: str | None = None,
    **more: Any,
) -> NewMessage:
    """Make a new message; a chosen id is skipped as a duplicate unless something else is said."""
    if id_ is not None and on_duplicate is None:
        on_duplicate = "skip"
    return NewMessage(
        key=RoutingKey(topic, queue, priority, id_ or uuid4().hex),
        spec=Spec.write(clock.now_us(), result_id=result_id, result_ttl=24 * HOUR),
        on_duplicate=None if on_duplicate is None else OnDuplicate(on_duplicate),
        **{"payload": "{}", **more},
    )


def worker_info(name: str = "someone") -> WorkerInfo:
    """Make a worker that lives nowhere."""
    return WorkerInfo(
        name=name,
        host="nowhere",
        boot_id="",
        pid=1,
        pid_started="",
        queues=[],
        topics=["work"],
        version="0",
    )


class Stage:
    """A connection with a worker on it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.broker = connection.message_broker
        self._registered: list[int] = []
        self.worker_id = self.register("someone")

    def register(self, name: str) -> int:
        """Register one more worker; it takes its leave when the test is over."""
        worker_id = self.broker.register(worker_info(name))
        self._registered.append(worker_id)
        return worker_id

    def close(self) -> None:
        """Let every worker of this test take its leave."""
        for worker_id in self._registered:
            self.broker.deregister(worker_id)

    def enqueue(self, *messages: NewMessage) -> list[Enqueued]:
        """Enqueue messages with their args buckets."""
        return self.connection.enqueue(messages)

    def claim(
        self, limit: int = 100, topics: Collection[str] = ("work",), **more: Any
    ) -> list[StoredMessage]:
        """Claim messages."""
        return list(self.claim_all(limit, topics, **more).messages)

    def claim_all(
        self, limit: int = 100, topics: Collection[str] = ("work",), **more: Any
    ) -> Claim:
        """Claim messages, and get the whole answer."""
        worker_id = more.pop("worker_id", self.worker_id)
        request = ClaimRequest(worker_id=worker_id, wants=[Want(topics, limit)], **more)
        return self.broker.claim(request)

    def claim_one(self, **more: Any) -> StoredMessage:
        """Claim the one message that is there."""
        (message,) = self.claim(**more)
        return message

    def settle(self, *ends: Settlement) -> frozenset[int]:
        """Settle claims with their results."""
        return self.connection.settle(ends)

    def result(self, id_: str) -> ResultBucket | None:
        """Return a result bucket."""
        return self.connection.result(id_)


class StageFixture:
    """Gives the contract's tests their `stage`; its user gives the `connection`."""

    @pytest.fixture
    def connection(self) -> Connection:
        """Return a connection whose brokers are empty and share a store."""
        message = "Subclass the contract and give it a `connection` fixture."
        raise NotImplementedError(message)

    @pytest.fixture
    def stage(self, connection: Connection) -> Iterator[Stage]:
        """Return the connection with a registered worker."""
        stage = Stage(connection)
        yield stage
        stage.close()


def record(
    id_: str, data: str = '"done"', *, success: bool = True, ttl: timedelta | None = None, now: int
) -> BucketRecord:
    """Make a result bucket on its way into a store."""
    return BucketRecord(
        id_=id_,
        data=data,
        stored_at=now,
        ttl=None if ttl is None else clock.span_us(ttl),
        started_ns=now * 1000,
        finished_ns=now * 1000 + 5,
        success=success,
        exception=None if success else "ValueError",
    )


def args_record(
    id_: str, data: str = "{}", *, ttl: timedelta | None = None, generated: bool = False
) -> BucketRecord:
    """Make an args bucket on its way into a store."""
    ttl_us = None if ttl is None else clock.span_us(ttl)
    return BucketRecord(id_=id_, data=data, ttl=ttl_us, generated=generated)


def ack(message: StoredMessage, result: BucketRecord | None = None) -> Settlement:
    """End a claim: the row goes. Its result comes from it, as a worker's does."""
    if result is not None:
        result = replace(result, origin=message, tries=message.tries, worker="someone")
    return settlement.gone(message, result=result, processed=True)


def retry(message: StoredMessage, *, run_at: int, failure: Failure | None = None) -> Settlement:
    """End a claim: another try later."""
    return settlement.again(
        message, run_at=run_at, tries=message.tries + 1, failure=failure, processed=True
    )


def bury(
    message: StoredMessage,
    *,
    at: int,
    reason: str = "ValueError: no",
    result: BucketRecord | None = None,
) -> Settlement:
    """End a claim: a dead letter."""
    return settlement.dead(
        message, at=at, reason=reason, result=result, failure=None, tries=1, processed=True
    )


def ids(messages: Sequence[StoredMessage]) -> list[str]:
    """Return the ids of messages, in their order."""
    return [message.key.id_ for message in messages]
