"""The admin's pages: the overview, queues, workers and schedules, and what their buttons do."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from django_repid import BrokerUnavailable, DatabaseMessageBroker, Job, Router
from django_repid.connections import connections
from django_repid.core.message import MessageCategory, MessageState
from django_repid.models import Message, Queue, WorkerProcess
from django_repid.testing import travel
from django_repid.worker.identity import describe
from tests.database.test_worker import burst

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

BASE = "/admin/django_repid/"


@pytest.fixture
def staff(settings: Any) -> Client:
    settings.ROOT_URLCONF = "tests.shop.urls"
    client = Client()
    client.force_login(User.objects.create_superuser("ann"))
    return client


@pytest.fixture
def get(staff: Client) -> Callable[[str], str]:
    def page(address: str) -> str:
        answer = staff.get(address)
        assert answer.status_code == 200
        return answer.content.decode()

    return page


@pytest.fixture(autouse=True)
def no_worker_stays() -> Iterator[None]:
    yield
    broker = connections["default"].message_broker
    for pk in WorkerProcess.objects.values_list("pk", flat=True):
        broker.deregister(pk)


def register(*, queues: list[str], topics: list[str]) -> int:
    info = describe(name="web-1", queues=queues, topics=topics, version="1")
    return connections["default"].message_broker.register(info)


def failing() -> Router:
    router = Router()

    @router.actor(queue="payments")
    def charge() -> None:
        raise ConnectionError("the gateway answered 502\nand more")

    return router


def test_every_page_says_first_that_no_worker_is_alive(get: Callable[[str], str]) -> None:
    Job("send", queue="mail").enqueue_sync()

    for page in ("", "queue/", "queue/mail/change/", "workerprocess/", "schedule/"):
        text = get(f"{BASE}{page}")
        assert "No worker is alive. 1 job is due." in text
        assert (
            text.index("No worker is alive") < text.index("repid-last")
            if "repid-last" in text
            else True
        )


def test_the_verdict_is_green_only_when_all_is_well(get: Callable[[str], str]) -> None:
    register(queues=["*"], topics=["send"])
    Job("send", queue="mail").enqueue_sync()
    assert "All is well: 1 worker is alive, and nothing is late." in get(BASE)

    Job("report", queue="reports").enqueue_sync()
    page = get(BASE)
    assert "All is well" not in page
    assert "no live worker knows the actor report" in page


def test_the_overview_counts_what_waits_and_what_has_failed(get: Callable[[str], str]) -> None:
    Job.enqueue_many_sync([Job("charge", queue="payments") for _ in range(3)])
    burst(failing())
    Job.enqueue_many_sync([Job("send", queue="mail") for _ in range(7)])

    page = get(BASE)

    assert "the gateway answered 502" in page
    assert "and more" not in page
    assert "Retry 3" in page
    assert "state%3Afailed" in page
    assert '<td class="repid-number" data-label="Due">7</td>' in page
    assert page.count('class="repid-name"') == 3


def test_the_section_of_the_admin_leads_to_the_overview(get: Callable[[str], str]) -> None:
    front = get("/admin/")

    assert front.count('href="/admin/django_repid/"') == 1
    for name in ("Queues", "Workers", "Schedules", "Jobs"):
        assert f">{name}</a>" in front


def test_a_queue_is_paused_with_a_reason_and_resumed(
    staff: Client, get: Callable[[str], str]
) -> None:
    Job("send", queue="mail").enqueue_sync()

    staff.post(f"{BASE}queue/mail/pause/", {"reason": "the gateway is down"})

    row = Queue.objects.get(name="mail")
    assert (row.paused_by, row.pause_reason) == ("ann", "the gateway is down")
    page = get(f"{BASE}queue/mail/change/")
    assert "Queue mail was paused by ann 0 s ago: the gateway is down. 1 job waits." in page
    assert "Resume" in page

    staff.post(f"{BASE}queue/mail/resume/")

    assert Queue.objects.get(name="mail").paused_at is None
    said = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert said == ["Paused: the gateway is down", "Resumed."]


def test_a_queue_is_cleared_after_it_was_said_of_how_much(
    staff: Client, get: Callable[[str], str]
) -> None:
    Job.enqueue_many_sync([Job("send", queue="mail") for _ in range(3)])
    Job("send", queue="other").enqueue_sync()
    broker = connections["default"].message_broker
    seized = Message.objects.filter(queue="mail").values_list("message_id", flat=True)[0]
    broker.seize(seized, [MessageState.READY])

    asked = get(f"{BASE}queue/mail/clear/")
    assert "go 2 jobs that are due" in asked
    assert Message.objects.count() == 4

    staff.post(f"{BASE}queue/mail/clear/")

    left = Message.objects.order_by("queue").values_list("queue", flat=True)
    assert list(left) == ["mail", "other"]
    (entry,) = LogEntry.objects.all()
    assert entry.get_change_message() == "2 jobs were removed."


def test_workers_are_listed_with_what_they_serve_and_run(get: Callable[[str], str]) -> None:
    register(queues=["*", "-reports", "mail"], topics=["send", "charge"])

    page = get(f"{BASE}workerprocess/")

    assert "web-1" in page
    assert "alive" in page
    assert "(mail)" in page
    assert "send, charge" in page or "charge, send" in page


def test_schedules_are_listed_in_words_with_their_next_run(get: Callable[[str], str]) -> None:
    Job("report", id_="nightly", cron="0 3 * * *").enqueue_sync()
    Job("report", id_="often", deferred_by=timedelta(minutes=5)).enqueue_sync()

    page = get(f"{BASE}schedule/")

    assert "At 03:00" in page
    assert "Europe/Berlin" in page
    assert "every 5 min" in page


def test_a_missed_run_is_said(get: Callable[[str], str]) -> None:
    Job("report", id_="often", deferred_by=timedelta(minutes=5)).enqueue_sync()

    with travel(timedelta(minutes=7)):
        page = get(f"{BASE}schedule/")

    assert "The schedule often missed its run" in page
    assert "missed" in page


def test_a_schedule_runs_now_and_comes_again_as_planned(staff: Client) -> None:
    Job("report", id_="often", deferred_by=timedelta(hours=5)).enqueue_sync()
    planned = Message.objects.get(message_id="often").tick or 0

    staff.post(f"{BASE}schedule/often/run/")

    (found,) = connections["default"].message_broker.browse("default", MessageCategory.NORMAL)
    assert found.key.id_ == "often"
    router = Router()

    @router.actor
    async def report() -> None: ...

    burst(router)
    assert Message.objects.get(message_id="often").run_at == planned


def test_a_schedule_that_runs_is_not_run_twice(staff: Client) -> None:
    Job("report", id_="often", deferred_by=timedelta(hours=5)).enqueue_sync()
    connections["default"].message_broker.seize("often", [MessageState.READY])

    answer = staff.post(f"{BASE}schedule/often/run/", follow=True)

    assert "The schedule often runs already." in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_a_schedule_is_stopped_after_a_question(staff: Client, get: Callable[[str], str]) -> None:
    Job("report", id_="often", deferred_by=timedelta(hours=5)).enqueue_sync()

    assert "comes no more" in get(f"{BASE}schedule/often/stop/")
    assert Message.objects.filter(message_id="often").exists()

    staff.post(f"{BASE}schedule/often/stop/")

    assert not Message.objects.filter(message_id="often").exists()


BROKER = "django_repid.DatabaseMessageBroker"


def two_aliases(second: str) -> dict[str, Any]:
    """Return settings of two connections, the second one to this database."""
    return {
        "default": {"MESSAGE_BROKER": {"CLASS": BROKER, "database": "default"}},
        "second": {
            "MESSAGE_BROKER": {"CLASS": BROKER, "database": second},
            "RESULTS_BUCKET_BROKER": None,
        },
        "scratch": {
            "MESSAGE_BROKER": "django_repid.InMemoryMessageBroker",
            "RESULTS_BUCKET_BROKER": None,
        },
    }


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_page_is_for_one_store_of_several(settings: Any, get: Callable[[str], str]) -> None:
    settings.REPID = two_aliases("other")
    Job("send", queue="here").enqueue_sync()
    Job("send", queue="there", connection="second").enqueue_sync()

    first, second = get(BASE), get(f"{BASE}?on=second")

    assert 'aria-label="Connection"' in first
    assert ("here" in first, "queue/there/" in first) == (True, False)
    assert ("queue/here/" in second, "queue/there/" in second) == (False, True)
    assert "/queue/there/change/?on=second" in second
    assert "scratch" not in first


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_what_is_done_is_done_in_the_store_that_the_page_is_for(
    settings: Any, staff: Client
) -> None:
    settings.REPID = two_aliases("other")

    answer = staff.post(f"{BASE}queue/mail/pause/?on=second")

    assert answer["Location"] == f"{BASE}queue/mail/change/?on=second"
    assert not Queue.objects.using("default").exists()
    assert Queue.objects.using("other").get(name="mail").paused_at is not None


def test_aliases_of_one_store_leave_nothing_to_choose(
    settings: Any, get: Callable[[str], str]
) -> None:
    settings.REPID = two_aliases("default")

    assert 'aria-label="Connection"' not in get(BASE)


def test_a_store_that_cannot_be_reached_is_said_in_words(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> int:
        raise BrokerUnavailable("connection refused at 10.0.0.7")

    monkeypatch.setattr(DatabaseMessageBroker, "now_us", fail)

    for page, status in (("", 200), ("queue/", 503), ("schedule/", 503), ("queue/a/change/", 503)):
        answer = staff.get(f"{BASE}{page}")
        assert answer.status_code == status
        assert "The store of the connection default cannot be reached" in answer.content.decode()
        assert "10.0.0.7" not in answer.content.decode()


def test_pages_ask_the_store_a_bounded_number_of_questions(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    Job.enqueue_many_sync(
        [Job(f"actor{n}", queue=f"queue{n % 7}", priority=n % 3) for n in range(60)]
    )
    staff.get(BASE)  # content types and the session

    with django_assert_max_num_queries(22):
        staff.get(BASE)
