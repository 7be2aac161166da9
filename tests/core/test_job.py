import asyncio
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from django_repid import Config, ConfigurationError, Job, PrioritiesT, Queue, Router
from django_repid.core.message import MessageState, OnDuplicate
from tests.core.kit import in_memory, run_script

router = Router()


@router.actor(name="tests.mail", queue="mail", retries=4, timeout=timedelta(seconds=9))
def mail(address: str) -> None: ...


@dataclass
class Address:
    address: str


def message_of(job):
    return job.order().message


def test_a_job_of_which_only_the_name_is_said_has_the_defaults_of_the_contract(connection):
    job = Job("greet", connection=connection)
    assert (job.name, job.queue, job.priority) == ("greet", Queue("default"), PrioritiesT.MEDIUM)
    assert (job.id_, job.deferred_until, job.retries) == (None, None, 0)
    assert (job.timeout, job.ttl, job.args) == (timedelta(minutes=10), None, None)
    assert (job.args_ttl, job.result_ttl) == (None, timedelta(days=1))
    assert (job.use_args_bucketer, job.store_result) == (False, True)
    assert (job.headers, job.on_duplicate) == ({}, "skip")
    assert job.connection is connection


@pytest.mark.parametrize("args", [False, True])
@pytest.mark.parametrize("results", [False, True])
def test_buckets_are_used_where_the_connection_has_brokers_for_them(args, results):
    job = Job("greet", connection=in_memory(args=args, results=results))
    assert (job.use_args_bucketer, job.store_result) == (args, results)


def test_what_the_job_does_not_say_its_actor_does(connection):
    job = Job(mail, connection=connection)
    assert (job.name, job.queue.name, job.retries) == ("tests.mail", "mail", 4)
    assert job.timeout == timedelta(seconds=9)


def test_what_the_job_says_goes_before_its_actor(connection):
    job = Job(mail, "fast", retries=0, timeout=timedelta(seconds=2), connection=connection)
    assert (job.queue.name, job.retries, job.timeout) == ("fast", 0, timedelta(seconds=2))


def test_an_actor_of_the_project_is_found_by_its_name(connection):
    job = Job("send_receipt", connection=connection)
    assert (job.queue.name, job.retries, job.timeout) == ("mail", 5, timedelta(seconds=30))


def test_a_job_is_unique_exactly_if_its_id_was_chosen(connection):
    assert Job("greet", id_="one", connection=connection).is_unique
    assert not Job("greet", connection=connection).is_unique


def test_a_new_id_is_made_at_every_enqueue_unless_one_was_chosen(connection):
    job, unique = Job("greet", connection=connection), Job("greet", id_="u", connection=connection)
    ids = {message_of(job).key.id_ for _ in range(3)}
    assert len(ids) == 3
    assert all(uuid.UUID(hex=id_).version == 4 for id_ in ids)
    assert [message_of(unique).key.id_ for _ in range(2)] == ["u", "u"]


def test_the_message_says_what_the_job_does(connection):
    until = datetime(2030, 1, 1, tzinfo=UTC)
    job = Job(
        "greet",
        "fast",
        priority=9,
        id_="u",
        deferred_until=until,
        retries=2,
        timeout=timedelta(seconds=3),
        ttl=timedelta(seconds=4),
        args={"a": 1},
        result_id="r",
        headers={"tenant": "t"},
        on_duplicate="replace",
        connection=connection,
    )
    message = message_of(job)
    key, terms = message.key, message.parameters
    assert (key.topic, key.queue, key.priority, key.id_) == ("greet", "fast", 9, "u")
    assert (terms.execution_timeout, terms.ttl) == (timedelta(seconds=3), timedelta(seconds=4))
    assert (terms.retries.max_amount, terms.delay.delay_until) == (2, until)
    assert (terms.result.id_, terms.result.ttl) == ("r", timedelta(days=1))
    assert message.run_at == 1893456000000000
    assert (message.payload, message.args_id, message.args) == ('{"a":1}', None, None)
    assert (message.headers, message.on_duplicate) == ({"tenant": "t"}, OnDuplicate.REPLACE)


def test_on_duplicate_means_nothing_for_a_job_without_a_chosen_id(connection):
    assert (
        message_of(Job("greet", on_duplicate="raise", connection=connection)).on_duplicate is None
    )


def test_a_naive_moment_is_meant_in_the_current_time_zone(connection):
    naive = datetime(2024, 7, 1, 12)  # noqa: DTZ001 - that is the point
    with timezone.override("Asia/Tokyo"):
        assert Job("greet", deferred_until=naive, connection=connection).deferred_until == datetime(
            2024, 7, 1, 12, tzinfo=ZoneInfo("Asia/Tokyo")
        )
    berlin = Job("greet", deferred_until=naive, connection=connection).deferred_until
    assert berlin == datetime(2024, 7, 1, 10, tzinfo=UTC)


def test_without_a_framework_a_naive_moment_is_the_machines(connection, plain_host):
    naive = datetime(2024, 7, 1, 12)  # noqa: DTZ001 - that is the point
    job: Any = Job("greet", deferred_until=naive, connection=connection)
    assert job.deferred_until.utcoffset() is not None
    assert job.deferred_until.replace(tzinfo=None) == naive


@pytest.mark.parametrize("args", [{"address": "a@b"}, Address("a@b")])
def test_arguments_are_whatever_serializes_to_an_object(args, connection):
    assert Job(mail, args=args, connection=connection).args == '{"address":"a@b"}'


def test_a_connections_serializer_goes_before_that_of_the_process(connection, monkeypatch):
    monkeypatch.setattr(Config, "SERIALIZER", staticmethod(lambda data: '{"by":"config"}'))
    assert Job("greet", args=1, connection=connection).args == '{"by":"config"}'
    connection.serializer = lambda data: '{"by":"connection"}'
    assert Job("greet", args=1, connection=connection).args == '{"by":"connection"}'


def test_a_chosen_args_id_without_arguments_is_read_when_the_job_runs(connection):
    message = message_of(Job("greet", args_id="chain", connection=connection))
    assert (message.args_id, message.args_generated, message.payload) == ("chain", False, None)
    assert message.args is None


@pytest.mark.parametrize(("args_id", "generated"), [(None, True), ("mine", False)])
def test_arguments_in_a_bucket_leave_the_message_without_a_payload(args_id, generated):
    job = Job(
        "greet",
        args={"a": 1},
        args_id=args_id,
        args_ttl=timedelta(hours=1),
        connection=in_memory(args=True),
    )
    message = message_of(job)
    assert (message.payload, message.args_generated) == (None, generated)
    assert message.args_id == job.args_id
    assert (message.args, message.args_ttl) == ('{"a":1}', 3_600_000_000)


def test_a_receipt_unpacks_as_three_and_says_what_was_written(connection):
    receipt: Any = Job("greet", id_="u", args={"a": 1}, connection=connection).enqueue_sync()
    key, payload, parameters = receipt
    assert (key, payload, parameters) == (receipt.key, receipt.payload, receipt.parameters)
    assert (key.topic, key.id_, payload) == ("greet", "u", '{"a":1}')
    assert key.pk is not None
    assert parameters.execution_timeout == timedelta(minutes=10)
    assert receipt.duplicate is False


def test_a_receipt_of_a_job_without_arguments_has_an_empty_payload(connection):
    assert Job("greet", connection=connection).enqueue_sync().payload == ""


def test_many_jobs_are_enqueued_in_one_go_and_answered_in_order(connection):
    other = in_memory()
    jobs = [Job("greet", id_=f"n{n}", connection=other if n % 2 else connection) for n in range(6)]
    receipts = asyncio.run(_enqueue_many(jobs))
    assert [receipt.key.id_ for receipt in receipts] == [f"n{n}" for n in range(6)]
    found = other.message_broker.seize("n1", [MessageState.READY])
    assert found is not None
    assert connection.message_broker.seize("n1", [MessageState.READY]) is None
    assert Job.enqueue_many_sync([]) == []


async def _enqueue_many(jobs):
    return await Job.enqueue_many(iter(jobs))


def test_a_job_shows_its_name_and_its_chosen_id(connection):
    assert repr(Job("greet", connection=connection)) == "Job('greet')"
    assert repr(Job("greet", id_="u", connection=connection)) == "Job('greet', id_='u')"


def test_an_alias_that_the_settings_lack_is_refused():
    with pytest.raises(ConfigurationError, match="nowhere"):
        Job("greet", connection="nowhere")


def test_without_any_connection_the_error_says_how_to_get_one():
    printed = run_script(
        """
from django_repid import ConfigurationError, Job

try:
    Job("greet")
except ConfigurationError as error:
    print(error)
"""
    )
    assert "no connection 'default'" in printed
    assert "INSTALLED_APPS" in printed
    assert "Repid(Connection(…)).magic()" in printed
