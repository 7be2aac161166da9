"""Redis as the bell of a database: it wakes workers on any host, and costs nothing else."""

import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from django_repid import ConfigurationError, Connection, DatabaseMessageBroker, Job, RedisBell
from django_repid.brokers.database import bells
from django_repid.checks import check_settings
from django_repid.connections import connections
from tests.database.test_bells import Ear, until
from tests.on_redis.kit import URL, emptied, free_port, server, url_of

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def prefix() -> Iterator[str]:
    with emptied() as found:
        yield found


@pytest.fixture(autouse=True)
def _no_bell_on_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on another host: no datagram arrives."""
    monkeypatch.setattr(bells, "_send_datagrams", lambda _: None)


def with_bell(prefix: str, url: str = URL) -> DatabaseMessageBroker:
    return DatabaseMessageBroker(bell=RedisBell(url, prefix=prefix))


def enqueue(broker: DatabaseMessageBroker) -> None:
    Job("add", connection=Connection(broker)).enqueue_sync()


def test_an_enqueue_is_heard_by_workers_of_the_database_once_it_has_committed(prefix: str) -> None:
    broker, elsewhere = with_bell(prefix), with_bell(prefix)
    with Ear(broker) as ear:
        until(lambda: broker.rings)
        ear.rung.clear()
        with transaction.atomic():
            enqueue(elsewhere)
            assert not ear.rung.wait(0.1)
        assert ear.rung.wait(5)


def test_it_takes_a_few_milliseconds(prefix: str) -> None:
    broker, elsewhere = with_bell(prefix), with_bell(prefix)
    took = []
    with Ear(broker) as ear:
        until(lambda: broker.rings)
        for _ in range(9):
            time.sleep(2 * bells._QUIET_SECONDS)
            ear.rung.clear()
            began = time.monotonic()
            elsewhere._bells.ring(elsewhere.alias)
            assert ear.rung.wait(5)
            took.append(time.monotonic() - began)
    assert statistics.median(took) < 0.05  # 0.5 ms on a quiet machine


def test_bells_of_another_prefix_are_not_heard(prefix: str) -> None:
    broker = with_bell(prefix)
    with Ear(broker) as ear:
        until(lambda: broker.rings)
        ear.rung.clear()
        enqueue(with_bell(f"{prefix}-other"))
        assert not ear.rung.wait(0.3)


def test_a_redis_that_is_away_costs_an_enqueue_no_time_and_no_error(prefix: str) -> None:
    broker = with_bell(prefix, url_of(free_port()))
    began = time.monotonic()
    for _ in range(20):
        enqueue(broker)
    assert time.monotonic() - began < 5
    with broker.bell(lambda: None):
        assert not broker.rings  # so the worker polls as if there were no bell


def test_the_bell_is_heard_again_when_its_redis_is_back(prefix: str, tmp_path: Path) -> None:
    port = free_port()
    broker, rung = with_bell(prefix, url_of(port)), threading.Event()
    with broker.bell(rung.set):
        with server(tmp_path, port=port):
            until(lambda: broker.rings)
        until(lambda: not broker.rings)
        with server(tmp_path, port=port):
            until(lambda: broker.rings)
            rung.clear()
            enqueue(with_bell(prefix, url_of(port)))
            assert rung.wait(5)


def test_the_settings_can_name_it(prefix: str) -> None:
    bell = {"CLASS": "django_repid.RedisBell", "dsn": URL, "prefix": prefix}
    broker = {"CLASS": "django_repid.DatabaseMessageBroker", "bell": bell}
    with override_settings(REPID={"default": {"MESSAGE_BROKER": broker}}):
        made: Any = connections["default"].message_broker
    with Ear(made) as ear:
        until(lambda: made.rings)
        ear.rung.clear()
        enqueue(with_bell(prefix))
        assert ear.rung.wait(5)


def test_a_wrong_one_is_said_without_its_address() -> None:
    bell = {"CLASS": "django_repid.RedisBell", "dsn": "redis://:secret@x", "colour": "red"}
    broker = {"CLASS": "django_repid.DatabaseMessageBroker", "bell": bell}
    with (
        override_settings(REPID={"default": {"MESSAGE_BROKER": broker}}),
        pytest.raises(ConfigurationError, match=r"\['bell'\].*dsn, colour") as caught,
    ):
        connections["default"]
    assert "secret" not in str(caught.value)


def test_a_bell_in_a_cache_that_is_no_redis_is_an_error_and_harms_no_enqueue(settings: Any) -> None:
    bell = {"CLASS": "django_repid.RedisBell", "cache": "default"}
    broker = {"CLASS": "django_repid.DatabaseMessageBroker", "bell": bell}
    settings.REPID = {"default": {"MESSAGE_BROKER": broker}}

    (found,) = [one for one in check_settings() if one.id == "django_repid.E001"]
    assert "django-redis" in found.msg
    Job("add", id_="one").enqueue_sync()
    assert connections["default"].message_broker.find(["one"])
