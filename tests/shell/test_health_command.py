"""`manage.py repid_health`, and what readers see of a store."""

import json
import os
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections as databases

from django_repid import Job, Router
from django_repid.connections import connections
from django_repid.core.claims import WorkerInfo
from django_repid.core.clock import utc_now
from django_repid.insight.reader import Reader, readers
from django_repid.insight.snapshot import look
from django_repid.models import WorkerProcess
from django_repid.testing import travel
from django_repid.worker.identity import describe
from tests.database.test_worker import burst

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


def health(**options: Any) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("repid_health", stdout=out, **options)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def reader() -> Reader:
    return readers()["default"]


def register(queues: list[str], topics: list[str], **fields: Any) -> int:
    info = describe(name="web-1", queues=queues, topics=topics, version="1")
    given = {name: getattr(info, name) for name in WorkerInfo.__slots__}
    return connections["default"].message_broker.register(WorkerInfo(**{**given, **fields}))


@pytest.fixture(autouse=True)
def no_worker_stays() -> Any:
    yield
    broker = connections["default"].message_broker
    for pk in WorkerProcess.objects.values_list("pk", flat=True):
        broker.deregister(pk)


def test_without_a_worker_the_queue_is_broken() -> None:
    Job("send").enqueue_sync()

    code, text = health()

    assert (code, text) == (2, "BROKEN: No worker is alive. 1 job is due.\n")


def test_with_a_worker_all_is_well() -> None:
    register(["*"], ["send"])
    Job("send").enqueue_sync()

    assert health() == (0, "OK: All is well: 1 worker is alive, and nothing is late.\n")


def test_a_worker_whose_process_has_ended_is_gone_at_once() -> None:
    me = describe(name="x", queues=[], topics=[], version="1")
    register(["*"], ["send"], pid=os.getpid(), pid_started=f"{me.pid_started}0")

    code, text = health()

    assert code == 2
    assert "No worker is alive." in text


def test_a_worker_elsewhere_that_beats_no_more_is_silent_within_half_a_minute() -> None:
    register(["*"], ["send"], host="elsewhere")
    if databases["default"].vendor == "sqlite":
        return  # there its lock says that it lives, which this process holds

    with travel(timedelta(seconds=16)):
        code, text = health()

    assert code == 2
    assert "The last sign of life came 16 s ago from web-1" in text


def test_warnings_are_told_from_what_is_broken_and_by_machines() -> None:
    register(["mail"], ["send"])
    Job("send", queue="mail").enqueue_sync()
    with travel(timedelta(seconds=100)):
        late = health(format="json") if databases["default"].vendor == "sqlite" else None
        if late is None:  # beats have stood still meanwhile
            WorkerProcess.objects.update(beat_at=reader().now_us())
            late = health(format="json")
    Job("report", queue="reports").enqueue_sync()
    broken = health(format="json")

    assert (late[0], json.loads(late[1])["status"]) == (1, "warning")
    assert json.loads(late[1])["findings"][0]["code"] == "late"
    assert (broken[0], json.loads(broken[1])["status"]) == (2, "broken")
    (finding,) = json.loads(broken[1])["findings"]
    assert (finding["code"], finding["queue"], finding["connection"]) == (
        "unserved", "reports", "default",
    )  # fmt: skip


def test_a_pause_is_said_and_is_no_alarm() -> None:
    register(["*"], ["send"])
    connections["default"].message_broker.pause("mail", by="ann", reason="the gateway is down")
    Job("send", queue="mail").enqueue_sync()

    code, text = health()

    assert code == 0
    assert "INFO: Queue mail was paused by ann 0 s ago: the gateway is down. 1 job waits." in text


def test_what_cannot_be_asked_is_broken(settings: Any) -> None:
    settings.REPID = {
        "scratch": {
            "MESSAGE_BROKER": "django_repid.InMemoryMessageBroker",
            "RESULTS_BUCKET_BROKER": None,
        }
    }

    for alias in ("scratch", "nowhere"):
        with pytest.raises(CommandError, match=alias) as caught:
            health(connection=alias)
        assert caught.value.returncode == 2


def test_a_reader_sees_queues_failures_and_schedules() -> None:
    router = Router()

    @router.actor
    async def good() -> int:
        return 1

    @router.actor
    async def bad() -> None:
        raise ValueError("no\nsecond line")

    Job.enqueue_many_sync([Job("good"), Job("good"), *[Job("bad") for _ in range(3)]])
    Job("good", id_="every-hour", deferred_by=timedelta(hours=1)).enqueue_sync()
    with travel(timedelta(hours=1)):
        burst(router)
    Job.enqueue_many_sync(
        [
            Job("good", queue="mail", priority=3),
            Job("good", queue="mail", priority=4),
            Job("other", queue="mail", deferred_until=utc_now() + timedelta(hours=1)),
        ]
    )

    seen = look(reader())

    mail, default = seen.queue("mail"), seen.queue("default")
    assert (mail.due, mail.later, mail.failed, mail.running) == (2, 1, 0, 0)
    assert mail.oldest is not None
    assert (default.due, default.later, default.failed) == (0, 1, 3)
    assert [one.topic for one in mail.unserved] == ["good"]
    (cause,) = seen.causes.found
    assert (cause.topic, cause.exception, cause.text) == ("bad", "ValueError", "no")
    assert (cause.count, cause.dead, seen.causes.complete) == (3, 3, True)
    (schedule,) = seen.schedules
    assert (schedule.id, schedule.words, schedule.state.word) == (
        "every-hour",
        "every 1 h",
        "later",
    )
    (outcome,) = reader().outcomes([schedule.result_id or ""]).values()
    assert outcome.success


def test_what_runs_is_counted_by_queue_and_worker() -> None:
    broker = connections["default"].message_broker
    Job("send", id_="seized", queue="mail").enqueue_sync()
    from django_repid.core.message import MessageState

    broker.seize("seized", [MessageState.READY])

    assert look(reader()).queue("mail").running == 1
