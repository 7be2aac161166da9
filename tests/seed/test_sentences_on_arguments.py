"""What the seed says of arguments. Each docstring is a sentence of its text."""

import json
import uuid
from typing import Any

import pytest

from django_repid import (
    BasicConverter,
    Config,
    ConfigurationError,
    Connection,
    InvalidJob,
    Job,
    Router,
)

ARGS = {"user_id": 123, "user_name": "Alex"}


class Told:
    """What the actors were called with."""

    def __init__(self):
        self.calls: list[tuple[int, str]] = []
        self.router = Router()

        @self.router.actor
        async def tell(user_id: int, user_name: str) -> str:
            self.calls.append((user_id, user_name))
            return f"{user_name} is {user_id}"


@pytest.fixture
def told():
    return Told()


def written(connection):
    """Listen to what is enqueued; return the list that it will be in."""
    payloads = []

    def before_enqueue(payload):
        payloads.append(payload)

    connection.middleware.add_subscriber(before_enqueue)
    return payloads


@pytest.mark.parametrize("in_bucket", [False, True])
def test_arguments_in_the_message_or_in_a_bucket(store, told, in_bucket):
    """Arguments can either be
    stored inside of a message (so you only need message broker) or inside of a bucket broker."""
    connection = store.connection(args=in_bucket, results=False)
    job = Job("tell", args=ARGS, connection=connection)
    job.enqueue_sync()
    if in_bucket:
        assert connection.args_bucket_broker.get([job.args_id])[job.args_id].value == ARGS
    assert store.work(connection, told.router) == 1
    assert told.calls == [(123, "Alex")]


def test_results_need_a_result_bucket_broker(store):
    """Results, on the other hand, can only be stored in a result bucket broker."""
    with pytest.raises(ConfigurationError, match="use_result_bucket=True"):
        Connection(store.message_broker(), results_bucket_broker=store.bucket_broker())
    with pytest.raises(InvalidJob, match="store_result"):
        Job("tell", store_result=True, connection=store.connection(results=False))


def test_the_serializer_of_the_config(store, connection, told, monkeypatch):
    """`Job.args` will be serialized using `Config.SERIALIZER`"""
    seen = []

    def serializer(data):
        seen.append(data)
        return json.dumps({**data, "user_name": "Someone"})

    monkeypatch.setattr(Config, "SERIALIZER", staticmethod(serializer))
    Job("tell", args=ARGS, connection=connection).enqueue_sync()
    assert seen == [ARGS]
    monkeypatch.undo()
    store.work(connection, told.router)
    assert told.calls == [(123, "Someone")]


@pytest.mark.parametrize("args", [False, True])
def test_encoded_into_the_message(store, told, args):
    """encoded into the message or"""
    connection = store.connection(args=args)
    job = Job("tell", args=ARGS, use_args_bucketer=False, connection=connection)
    receipt = job.enqueue_sync()
    assert json.loads(receipt.payload) == ARGS
    for broker in (connection.args_bucket_broker, connection.results_bucket_broker):
        assert broker is None or job.args_id not in broker.get([job.args_id])
    assert store.work(connection, told.router) == 1
    assert told.calls == [(123, "Alex")]


def test_passed_to_the_args_bucket_broker(store, connection, told):
    """passed to arguments bucket broker if `Job.use_args_bucketer` is set to True"""
    payloads = written(connection)
    job = Job("tell", args=ARGS, use_args_bucketer=True, connection=connection)
    job.enqueue_sync()
    bucket = connection.args_bucket_broker.get([job.args_id])[job.args_id]
    assert [bucket.data] == payloads
    assert bucket.value == ARGS
    assert job.order().message.payload is None
    assert store.work(connection, told.router) == 1
    assert told.calls == [(123, "Alex")]


def test_the_args_bucket_stays_until_its_ttl(store, connection, told):
    """By default, arguments buckets have no TTL, while result buckets have TTL of one day."""
    job = Job("tell", args=ARGS, connection=connection)
    job.enqueue_sync()
    store.work(connection, told.router)
    assert connection.args_bucket_broker.get([job.args_id])[job.args_id].value == ARGS


@pytest.mark.parametrize("args", [False, True])
def test_use_args_bucketer_by_default(store, args):
    """defaults to True if the current connection contains arguments bucket broker"""
    job = Job("tell", args=ARGS, connection=store.connection(args=args))
    assert job.use_args_bucketer is args
    assert (job.order().message.args_id is not None) is args


class Shouting(BasicConverter):
    """A converter that leaves its mark on what goes in and on what comes out."""

    def convert_inputs(self, data):
        args, kwargs = super().convert_inputs(data)
        return args, {**kwargs, "user_name": kwargs["user_name"].upper()}

    def convert_outputs(self, data):
        return super().convert_outputs(f"{data}!")


@pytest.fixture
def shouting(told):
    router = Router()
    router.actor(name="shout", converter=Shouting)(told.router.actors["tell"].fn)
    return router


def test_the_actors_converter_maps_the_arguments(store, connection, told, shouting):
    """When the message will be received by the actor, arguments will be decoded and mapped to
    the function arguments using actor's `Converter.convert_inputs`"""
    Job("shout", args=ARGS, connection=connection).enqueue_sync()
    store.work(connection, shouting)
    assert told.calls == [(123, "ALEX")]


def test_the_actors_converter_encodes_what_it_returns(store, connection, shouting):
    """The return of the actor will be encoded using actor's `Converter.convert_outputs`"""
    job: Any = Job("shout", args=ARGS, connection=connection)
    job.enqueue_sync()
    store.work(connection, shouting)
    assert job.result_sync().data == '"ALEX is 123!"'


def test_ids_are_uuid4(store, connection):
    """By default, an UUID4 will be generated upon creation of a job,
    both in case of an arguments bucket and a result bucket."""
    jobs = [Job("tell", args=ARGS, connection=connection) for _ in range(2)]
    ids = [id_ for job in jobs for id_ in (job.args_id, job.result_id)]
    assert len(set(ids)) == 4
    assert [uuid.UUID(id_).version for id_ in ids] == [4, 4, 4, 4]
    before = jobs[0].args_id, jobs[0].result_id
    jobs[0].enqueue_sync()
    assert (jobs[0].args_id, jobs[0].result_id) == before


def test_own_ids(store, connection, told):
    """You can pass your own IDs using appropriate arguments:"""
    job = Job("tell", args=ARGS, args_id="mine", result_id="his", connection=connection)
    job.enqueue_sync()
    assert connection.args_bucket_broker.get(["mine"])["mine"].value == ARGS
    store.work(connection, told.router)
    assert connection.results_bucket_broker.get(["his"])["his"].value == "Alex is 123"
