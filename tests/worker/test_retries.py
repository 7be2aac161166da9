"""Failures that are tried again, or not, by a worker: on its loop, its threads, in a cell."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_repid import Job, MessageCategory, RetryAfter, Router
from django_repid.core.connection import Connection
from django_repid.core.suspicion import ISOLATED
from tests import stores
from tests.worker.kit import burst

pytestmark = pytest.mark.usefixtures("each_store")

AT = datetime(2051, 1, 2, tzinfo=UTC)
router = Router()


@router.actor(retry_on=ConnectionError)
def wrong() -> None:
    raise ValueError("no network in this")


@router.actor(retry_on=ConnectionError, name="wrong-async")
async def wrong_async() -> None:
    raise ValueError("no network in this")


@router.actor(retries=5, give_up_on=TimeoutError, timeout=timedelta(seconds=1))
async def slow() -> None:
    await asyncio.sleep(60)


@router.actor
def called_too_often() -> None:
    raise RetryAfter(AT, message="429")


@router.actor(name="called-too-often-async")
async def called_too_often_async() -> None:
    raise RetryAfter(AT, message="429")


def suspected(connection: Connection, key: Any) -> None:
    stores.change(connection, key.id_, suspicion=ISOLATED)


def browse(connection: Connection, category: MessageCategory) -> list[Any]:
    return list(connection.message_broker.browse("default", category))


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("name", ["wrong", "wrong-async"])
def test_what_retry_on_does_not_name_fails_for_good_at_once(name: str, isolated: bool) -> None:
    connection = stores.connection()
    job = Job(name, retries=5, connection=connection)
    key = job.enqueue_sync().key
    if isolated:
        suspected(connection, key)

    assert burst(connection, router) == 1

    (dead,) = browse(connection, MessageCategory.DEAD)
    assert (dead.tries, dead.dead_reason) == (1, "ValueError: no network in this")
    assert job.result_sync().exception == "ValueError"  # type: ignore[union-attr]  # asserted by use


@pytest.mark.parametrize("isolated", [False, True])
def test_a_timeout_can_be_given_up_on(isolated: bool) -> None:
    connection = stores.connection()
    key = Job(slow, connection=connection).enqueue_sync().key
    if isolated:
        suspected(connection, key)

    assert burst(connection, router) == 1

    (dead,) = browse(connection, MessageCategory.DEAD)
    assert (dead.tries, dead.dead_reason.partition(":")[0]) == (1, "TimeoutError")


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("name", ["called-too-often-async", "called_too_often"])
def test_retry_after_is_when_the_next_try_is(name: str, isolated: bool) -> None:
    connection = stores.connection()
    key = Job(name, retries=5, connection=connection).enqueue_sync().key
    if isolated:
        suspected(connection, key)

    assert burst(connection, router) == 1

    (waiting,) = browse(connection, MessageCategory.DELAYED)
    assert waiting.tries == 1
    assert datetime.fromtimestamp(waiting.run_at / 1e6, UTC) == AT
