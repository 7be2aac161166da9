"""The pages of the admin on a connection in Redis, beside one in the database."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from django_repid import Connection, Job, Router, Worker, discovery
from django_repid.connections import connections
from django_repid.core.clock import utc_now
from django_repid.core.message import MessageState
from django_repid.insight.reader import readers
from tests.on_redis.kit import URL, emptied

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]

BASE = "/admin/django_repid"
LIST, ACT = f"{BASE}/message/", f"{BASE}/message/act/"
HERE = "?on=fast"


@pytest.fixture
def fast(settings: Any) -> Iterator[Connection]:
    settings.ROOT_URLCONF = "tests.shop.urls"
    with emptied() as prefix:
        given = {"dsn": URL, "prefix": prefix}
        settings.REPID = {
            "default": {},
            "fast": {
                "MESSAGE_BROKER": {
                    "CLASS": "django_repid.brokers.redis.RedisMessageBroker",
                    **given,
                },
                "RESULTS_BUCKET_BROKER": {
                    "CLASS": "django_repid.brokers.redis.RedisBucketBroker",
                    **given,
                },
            },
        }
        yield connections["fast"]


@pytest.fixture
def staff(fast: Connection) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ann"))
    return client


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Router:
    made = Router()

    @made.actor(queue="payments")
    def charge(order_id: int) -> int:
        if order_id >= 90:
            raise ConnectionError(f"the gateway answered 502 to {order_id}")
        return order_id

    monkeypatch.setattr(discovery, "_found", made)
    return made


def enqueue(fast: Connection, order_id: int, **more: Any) -> str:
    job = Job("charge", args={"order_id": order_id}, connection=fast, **more)
    return job.enqueue_sync().key.id_


def burst(router: Router, fast: Connection) -> None:
    worker = Worker([router], connection=fast, burst=True, handle_signals=())
    asyncio.run(worker.run())


def page(client: Client, address: str) -> BeautifulSoup:
    answer: Any = client.get(address, follow=True)
    assert answer.status_code == 200
    return BeautifulSoup(answer.content.decode(), "html.parser")


def rows(found: BeautifulSoup) -> list[str]:
    return [" ".join(row.get_text(" ").split()) for row in found.select(".repid-jobs tbody tr")]


def act(client: Client, action: str, pick: str) -> str:
    data = {"action": action, "pick": pick, "confirmed": "yes"}
    answer: Any = client.post(f"{ACT}{HERE}", data, follow=True)
    assert answer.status_code == 200
    text: str = answer.content.decode()
    return text


def state(fast: Connection, id_: str) -> MessageState | None:
    found = fast.message_broker.find([id_])
    return found[0].state if found else None


def test_both_stores_have_their_pages(staff: Client, fast: Connection, router: Router) -> None:
    enqueue(fast, 1, id_="in-redis")
    Job("charge", args={"order_id": 2}, id_="in-tables").enqueue_sync()

    assert list(readers()) == ["default", "fast"]
    assert [row for row in rows(page(staff, f"{LIST}{HERE}")) if "in-redis" in row]
    assert [row for row in rows(page(staff, LIST)) if "in-tables" in row]
    assert "in-redis" not in str(page(staff, LIST))


@pytest.mark.parametrize(
    "name", ["", "message/", "queue/", "workerprocess/", "schedule/", "bucket/"]
)
def test_every_page_opens(name: str, staff: Client, fast: Connection, router: Router) -> None:
    enqueue(fast, 90)
    enqueue(fast, 1, result_id="r1")
    burst(router, fast)
    enqueue(fast, 2, cron="0 3 * * *", id_="nightly")

    found = page(staff, f"{BASE}/{name}{HERE}").get_text(" ")

    wanted = {"": "payments", "queue/": "payments", "schedule/": "charge", "bucket/": "r1"}
    assert wanted.get(name, "Background jobs") in found


def test_a_failed_job_is_shown_with_its_cause_and_started_over(
    staff: Client, fast: Connection, router: Router
) -> None:
    id_ = enqueue(fast, 90)
    burst(router, fast)

    shown = page(staff, f"{LIST}{id_}/change/{HERE}").get_text(" ")
    assert "the gateway answered 502 to 90" in shown
    assert "in charge" in shown
    assert "ConnectionError" in page(staff, f"{BASE}/{HERE}").get_text(" ")

    assert "1 job starts over." in act(staff, "retry", f"j:{id_}")
    assert state(fast, id_) is MessageState.READY
    assert LogEntry.objects.count() == 1


def test_what_is_done_is_opened_and_run_again(
    staff: Client, fast: Connection, router: Router
) -> None:
    enqueue(fast, 7, result_id="r7")
    burst(router, fast)

    shown = page(staff, f"{BASE}/bucket/r7/change/{HERE}").get_text(" ")
    assert "charge" in shown
    (row,) = rows(page(staff, f"{LIST}{HERE}&q=state:done"))
    assert "charge(7)" in row

    assert "1 job was enqueued again." in act(staff, "run_again", "r:r7")
    assert len(rows(page(staff, f"{LIST}{HERE}&q=state:waiting"))) == 1


@pytest.mark.parametrize("action", ["cancel", "delete"])
def test_what_waits_is_cancelled_and_deleted(
    action: str, staff: Client, fast: Connection, router: Router
) -> None:
    id_ = enqueue(fast, 1)

    act(staff, action, f"j:{id_}")

    assert state(fast, id_) is None


def test_what_comes_later_is_run_now(staff: Client, fast: Connection, router: Router) -> None:
    later = utc_now().replace(year=2090)
    id_ = enqueue(fast, 1, deferred_until=later)

    assert "1 job is due now." in act(staff, "run_now", f"j:{id_}")
    assert rows(page(staff, f"{LIST}{HERE}&q=state:waiting"))


def test_a_queue_is_paused_with_a_reason_and_resumed(
    staff: Client, fast: Connection, router: Router
) -> None:
    enqueue(fast, 1)

    staff.post(f"{BASE}/queue/payments/pause/{HERE}", {"reason": "the gateway is down"})
    assert "paused by ann" in " ".join(page(staff, f"{BASE}/{HERE}").get_text(" ").split())
    burst(router, fast)
    assert rows(page(staff, f"{LIST}{HERE}&q=state:waiting"))

    staff.post(f"{BASE}/queue/payments/resume/{HERE}")
    burst(router, fast)
    assert rows(page(staff, f"{LIST}{HERE}&q=state:done"))
