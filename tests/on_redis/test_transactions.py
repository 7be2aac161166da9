"""An enqueue to Redis beside a database's transaction: it waits for the commit."""

import pytest
from django.db import transaction

from django_repid import Connection, Job, RedisMessageBroker
from tests.on_redis.kit import URL, emptied

pytestmark = [
    pytest.mark.redis,
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]


@pytest.fixture
def prefix():
    with emptied() as found:
        yield found


def count(connection: Connection) -> int:
    return len(connection.message_broker.find(["one"]))


def job(connection: Connection) -> Job:
    return Job("add", id_="one", args={"a": 1, "b": 2}, connection=connection)


def test_what_a_transaction_enqueues_is_written_when_it_commits(prefix: str) -> None:
    connection = Connection(RedisMessageBroker(URL, prefix=prefix))
    with transaction.atomic():
        receipt = job(connection).enqueue_sync()
        assert (receipt.duplicate, count(connection)) == (None, 0)

    assert count(connection) == 1


def test_what_is_rolled_back_was_never_enqueued(prefix: str) -> None:
    connection = Connection(RedisMessageBroker(URL, prefix=prefix))
    with pytest.raises(RuntimeError), transaction.atomic():
        job(connection).enqueue_sync()
        raise RuntimeError

    assert count(connection) == 0


@pytest.mark.parametrize(("alias", "at_once"), [("default", 1), ("other", 0)])
def test_whose_commit_it_waits_for_can_be_said(prefix: str, alias: str, at_once: int) -> None:
    connection = Connection(RedisMessageBroker(URL, prefix=prefix, commit_with=alias))
    with transaction.atomic(using="other"):
        job(connection).enqueue_sync()
        assert count(connection) == at_once

    assert count(connection) == 1


def test_none_waits_for_nobody(prefix: str) -> None:
    connection = Connection(RedisMessageBroker(URL, prefix=prefix, commit_with=None))
    with transaction.atomic():
        job(connection).enqueue_sync()
        assert count(connection) == 1
