"""An enqueue wakes sleeping workers, after commit, and lost bells cost latency only."""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connection, transaction

from django_repid import Connection, DatabaseMessageBroker, Job, Router, Worker
from django_repid.brokers.database import bells
from django_repid.core.options import Options
from django_repid.worker import desk
from tests.worker.kit import during

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

LONG = 20.0


class Ear:
    """A listener, and what it has heard."""

    def __init__(self, broker: DatabaseMessageBroker) -> None:
        self.rung = threading.Event()
        self._bell = broker.bell(self.rung.set)
        self._broker = broker

    def __enter__(self) -> "Ear":
        self._bell.__enter__()
        if connection.vendor == "postgresql":
            until(lambda: self._broker.rings)
        self.rung.clear()
        time.sleep(2 * bells._QUIET_SECONDS)  # whatever rang before is long over
        return self

    def __exit__(self, *error: object) -> None:
        self._bell.__exit__(None, None, None)


def until(holds: object) -> None:
    assert callable(holds)
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def broker() -> DatabaseMessageBroker:
    return DatabaseMessageBroker()


@pytest.fixture
def there(broker: DatabaseMessageBroker) -> Connection:
    return Connection(broker)


@pytest.fixture
def ear(broker: DatabaseMessageBroker) -> Iterator[Ear]:
    with Ear(broker) as ear:
        yield ear


def test_an_enqueue_rings(ear: Ear, there: Connection) -> None:
    Job("add", connection=there).enqueue_sync()

    assert ear.rung.wait(LONG)


def test_an_enqueue_by_another_broker_of_the_same_database_rings(ear: Ear) -> None:
    Job("add", connection=Connection(DatabaseMessageBroker())).enqueue_sync()

    assert ear.rung.wait(LONG)


def test_a_listener_whose_thread_has_ended_can_be_stopped() -> None:
    listener = bells.Listener("default", lambda: None)
    listener.start()
    listener._stopping = True  # as `stop` begins, which another ring may overtake
    bells._send_datagrams(bells.folder_of("default"))
    listener._thread.join(LONG)

    listener.stop()

    assert not listener._thread.is_alive()


def test_it_rings_at_commit_and_not_before(ear: Ear, there: Connection) -> None:
    with transaction.atomic():
        Job("add", connection=there).enqueue_sync()
        assert not ear.rung.wait(0.2)

    assert ear.rung.wait(LONG)


def test_what_is_rolled_back_does_not_ring(ear: Ear, there: Connection) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Job("add", connection=there).enqueue_sync()
        raise ZeroDivisionError

    assert not ear.rung.wait(0.2)


def test_a_bell_can_be_switched_off() -> None:
    silent = DatabaseMessageBroker(bell=False)
    with Ear(DatabaseMessageBroker()) as ear, silent.bell(ear.rung.set):
        Job("add", connection=Connection(silent)).enqueue_sync()

        assert not ear.rung.wait(0.2)
        assert not silent.rings


def test_a_listener_leaves_no_socket_behind(broker: DatabaseMessageBroker) -> None:
    folder = bells.folder_of("default")
    before = set(folder.iterdir()) if folder.exists() else set()  # of workers that were killed
    with Ear(broker):
        assert set(folder.iterdir()) - before

    assert not set(folder.iterdir()) - before


def test_the_socket_of_a_worker_that_was_killed_is_removed(ear: Ear, there: Connection) -> None:
    dead, path = bells._bind(bells.folder_of("default"))
    assert dead is not None
    assert path is not None
    dead.close()  # without unlinking it: as after a kill -9

    Job("add", connection=there).enqueue_sync()

    assert ear.rung.wait(LONG)
    assert not path.exists()


def test_a_folder_that_others_may_write_to_is_not_used(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path_factory.mktemp("place")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(place))
    folder = bells.folder_of("default")
    folder.parent.mkdir()
    os.chmod(folder.parent, 0o777)

    assert bells._bind(folder) == (None, None)


def test_a_listener_whose_connection_was_cut_listens_again(
    ear: Ear, there: Connection, broker: DatabaseMessageBroker
) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'LISTEN%%' AND datname = current_database()"
            )
        until(lambda: not broker.rings)
        until(lambda: broker.rings)
        ear.rung.clear()
        time.sleep(2 * bells._QUIET_SECONDS)

    Job("add", connection=there).enqueue_sync()

    assert ear.rung.wait(LONG)


def test_an_idle_worker_is_woken_long_before_its_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "_HOT_SECONDS", 60.0)  # it would look again in a minute
    options = Options(poll_seconds_idle=60.0, poll_seconds_idle_with_bell=60.0)
    there = Connection(DatabaseMessageBroker(), options=options)
    router = Router()
    ran = threading.Event()

    @router.actor
    def work() -> None:
        ran.set()

    def enqueue() -> None:
        Job("work", connection=there).enqueue_sync()
        connection.close()  # this thread's

    async def scene(_: Worker) -> bool:
        await asyncio.sleep(1.0)  # it sleeps by now
        await asyncio.to_thread(enqueue)
        return await asyncio.to_thread(ran.wait, LONG)

    assert during(there, router, scene)
