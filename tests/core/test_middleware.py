import asyncio
import threading

import pytest

from django_repid import Job, Middleware, Repid
from django_repid.core.middleware import EVENTS
from tests import stores

pytestmark = pytest.mark.usefixtures("each_store")

CONTRACT = [
    *["consume", "enqueue", "queue_declare", "queue_flush", "queue_delete"],
    *["ack", "nack", "reject", "requeue", "get_bucket", "store_bucket", "delete_bucket"],
    "actor_run",
]


def from_sync(middleware, event, **arguments):
    middleware.emit(event, **arguments)


def from_async(middleware, event, **arguments):
    stores.run(middleware.emit_async(event, **arguments))


BOTH_WAYS = pytest.mark.parametrize("emit", [from_sync, from_async])


def named(event, fn):
    """Give a function the name of an event."""
    fn.__name__ = event
    return fn


def with_subscribers(*subscribers):
    middleware = Middleware()
    for subscriber in subscribers:
        middleware.add_subscriber(subscriber)
    return middleware


def test_the_events_are_those_of_the_contract():
    assert {f"{when}_{verb}" for when in ("before", "after") for verb in CONTRACT} == EVENTS


@BOTH_WAYS
def test_sync_and_async_subscribers_are_called(emit):
    seen = []

    def sync(key):
        seen.append(("sync", key))

    async def is_async(key):
        await asyncio.sleep(0)
        seen.append(("async", key))

    middleware = with_subscribers(named("before_ack", sync), named("before_ack", is_async))
    emit(middleware, "before_ack", key=1)
    assert sorted(seen) == [("async", 1), ("sync", 1)]


@BOTH_WAYS
def test_a_subscriber_is_given_only_what_it_names(emit):
    seen = []

    def after_ack(result, key):
        seen.append((key, result))

    emit(with_subscribers(after_ack), "after_ack", key=1, payload="p", params=2, result=3)
    assert seen == [(1, 3)]


@BOTH_WAYS
def test_a_subscriber_with_kwargs_is_given_everything(emit):
    seen = []

    def after_ack(**everything):
        seen.append(everything)

    emit(with_subscribers(after_ack), "after_ack", key=1, result=3)
    assert seen == [{"key": 1, "result": 3}]


@BOTH_WAYS
def test_a_subscriber_with_no_parameters_is_given_nothing(emit):
    called = threading.Event()

    def before_nack():
        called.set()

    emit(with_subscribers(before_nack), "before_nack", key=1)
    assert called.is_set()


@BOTH_WAYS
def test_what_a_subscriber_raises_is_logged_and_the_others_are_called(emit, caplog):
    seen = []

    def first():
        raise ZeroDivisionError("mine")

    async def second():
        raise LookupError("mine too")

    def third():
        seen.append("called")

    middleware = with_subscribers(*(named("before_ack", fn) for fn in (first, second, third)))
    emit(middleware, "before_ack", key=1)
    assert seen == ["called"]
    assert "Subscriber before_ack raised" in caplog.text
    assert "ZeroDivisionError: mine" in caplog.text
    assert "LookupError: mine too" in caplog.text


@BOTH_WAYS
def test_only_the_subscribers_of_the_event_are_called(emit):
    seen = []

    def before_ack():
        seen.append("before")

    def after_ack():
        seen.append("after")

    middleware = with_subscribers(before_ack, after_ack)
    emit(middleware, "after_ack", key=1)
    emit(middleware, "before_nack", key=1)
    assert seen == ["after"]


def test_a_connection_knows_whether_anybody_listens():
    def after_ack(): ...

    middleware = Middleware()
    assert not middleware.listens("ack")
    middleware.add_subscriber(after_ack)
    assert middleware.listens("ack")
    assert not middleware.listens("nack")


def test_a_function_with_the_name_of_no_event_is_not_subscribed_and_a_warning_says_so(caplog):
    def before_lunch(): ...

    middleware = with_subscribers(before_lunch)
    assert "before_lunch is no event" in caplog.text
    assert not middleware.listens("lunch")


class Trail:
    def __init__(self):
        self.seen = []

    def before_enqueue(self, key):
        self.seen.append(("before", key.topic))

    async def after_enqueue(self, key, payload, params):
        self.seen.append(("after", key.topic, payload, params.retries.max_amount))

    def helper(self):
        raise AssertionError("no event")


class Static:
    seen: list[str] = []  # noqa: RUF012 - the class itself is the middleware

    @staticmethod
    def before_enqueue(key):
        Static.seen.append(key.topic)


@pytest.mark.parametrize("sync", [True, False])
def test_the_methods_of_an_object_are_subscribed_and_hear_of_an_enqueue(sync):
    trail = Trail()
    connection = Repid(stores.connection(args=False), middlewares=[trail]).connection
    job = Job("greet", args={"a": 1}, retries=2, connection=connection)
    if sync:
        job.enqueue_sync()
    else:
        stores.run(_awaited(job.enqueue))
    assert trail.seen == [("before", "greet"), ("after", "greet", '{"a":1}', 2)]


def test_a_class_of_static_methods_can_be_a_middleware():
    Static.seen.clear()
    connection = Repid(stores.connection(args=False), middlewares=[Static]).connection
    Job("greet", connection=connection).enqueue_sync()
    assert Static.seen == ["greet"]


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("is_async", [False, True])
def test_reading_a_result_is_heard_by_sync_and_async_subscribers(sync, is_async):
    seen = []

    def hear(id_):
        seen.append(id_)

    async def hear_async(id_):
        seen.append(id_)

    connection = stores.connection(args=False)
    subscriber = named("before_get_bucket", hear_async if is_async else hear)
    connection.middleware.add_subscriber(subscriber)
    job = Job("greet", result_id="r1", connection=connection)
    if sync:
        assert job.result_sync() is None
    else:
        assert stores.run(_awaited(lambda: job.result)) is None
    assert seen == ["r1"]


async def _awaited(make):
    return await make()
