"""A Redis that is gone, full, restarted, or whose answer is lost on its way."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from django_repid import BrokerUnavailable, MessageCategory, RedisBucketBroker, RedisMessageBroker
from django_repid.testing.contract.kit import Stage, ack, args_record, new, record, retry
from tests.on_redis.kit import URL, connection_on, emptied, free_port, keys_of, server, url_of

pytestmark = pytest.mark.redis


@pytest.fixture
def stage() -> Iterator[Stage]:
    with emptied() as prefix:
        yield Stage(connection_on(URL, prefix))


def test_a_server_that_is_not_there_makes_the_store_unavailable() -> None:
    url = f"redis://:secret@127.0.0.1:{free_port()}/0"
    messages, buckets = RedisMessageBroker(url), RedisBucketBroker(url)

    for ask in (
        messages.now_us,
        lambda: messages.enqueue([new()]),
        lambda: messages.peers(0),
        lambda: messages.browse("default", MessageCategory.DEAD),
        lambda: buckets.get(["x"]),
        lambda: buckets.store([args_record("x")]),
    ):
        with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1") as caught:
            ask()
        assert "secret" not in str(caught.value)


def test_a_server_that_has_forgotten_the_scripts_is_told_them_again(stage: Stage) -> None:
    stage.enqueue(new())
    with redis.Redis.from_url(URL) as client:
        client.script_flush()

    stage.settle(ack(stage.claim_one()))

    assert stage.claim() == []


def test_numbers_are_not_given_out_again_by_a_server_that_has_forgotten_them(
    stage: Stage,
) -> None:
    """A stale attempt would end a stranger's job, and two workers would be one."""
    stage.enqueue(new())
    stale, old = stage.claim_one(), stage.worker_id
    broker = stage.broker
    assert isinstance(broker, RedisMessageBroker)
    for key in keys_of(broker.place.prefix[1:-2]):
        broker.place.client.delete(key)

    fresh = stage.register("someone")
    stage.enqueue(new())
    message = stage.claim_one(worker_id=fresh)

    assert fresh > old
    assert stage.broker.beat(old).known is False
    assert (message.key.lease, stale.key.lease) == (1, 1)
    assert stage.settle(ack(stale)) == {stale.key.pk}
    assert stage.settle(ack(message)) == frozenset()


def test_a_claim_that_the_server_has_forgotten_ends_nothing_of_the_next(stage: Stage) -> None:
    """It was killed, and came back as it had been saved before: the next lease is the same."""
    other = stage.register("other")
    stage.enqueue(new())
    broker = stage.broker
    assert isinstance(broker, RedisMessageBroker)
    client, prefix = broker.place.client, broker.place.prefix[1:-2]
    saved = {key: client.dump(key) for key in keys_of(prefix)}
    stale = stage.claim_one()
    for key in keys_of(prefix):
        client.delete(key)
    for key, value in saved.items():
        client.restore(key, 0, value)
    message = stage.claim_one(worker_id=other)

    assert message.key == stale.key
    assert stage.settle(ack(stale)) == {stale.key.pk}
    assert stage.settle(retry(stale, run_at=0)) == {stale.key.pk}
    assert stage.settle(ack(message)) == frozenset()


def test_a_connection_that_was_closed_meanwhile_is_no_outage(stage: Stage) -> None:
    stage.enqueue(new())
    broker = stage.broker
    assert isinstance(broker, RedisMessageBroker)
    with redis.Redis.from_url(URL) as client:
        assert client.client_kill_filter(_id=broker.place.client.client_id()) == 1

    assert len(stage.claim()) == 1


def test_a_claim_whose_answer_is_lost_is_made_once_and_can_be_given_back() -> None:
    with emptied() as prefix, deaf() as (url, forward):
        stage = Stage(connection_on(URL, prefix))
        stage.enqueue(*[new(id_=f"m{n}") for n in range(3)])
        cut_off = Stage(connection_on(url, prefix))
        in_hand = cut_off.claim(1)

        forward.clear()
        with pytest.raises(BrokerUnavailable):
            cut_off.claim(1)
        forward.set()

        keys = {message.key.pk or 0 for message in in_hand}
        assert len(stage.claim()) == 1  # three, of which one is in hand and one was lost
        assert cut_off.broker.give_back(cut_off.worker_id, keys) == 1
        assert len(stage.claim()) == 1


def test_an_enqueue_whose_answer_is_lost_is_written_once() -> None:
    with emptied() as prefix, deaf() as (url, forward):
        stage, cut_off = (Stage(connection_on(one, prefix)) for one in (URL, url))
        cut_off.enqueue(new())

        forward.clear()
        with pytest.raises(BrokerUnavailable):
            cut_off.enqueue(message := new())
        forward.set()

        assert len(stage.broker.browse("default", MessageCategory.NORMAL)) == 2
        # Whoever enqueues the same message again has a duplicate, not a second job.
        (answer,) = cut_off.enqueue(message)
        assert answer.duplicate is True
        assert len(stage.claim()) == 2


@contextmanager
def deaf() -> Iterator[tuple[str, threading.Event]]:
    """Stand between: what is asked gets through, and answers only while the event is set."""
    forward = threading.Event()
    forward.set()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", 6379))
            for pair in ((near, far, None), (far, near, forward)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/15", forward
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _pump(one: socket.socket, other: socket.socket, only_while: threading.Event | None) -> None:
    try:
        while data := one.recv(65536):
            if only_while is not None and not only_while.is_set():
                break
            other.sendall(data)
    except OSError:
        pass
    one.close()
    other.close()


def test_a_full_server_takes_no_more_jobs_and_lets_the_others_end(tmp_path) -> None:
    with server(tmp_path, "--maxmemory", "8mb") as port:
        stage = Stage(connection_on(url_of(port), "full"))
        written = 0
        with pytest.raises(BrokerUnavailable, match="maxmemory"):
            while True:
                stage.enqueue(*[new(payload=f'"{"x" * 2000}"') for _ in range(50)])
                written += 50

        ended = 0
        while batch := stage.claim():
            now = stage.broker.now_us()
            assert not stage.settle(*[ack(m, record(m.key.id_, now=now)) for m in batch])
            ended += len(batch)

        assert ended == written > 500
        stage.enqueue(new())
