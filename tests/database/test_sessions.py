"""The sessions of a worker's own threads, and a worker beside transactions that hold its rows."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from django_repid import DatabaseBucketBroker, DatabaseMessageBroker, Job, Router, Worker
from django_repid.brokers.database import session
from django_repid.core.connection import Connection
from django_repid.core.errors import BrokerUnavailable, RowLocked
from django_repid.models import Bucket, Message
from django_repid.testing.contract.kit import Stage, ack, new
from django_repid.worker import settler

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

LONG = 20.0


def database() -> Connection:
    return Connection(DatabaseMessageBroker(), None, DatabaseBucketBroker(use_result_bucket=True))


@contextmanager
def a_stranger_holds(hold: Callable[[], Any]) -> Iterator[None]:
    """Have a transaction open on another thread, which has done something."""
    holds, may_go = threading.Event(), threading.Event()

    def work() -> None:
        with transaction.atomic():
            hold()
            holds.set()
            may_go.wait(LONG)
        connection.close()

    stranger = threading.Thread(target=work)
    stranger.start()
    assert holds.wait(LONG)
    try:
        yield
    finally:
        may_go.set()
        stranger.join()


def on_own_thread(broker: DatabaseMessageBroker, call: Callable[[], Any]) -> Any:
    """Call something on a thread of a worker's own; return what it returns or raises."""
    answers: list[Any] = []

    def work() -> None:
        try:
            with broker.own_session():
                answers.append(call())
        except Exception as error:
            answers.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(LONG)
    return answers[0]


def test_its_own_session_ends_with_its_thread_and_leaves_the_project_s_as_it_was() -> None:
    broker = DatabaseMessageBroker()

    def look() -> tuple[bool, bool]:
        before = connections["default"]
        with broker.own_session():
            inside = connections["default"]
            broker.now_us()
        return inside is before, connections["default"] is before

    same_inside, same_after = on_own_thread(broker, look)

    assert same_inside == (connection.vendor == "sqlite")
    assert same_after


if connection.vendor != "sqlite":  # which locks no rows

    def test_a_row_that_a_stranger_holds_costs_its_own_settlement_a_second_and_no_more() -> None:
        stage = Stage(database())
        stage.enqueue(*[new() for _ in range(3)])
        messages = stage.claim()
        held, *others = messages

        with a_stranger_holds(
            lambda: Message.objects.filter(message_id=held.key.id_).update(tries=0)
        ):
            before = time.monotonic()
            answer = on_own_thread(stage.broker, lambda: stage.settle(ack(held)))  # type: ignore[arg-type]  # it is one
            took = time.monotonic() - before
            rest = on_own_thread(stage.broker, lambda: stage.settle(*map(ack, others)))  # type: ignore[arg-type]  # as above

        assert isinstance(answer, RowLocked)
        assert isinstance(answer, BrokerUnavailable)  # to whoever knows no better
        assert took < session.LOCK_SECONDS + 2
        assert rest == frozenset()
        assert stage.settle(ack(held)) == frozenset()

    def test_orphans_are_freed_beside_one_that_a_stranger_holds() -> None:
        stage = Stage(database())
        stage.enqueue(*[new() for _ in range(3)])
        held, *others = stage.claim()
        stage.broker.deregister(stage.worker_id)

        with a_stranger_holds(
            lambda: Message.objects.filter(message_id=held.key.id_).update(tries=0)
        ):
            freed = on_own_thread(stage.broker, stage.broker.rescue_orphans)  # type: ignore[arg-type]  # it is one
        later = on_own_thread(stage.broker, stage.broker.rescue_orphans)  # type: ignore[arg-type]  # as above

        assert (freed, later) == (len(others), 1)

    def test_a_worker_goes_on_beside_a_transaction_that_holds_one_of_its_jobs(
        monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(settler, "_LOCKED_SECONDS", 0.2)
        router, runs = Router(), []

        @router.actor
        async def work(number: int) -> int:
            runs.append(number)
            while number == 0 and not held.is_set():  # noqa: ASYNC110 - another thread sets it
                await asyncio.sleep(0.01)
            return number

        held = threading.Event()
        jobs = [Job("work", args={"number": n}, id_=f"job-{n}") for n in range(30)]
        Job.enqueue_many_sync(jobs)

        def hold() -> None:
            assert Message.objects.filter(message_id="job-0", state=1).update(tries=0)
            held.set()

        async def scene() -> None:
            worker = Worker([router], handle_signals=(), connection="default")
            running = asyncio.create_task(worker.run())
            await asyncio.to_thread(watch)
            worker.stop()
            await running

        def watch() -> None:
            until(lambda: 0 in runs)
            with a_stranger_holds(hold):
                until(lambda: Bucket.objects.filter(success=True).count() == 29)
                until(lambda: "waits for somebody's transaction" in caplog.text)
                Job("work", args={"number": 99}).enqueue_sync()
                until(lambda: Bucket.objects.filter(success=True).count() == 30)
            until(lambda: not Message.objects.exists())
            connection.close()

        with caplog.at_level(logging.WARNING, "django_repid"):
            asyncio.run(scene())

        assert sorted(runs) == [*range(30), 99]  # nothing ran twice
        assert jobs[0].result_sync().value == 0  # type: ignore[union-attr]  # asserted by use
        assert "LeaseLost" not in caplog.text
        assert "cannot be reached" not in caplog.text

    def test_its_transactions_read_what_is_committed_whatever_the_project_says() -> None:
        broker = DatabaseMessageBroker()
        name = "transaction_isolation" if connection.vendor == "postgresql" else "@@tx_isolation"

        def ask() -> str:
            with transaction.atomic(), connections["default"].cursor() as cursor:
                cursor.execute(f"SHOW {name}" if name[0] != "@" else f"SELECT {name}")
                return str(cursor.fetchone()[0])

        found = on_own_thread(broker, ask)

        assert found.replace("-", " ").lower() == "read committed"


if connection.vendor == "postgresql":

    def shown(name: str) -> str:
        with connections["default"].cursor() as cursor:
            cursor.execute(f"SHOW {name}")
            return str(cursor.fetchone()[0])

    def test_its_statements_have_limits_and_those_of_actors_have_none() -> None:
        names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")

        found = on_own_thread(DatabaseMessageBroker(), lambda: [shown(name) for name in names])

        assert found == ["250ms", "20s", "20s"]
        assert [shown(name) for name in names] == ["0", "0", "0"]

    def test_a_vacuum_may_take_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session, "_ANSWER_SECONDS", 0.3)
        broker = DatabaseMessageBroker()

        def be_patient() -> tuple[str, str]:
            broker.tend()
            own = connections["default"]
            with session.patiently(own), own.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(1.5)")
                inside = shown("statement_timeout")
            return inside, shown("statement_timeout")

        assert on_own_thread(broker, be_patient) == ("0", "20s")

    def test_an_exhausted_pool_of_the_project_s_does_not_hold_the_worker_up() -> None:
        """Its own sessions are in no pool: it claims and settles while nobody else gets one."""
        broker = DatabaseMessageBroker()

        def look() -> tuple[str, int]:
            project = connections["default"]
            options = {**project.settings_dict["OPTIONS"]}
            options["pool"] = {"min_size": 1, "max_size": 1, "timeout": 0.2}
            settings = {**project.settings_dict, "OPTIONS": options, "CONN_MAX_AGE": 0}
            pooled: Any = type(project)(settings, "pooled")
            other: Any = type(project)(settings, "pooled")
            connections["default"] = other
            try:
                pooled.ensure_connection()  # the only one there is
                try:
                    other.ensure_connection()
                except OperationalError as error:
                    with broker.own_session():
                        return str(error), broker.now_us()
                return "there was one", 0
            finally:
                pooled.close()
                pooled.close_pool()
                connections["default"] = project

        error, now = on_own_thread(broker, look)

        assert "couldn't get a connection" in error
        assert now > 0

    def test_a_pooler_s_sessions_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
        """Behind PgBouncer the number of the server's process is not the one told at the start."""
        monkeypatch.setattr(session, "_POSTGRESQL", session._POSTGRESQL + " + 1")

        found = on_own_thread(DatabaseMessageBroker(), lambda: shown("lock_timeout"))

        assert found == "0"

    def test_a_server_that_does_not_answer_is_given_up(
        monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(session, "_ANSWER_SECONDS", 0.5)
        broker = DatabaseMessageBroker()

        def wait_for_nothing() -> Any:
            """The server sleeps; its own limit does not end that in time."""
            try:
                with connections["default"].cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(2)")
            except Exception as error:
                connections["default"].close()
                return error, broker.now_us()

        before = time.monotonic()
        with caplog.at_level(logging.WARNING, "django_repid"):
            error, now = on_own_thread(broker, wait_for_nothing)

        assert isinstance(error, Exception)
        assert now > 0
        assert time.monotonic() - before < 2
        assert "has not answered" in caplog.text
        until(nobody_sleeps)  # or its database could not be dropped

    def nobody_sleeps() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            return bool(cursor.fetchone()[0] == 0)


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
