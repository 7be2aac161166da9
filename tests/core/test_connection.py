import asyncio
import threading

import pytest

from django_repid import (
    ArgsBucket,
    ConfigurationError,
    Connection,
    InMemoryBucketBroker,
    InMemoryMessageBroker,
    Job,
    ResultBucket,
)
from django_repid.core.bucket import BucketRecord
from tests.core.kit import in_memory, stored


def test_results_need_a_broker_that_holds_result_buckets():
    with pytest.raises(ConfigurationError, match=r"InMemoryBucketBroker\(use_result_bucket=True\)"):
        Connection(InMemoryMessageBroker(), results_bucket_broker=InMemoryBucketBroker())


def test_a_connection_has_the_default_options_and_shows_what_it_is():
    connection = Connection(InMemoryMessageBroker())
    assert connection.options.payload_limit_bytes == 1024 * 1024
    assert repr(connection) == "<Connection (unnamed): InMemoryMessageBroker>"


def test_a_connection_can_be_opened_and_closed():
    connection = in_memory()

    async def main():
        states = [connection.is_open]
        await connection.connect()
        states.append(connection.is_open)
        await connection.disconnect()
        return [*states, connection.is_open]

    assert asyncio.run(main()) == [False, True, False]


class Slow(InMemoryMessageBroker):
    blocking = True


def test_a_call_that_cannot_block_is_made_on_the_spot():
    connection = in_memory()
    assert not connection.blocking
    assert asyncio.run(connection.run(threading.get_ident)) == threading.get_ident()


def test_a_call_that_may_block_is_made_on_another_thread():
    connection = Connection(Slow())
    assert connection.blocking
    assert asyncio.run(connection.run(threading.get_ident)) != threading.get_ident()


def test_one_broker_that_may_block_is_enough():
    buckets = InMemoryBucketBroker(use_result_bucket=True)
    buckets.blocking = True
    assert Connection(InMemoryMessageBroker(), results_bucket_broker=buckets).blocking
    assert Connection(InMemoryMessageBroker(), buckets).blocking


def put(broker, id_, bucket):
    broker.store([BucketRecord.of(id_, bucket)])


def test_arguments_are_looked_up_among_the_arguments_and_then_among_the_results():
    connection = in_memory(args=True)
    put(connection.args_bucket_broker, "both", ArgsBucket('{"from":"args"}'))
    put(connection.results_bucket_broker, "both", ResultBucket('{"from":"results"}'))
    put(connection.results_bucket_broker, "chained", ResultBucket('{"from":"results"}'))
    messages = [stored(args_id=id_) for id_ in ("both", "chained", "nowhere", None)]
    found = connection.arguments(messages)
    assert {id_: bucket.value["from"] for id_, bucket in found.items()} == {
        "both": "args",
        "chained": "results",
    }


def test_without_bucket_brokers_no_arguments_are_found():
    connection = in_memory(results=False)
    assert connection.arguments([stored(args_id="a")]) == {}
    assert connection.result("a") is None


def test_an_args_bucket_is_no_result():
    connection = in_memory()
    put(connection.results_bucket_broker, "a", ArgsBucket("1"))
    put(connection.results_bucket_broker, "r", ResultBucket("1"))
    assert connection.result("a") is None
    assert connection.result("r").value == 1


class Elsewhere(InMemoryMessageBroker):
    """Its messages live in another store than the buckets."""

    def __init__(self, trail):
        super().__init__()
        self.trail = trail

    def stores(self, buckets):
        return False

    def enqueue(self, messages, args=None):
        assert args is None
        self.trail.append("message")
        return super().enqueue(messages)


class Watched(InMemoryBucketBroker):
    def __init__(self, trail):
        super().__init__()
        self.trail = trail

    def store(self, records):
        self.trail.extend("bucket" for _ in records)
        super().store(records)


@pytest.mark.parametrize(
    ("id_", "order"), [(None, ["bucket", "message"]), ("u", ["message", "bucket"])]
)
def test_where_messages_and_arguments_live_apart_no_worker_meets_one_without_the_other(id_, order):
    trail: list[str] = []
    connection = Connection(Elsewhere(trail), Watched(trail))
    job = Job("greet", id_=id_, args={"n": 1}, args_id="a", connection=connection)
    job.enqueue_sync()
    assert trail == order


def test_a_duplicate_leaves_its_bucket_untouched_where_they_live_apart():
    trail: list[str] = []
    connection = Connection(Elsewhere(trail), buckets := Watched(trail))
    for n in (1, 2):
        Job("greet", id_="u", args={"n": n}, args_id="a", connection=connection).enqueue_sync()
    assert buckets.get(["a"])["a"].value == {"n": 1}
