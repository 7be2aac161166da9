"""What goes wrong is said clearly, at the earliest place, and loses nothing."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from django.db import connection

from django_repid import (
    BrokerUnavailable,
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    Job,
    ResultBucket,
    Router,
    Worker,
)
from django_repid.connections import DjangoHost
from django_repid.core.bucket import BucketRecord
from django_repid.core.claims import Claim, ClaimRequest
from django_repid.core.host import host
from django_repid.core.protocols import BucketBroker
from django_repid.core.pruning import prune
from django_repid.core.settlement import Settlement
from django_repid.models import Bucket, Message
from django_repid.testing.contract.kit import Stage
from tests.acceptance.kit import empty_database, run
from tests.database.test_worker import burst

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


class Watched(DatabaseMessageBroker):
    """A broker that lets a test see, and refuse, what is to be settled."""

    def __init__(self, check: Callable[[Sequence[Settlement]], None]) -> None:
        super().__init__()
        self._check = check

    def settle(
        self, settlements: Sequence[Settlement], results: BucketBroker | None = None
    ) -> frozenset[int]:
        self._check(settlements)
        return super().settle(settlements, results)

    def claim(
        self,
        request: ClaimRequest,
        ends: Sequence[Settlement] = (),
        results: BucketBroker | None = None,
    ) -> Claim:
        self._check(ends)
        return super().claim(request, ends, results)


def outcome(job: Job) -> ResultBucket:
    bucket = job.result_sync()
    assert bucket is not None
    return bucket


def test_enqueue_without_tables_says_what_to_do(tmp_path: Path) -> None:
    enqueue = "from django_repid import Job; Job('add').enqueue_sync()"
    with empty_database(tmp_path) as there:
        done = run("shell", "-c", enqueue, **there)

    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "django_repid.core.errors.ConfigurationError: The tables of django_repid"
    )
    assert "manage.py migrate" in last


@pytest.mark.parametrize("data", ["no json", "[1]", '"text"', "null", '{"a": 1', '{"c": 1}'])
def test_an_args_bucket_that_holds_no_fitting_object_fails_for_good(data: str) -> None:
    results = DatabaseBucketBroker(use_result_bucket=True)
    results.store([BucketRecord(id_="bad", data=data)])
    job = Job("add", args_id="bad", retries=5)
    job.enqueue_sync()

    assert burst() == 1
    assert outcome(job).exception == "ArgsInvalid"
    assert Message.objects.get().state == Message.State.DEAD


def test_arguments_that_hold_text_of_every_kind_survive() -> None:
    router = Router()

    @router.actor
    async def echo(text: str) -> str:
        return text

    text = "ü € 😀 \\u0000 \\x00 ' \" ; -- %s \u2028 \x7f \t\n"
    job = Job("echo", args={"text": text})
    job.enqueue_sync()
    burst(router)

    assert outcome(job).value == text


def test_a_result_that_the_store_refuses_is_a_failure_and_holds_nobody_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One bad row in a batch: the others are settled, and its work is not done again."""
    router = Router()
    calls: list[int] = []

    @router.actor(retries=5)
    async def work(number: int) -> int:
        calls.append(number)
        return number

    def check(ends):
        if any(end.result is not None and end.result.data == "3" for end in ends):
            raise ValueError("the driver cannot take this")

    there = Connection(Watched(check), None, DatabaseBucketBroker(use_result_bucket=True))
    jobs = [Job("work", args={"number": n}, connection=there) for n in range(6)]
    Job.enqueue_many_sync(jobs)
    with caplog.at_level(logging.ERROR, "django_repid"):
        worker = Worker([router], burst=True, handle_signals=(), connection=there)
        assert asyncio.run(worker.run()).processed == 6

    assert sorted(calls) == list(range(6))
    assert outcome(jobs[3]).exception == "ResultInvalid"
    assert [outcome(job).value for job in jobs if job is not jobs[3]] == [0, 1, 2, 4, 5]
    assert "the driver cannot take this" in caplog.text


def test_a_store_that_goes_away_is_waited_for_and_nothing_is_run_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    router = Router()
    calls: list[int] = []

    @router.actor
    async def work() -> str:
        calls.append(1)
        return "done"

    failures = iter(range(3))

    def check(ends):
        if ends and next(failures, None) is not None:
            raise BrokerUnavailable("gone for a moment")

    there = Connection(Watched(check), None, DatabaseBucketBroker(use_result_bucket=True))
    job = Job("work", connection=there)
    job.enqueue_sync()
    with caplog.at_level(logging.WARNING, "django_repid"):
        worker = Worker([router], burst=True, handle_signals=(), connection=there)
        asyncio.run(worker.run())

    assert calls == [1]
    assert outcome(job).value == "done"
    assert caplog.text.count("gone for a moment") == 1


def test_a_server_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    with monkeypatch.context() as patch:
        for key, value in {"HOST": "127.0.0.1", "PORT": "1", "NAME": "/no/such/x"}.items():
            patch.setitem(connection.settings_dict, key, value)
        with pytest.raises(BrokerUnavailable, match="'default' cannot be used"):
            Job("add", connection=Connection(DatabaseMessageBroker())).enqueue_sync()


def test_under_debug_an_enqueue_without_a_worker_says_so_once_a_minute(
    settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host(), "_reminded", float("-inf"))
    assert isinstance(host(), DjangoHost)
    settings.DEBUG = True

    with caplog.at_level(logging.WARNING, "django_repid"):
        Job("add").enqueue_sync()
        Job("add").enqueue_sync()
    assert caplog.text.count("manage.py repid_worker") == 1

    caplog.clear()
    monkeypatch.setattr(host(), "_reminded", float("-inf"))
    stage = Stage(Connection(DatabaseMessageBroker()))
    with caplog.at_level(logging.WARNING, "django_repid"):
        Job("add").enqueue_sync()
    assert caplog.text == ""
    stage.close()


def test_under_debug_a_name_that_is_nearly_an_actor_s_is_doubted_once(
    settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host(), "_doubted", set())
    settings.DEBUG = True
    with caplog.at_level(logging.WARNING, "django_repid"):
        for name in ("send_reciept", "send_reciept", "send_receipt", "of_another_service"):
            Job(name).enqueue_sync()

    doubts = [one.getMessage() for one in caplog.records if "Did you" in one.getMessage()]
    assert len(doubts) == 1
    assert "'send_reciept'" in doubts[0]
    assert "Did you mean 'send_receipt'?" in doubts[0]


def test_unused_args_buckets_can_be_pruned_and_used_ones_stay() -> None:
    there = Connection(
        DatabaseMessageBroker(),
        DatabaseBucketBroker(),
        DatabaseBucketBroker(use_result_bucket=True),
    )
    waiting = Job("add", args={"a": 1, "b": 1}, connection=there)
    chosen = Job("fail", args={}, args_id="chosen", connection=there)
    done = Job("fail", args={}, connection=there)
    for job in (waiting, chosen, done):
        job.enqueue_sync()
    Message.objects.exclude(topic="add").delete()
    Bucket.objects.update(stored_at=1)

    counted = prune(there, unused_args=True, dry_run=True)
    pruned = prune(there, unused_args=True)

    assert counted["unused args buckets"] == pruned["unused args buckets"] == 1
    left = set(Bucket.objects.values_list("bucket_id", flat=True))
    assert left == {waiting.args_id, "chosen"}
