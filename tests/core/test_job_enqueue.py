"""Enqueue and cancel."""

import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import SynchronousOnlyOperation

from django_repid import DuplicateJob, Job, MessageCategory
from django_repid.core.claims import ClaimRequest, Want
from django_repid.core.message import MessageState
from tests import stores

pytestmark = pytest.mark.usefixtures("each_store")


def claim(connection):
    request = ClaimRequest(worker_id=1, wants=[Want({"greet"}, 10)])
    return connection.message_broker.claim(request).messages


def unique(connection, on_duplicate="skip", **options):
    return Job("greet", id_="u", on_duplicate=on_duplicate, connection=connection, **options)


@pytest.mark.parametrize("running", [False, True])
def test_a_duplicate_is_skipped_said_in_the_receipt_and_logged(running, connection, caplog):
    caplog.set_level(logging.INFO, "django_repid")
    first = unique(connection, args={"n": 1}).enqueue_sync()
    taken = claim(connection) if running else []
    second = unique(connection, args={"n": 2}).enqueue_sync()
    assert (first.duplicate, second.duplicate) == (False, True)
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "u" in caplog.text
    assert [m.payload for m in taken or claim(connection)] == ['{"n":1}']


@pytest.mark.parametrize("running", [False, True])
def test_a_duplicate_raises_where_that_is_asked_for(running, connection):
    unique(connection).enqueue_sync()
    if running:
        claim(connection)
    with pytest.raises(DuplicateJob, match="id_='u'"):
        unique(connection, "raise").enqueue_sync()


def test_a_waiting_duplicate_is_replaced_where_that_is_asked_for(connection):
    unique(connection, args={"n": 1}).enqueue_sync()
    receipt = unique(connection, "replace", args={"n": 2}).enqueue_sync()
    assert receipt.duplicate is False
    assert [m.payload for m in claim(connection)] == ['{"n":2}']


def test_beside_a_running_one_a_replacement_is_skipped(connection):
    unique(connection, args={"n": 1}).enqueue_sync()
    claim(connection)
    assert unique(connection, "replace", args={"n": 2}).enqueue_sync().duplicate is True


def test_a_duplicate_that_is_skipped_leaves_the_arguments_of_the_first():
    connection: Any = stores.connection(args=True)
    unique(connection, args={"n": 1}, args_id="a").enqueue_sync()
    unique(connection, args={"n": 2}, args_id="a").enqueue_sync()
    assert connection.args_bucket_broker.get(["a"])["a"].data == '{"n":1}'


def test_one_duplicate_of_many_stops_all_of_them_if_it_raises(connection):
    unique(connection).enqueue_sync()
    jobs = [Job("greet", id_="new", connection=connection), unique(connection, "raise")]
    with pytest.raises(DuplicateJob):
        Job.enqueue_many_sync(jobs)
    assert [m.key.id_ for m in claim(connection)] == ["u"]


@pytest.mark.parametrize("sync", [False, True])
def test_a_waiting_job_that_is_cancelled_is_gone_and_its_bucket_says_so(sync, connection):
    job: Any = Job("greet", connection=connection)

    async def story():
        await job.enqueue()
        return await job.cancel(), await job.cancel(), await job.result

    if sync:
        job.enqueue_sync()
        first, second, bucket = job.cancel_sync(), job.cancel_sync(), job.result_sync()
    else:
        first, second, bucket = stores.run(story())
    assert (first, second) == (True, False)
    assert (bucket.success, bucket.exception) == (False, "Cancelled")
    assert claim(connection) == []


def test_a_running_job_is_asked_to_stop(connection):
    job = unique(connection)
    job.enqueue_sync()
    claim(connection)
    assert job.cancel_sync() is True
    seized = connection.message_broker.seize("u", [MessageState.RUNNING])
    assert seized.cancel_asked


def test_a_job_that_was_never_enqueued_cannot_be_cancelled(connection):
    assert Job("greet", connection=connection).cancel_sync() is False
    assert unique(connection).cancel_sync() is False


@pytest.mark.parametrize(
    "twin",
    [
        lambda job: job.enqueue_sync(),
        lambda job: Job.enqueue_many_sync([job]),
        lambda job: job.result_sync(),
        lambda job: job.wait_sync(1),
        lambda job: job.cancel_sync(),
    ],
    ids=["enqueue", "enqueue_many", "result", "wait", "cancel"],
)
def test_a_sync_twin_on_a_running_loop_raises_through_djangos_guard(twin, connection):
    async def main():
        twin(Job("greet", connection=connection))

    with pytest.raises(SynchronousOnlyOperation, match="await"):
        stores.run(main())


def test_without_a_framework_a_sync_twin_on_a_running_loop_raises_too(connection, plain_host):
    async def main():
        Job("greet", connection=connection).enqueue_sync()

    with pytest.raises(RuntimeError, match=r"await job\.enqueue"):
        stores.run(main())


def test_a_job_may_be_enqueued_several_times(connection):
    job = Job("greet", connection=connection)
    ids = {job.enqueue_sync().key.id_ for _ in range(3)}
    assert {m.key.id_ for m in claim(connection)} == ids
    assert len(ids) == 3


def test_a_deferred_job_can_be_looked_at_among_the_delayed(connection):
    job = Job("greet", deferred_until=datetime(2100, 1, 1, tzinfo=UTC), connection=connection)
    receipt = job.enqueue_sync()
    assert claim(connection) == []
    (found,) = connection.message_broker.browse("default", MessageCategory.DELAYED)
    assert found.key.id_ == receipt.key.id_
