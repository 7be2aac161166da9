"""The outbox: a job that the database has is written to Redis, whatever happens in between."""

import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.db import connections as databases
from django.db.models import QuerySet

from django_repid import (
    BrokerUnavailable,
    ConfigurationError,
    Connection,
    DuplicateJob,
    Job,
    RedisBucketBroker,
    RedisMessageBroker,
)
from django_repid.models import OutboxMessage
from tests.acceptance.kit import ROOT, environment, eventually, worker
from tests.on_redis.kit import URL, emptied, free_port, server, url_of
from tests.on_redis.test_worker import on_redis
from tests.shop.models import Order

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def prefix():
    with emptied() as found:
        yield found


def made(prefix: str, url: str = URL) -> Connection:
    return Connection(
        RedisMessageBroker(url, prefix=prefix, outbox=True),
        RedisBucketBroker(url, prefix=prefix),
        RedisBucketBroker(url, prefix=prefix, use_result_bucket=True),
    )


def waiting(connection: Connection) -> list[str]:
    return [one.key.id_ for one in connection.message_broker.find(["a", "b"])]


def test_it_is_empty_once_the_transaction_has_committed(prefix: str) -> None:
    connection = made(prefix)
    with transaction.atomic():
        receipt = Job("add", id_="a", args={"a": 1}, connection=connection).enqueue_sync()
        assert OutboxMessage.objects.get().target == prefix
        assert waiting(connection) == []
        assert (receipt.key.id_, receipt.duplicate) == ("a", None)

    assert waiting(connection) == ["a"]
    assert not OutboxMessage.objects.exists()


def test_nothing_is_sent_of_a_transaction_that_is_rolled_back(prefix: str) -> None:
    connection = made(prefix)
    with pytest.raises(LookupError), transaction.atomic():
        Job("add", id_="a", connection=connection).enqueue_sync()
        raise LookupError

    assert waiting(connection) == []
    assert not OutboxMessage.objects.exists()
    assert connection.message_broker.relay() == 0


def test_outside_a_transaction_it_is_not_needed(prefix: str) -> None:
    connection = made(prefix)
    assert Job("add", id_="a", connection=connection).enqueue_sync().duplicate is False
    assert not OutboxMessage.objects.exists()


def test_a_redis_that_is_away_at_the_commit_gets_the_job_when_it_is_back(
    prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    connection = made(prefix, url_of(port))
    with caplog.at_level(logging.WARNING), transaction.atomic():
        order = Order.objects.create()
        receipt = Job("add", id_="a", args={"a": order.pk}, connection=connection).enqueue_sync()

    assert Order.objects.exists()
    assert receipt.duplicate is None
    assert "stay in the outbox" in caplog.text
    assert OutboxMessage.objects.count() == 1
    with server(tmp_path, port=port):
        assert connection.message_broker.relay() == 0  # whoever wrote it may be about to send it
        assert connection.message_broker.relay() == 1
        assert waiting(connection) == ["a"]
        (found,) = connection.message_broker.find(["a"])
        assert found.args_id is not None
        assert connection.args_bucket_broker is not None
        assert found.args_id in connection.args_bucket_broker.get([found.args_id])
    assert not OutboxMessage.objects.exists()


def left_behind(connection: Connection, job: Job) -> None:
    """Leave a job in the outbox that has been sent too, as a crash after the sending does."""
    assert isinstance(connection.message_broker, RedisMessageBroker)
    outbox = connection.message_broker.outbox
    assert outbox is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbox, "remove", lambda _: None)
        with transaction.atomic():
            job.enqueue_sync()
    assert OutboxMessage.objects.count() == 1


def test_a_database_that_is_away_after_the_commit_is_no_error_of_whoever_enqueued(
    prefix: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = made(prefix)

    def away(_: object) -> None:
        raise OperationalError("gone")

    with caplog.at_level(logging.WARNING), transaction.atomic():
        Job("add", id_="a", connection=connection).enqueue_sync()
        monkeypatch.setattr(QuerySet, "delete", away)
    monkeypatch.undo()

    assert waiting(connection) == ["a"]
    assert "stay in the outbox" in caplog.text
    connection.message_broker.relay()
    assert connection.message_broker.relay() == 1
    assert not OutboxMessage.objects.exists()
    assert connection.message_broker.flush("default") == 1


@pytest.mark.parametrize("id_", [None, "a"])
def test_what_is_sent_twice_waits_once(prefix: str, id_: str | None) -> None:
    connection = made(prefix)
    left_behind(connection, Job("add", id_=id_, connection=connection))

    connection.message_broker.relay()
    assert connection.message_broker.relay() == 1

    assert not OutboxMessage.objects.exists()
    assert connection.message_broker.flush("default") == 1


def test_one_that_may_not_be_there_twice_keeps_nobody_else_from_being_sent(
    prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = made(prefix)
    strict = Job("add", id_="a", on_duplicate="raise", connection=connection)
    left_behind(connection, strict)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django_repid.brokers.redis.message_broker.run", _away)
        with transaction.atomic():
            Job("add", id_="b", connection=connection).enqueue_sync()
    connection.message_broker.relay()
    with caplog.at_level(logging.WARNING):
        assert connection.message_broker.relay() == 2

    assert sorted(waiting(connection)) == ["a", "b"]
    assert "is dropped" in caplog.text
    with pytest.raises(DuplicateJob), transaction.atomic():
        strict.enqueue_sync()
    assert not OutboxMessage.objects.exists()


def _away(*_: object) -> None:
    import redis

    raise redis.ConnectionError("away")


CRASH = """
import os, django
django.setup()
from django.db import transaction
from django_repid import Connection, Job, RedisBucketBroker, RedisMessageBroker
from tests.shop.models import Order

prefix, url = os.environ["REPID_TEST_REDIS_PREFIX"], os.environ["REPID_TEST_REDIS"]
connection = Connection(
    RedisMessageBroker(url, prefix=prefix, outbox=True),
    None,
    RedisBucketBroker(url, prefix=prefix, use_result_bucket=True),
)
with transaction.atomic():
    order = Order.objects.create()
    transaction.on_commit(lambda: os.kill(os.getpid(), 9))
    args = {"order_id": order.pk}
    Job("send_receipt", "mail", id_="a", args=args, connection=connection).enqueue_sync()
"""


@pytest.mark.timeout(90)
def test_a_process_that_is_killed_between_the_two_commits_loses_no_job(prefix: str) -> None:
    given = on_redis(prefix)
    dead = subprocess.run(
        [sys.executable, "-c", CRASH],
        cwd=ROOT,
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert dead.returncode == -9, dead.stderr
    assert OutboxMessage.objects.count() == 1
    assert waiting(made(prefix)) == []

    with worker(REPID_TEST_REDIS_OUTBOX="1", **given):
        eventually(lambda: Order.objects.filter(note="sent").exists(), 30)
    assert not OutboxMessage.objects.exists()


def test_an_outbox_needs_a_database() -> None:
    with pytest.raises(ConfigurationError, match="commit_with"):
        RedisMessageBroker(URL, commit_with=None, outbox=True)


def left_waiting(connection: Connection, job: Job) -> None:
    """Leave a job in the outbox that could not be sent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django_repid.brokers.redis.message_broker.run", _away)
        with transaction.atomic():
            job.enqueue_sync()


def test_an_older_one_does_not_take_the_place_of_a_younger(prefix: str) -> None:
    connection = made(prefix)
    unique = Job("add", id_="a", on_duplicate="replace", connection=connection)
    left_waiting(connection, unique.using(args={"a": 1}))
    with transaction.atomic():
        unique.using(args={"a": 2}).enqueue_sync()

    connection.message_broker.relay()
    assert connection.message_broker.relay() == 2

    (found,) = connection.message_broker.find(["a"])
    assert found.args_id is not None
    assert connection.args_bucket_broker is not None
    assert connection.args_bucket_broker.get([found.args_id])[found.args_id].value == {"a": 2}


def test_only_what_a_look_has_seen_is_sent_by_the_next(prefix: str) -> None:
    connection = made(prefix)
    left_waiting(connection, Job("add", id_="a", connection=connection))
    connection.message_broker.relay()
    # A transaction that began before shows its row only now, under a lower key.
    row = OutboxMessage.objects.get()
    OutboxMessage.objects.create(pk=row.pk - 1, target=row.target, body=row.body)

    assert connection.message_broker.relay() == 1
    assert [one.pk for one in OutboxMessage.objects.all()] == [row.pk - 1]


def test_the_relay_works_again_after_its_connection_was_lost(prefix: str) -> None:
    connection = made(prefix)
    left_waiting(connection, Job("add", id_="a", connection=connection))
    sent: list[int | str] = []

    def relay() -> None:
        """As a janitor does, on a thread whose connection nobody tidies."""
        try:
            connection.message_broker.relay()
            lose(databases["default"])
            for _ in range(3):
                try:
                    sent.append(connection.message_broker.relay())
                except BrokerUnavailable:
                    sent.append("away")
        finally:
            databases.close_all()

    thread = threading.Thread(target=relay)
    thread.start()
    thread.join(30)

    assert sent[0] == "away"
    assert 1 in sent
    assert not OutboxMessage.objects.exists()


def lose(database: Any) -> None:
    """Have a connection of which Django does not know that it is gone."""
    database.connection.close()
