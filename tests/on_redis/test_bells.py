"""The bell of Redis: heard at once, also after the server was away, and never twice in a moment."""

import threading
from collections.abc import Iterator

import pytest
import redis

from django_repid.brokers.redis import bells
from django_repid.brokers.redis.bells import Bell, Listener
from django_repid.testing.contract.kit import Stage, new
from tests.acceptance.kit import eventually
from tests.on_redis.kit import URL, connection_on, emptied, server, url_of

pytestmark = pytest.mark.redis


@pytest.fixture
def stage() -> Iterator[Stage]:
    with emptied() as prefix:
        yield Stage(connection_on(URL, prefix))


def test_an_enqueue_is_heard_and_until_then_the_broker_does_not_claim_to_ring(
    stage: Stage,
) -> None:
    heard = threading.Event()
    assert not stage.broker.rings

    with stage.broker.bell(heard.set):
        eventually(lambda: stage.broker.rings, 5)
        heard.clear()
        stage.enqueue(new())
        assert heard.wait(5)

    assert not stage.broker.rings


def test_what_a_resume_lets_go_is_heard(stage: Stage) -> None:
    heard = threading.Event()
    with stage.broker.bell(heard.set):
        eventually(lambda: stage.broker.rings, 5)
        heard.clear()
        stage.broker.resume("mail")
        assert heard.wait(5)


def test_it_rings_once_in_a_moment() -> None:
    bell = Bell()

    assert [bell.rings_now() for _ in range(3)] == [True, False, False]
    eventually(bell.rings_now, 5)


def test_a_listener_whose_server_went_away_listens_again(tmp_path) -> None:
    heard = threading.Event()
    with server(tmp_path) as port:
        place = connection_on(url_of(port), "p").message_broker.place  # type: ignore[attr-defined]  # a Redis broker's
        listener = Listener(place, heard.set)
        listener.start()
        eventually(lambda: listener.hears_all, 5)
        with redis.Redis.from_url(url_of(port)) as client:
            client.client_kill_filter(_type="pubsub")
            eventually(lambda: not listener.hears_all, 5)
            eventually(lambda: listener.hears_all, 5)
            heard.clear()
            client.publish(place.key("bell"), "")
        assert heard.wait(5)
        listener.stop()


def test_a_server_that_says_nothing_is_asked_whether_it_is_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "_CHECK_SECONDS", 0.05)
    heard = threading.Event()
    with stage.broker.bell(heard.set):
        eventually(lambda: stage.broker.rings, 5)
        for _ in range(3):
            heard.clear()
            assert heard.wait(5)  # the answer
        assert stage.broker.rings
