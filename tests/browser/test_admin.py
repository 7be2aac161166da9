"""The admin in a real browser: every page in every look, and every button."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User

from django_repid import Job
from django_repid.core import clock
from django_repid.models import Message, Queue
from tests.acceptance.kit import eventually, run
from tests.browser.programs import GUARDED
from tests.browser.site import Look, Site, every_look, overflow

pytestmark = pytest.mark.browser

HERE = "/admin/django_repid"
PAGES = {
    "overview": "/",
    "queues": "/queue/",
    "queue": "/queue/default/change/",
    "workers": "/workerprocess/",
    "schedules": "/schedule/",
    "jobs": "/message/",
    "failed": "/message/?q=state:failed",
    "done": "/message/?q=state:done",
    "results": "/bucket/",
}
LONG = "w" * 240


@pytest.fixture
def busy(project: Site) -> Site:
    """A store in which much has happened, and that no worker serves any more."""
    Job.enqueue_many_sync(Job("add", args={"a": n, "b": 1}, id_=f"done-{n}") for n in range(30))
    Job.enqueue_many_sync(Job("fail", id_=f"failed-{n}") for n in range(5))
    done = run("repid_worker", "--burst", **GUARDED)
    assert done.returncode == 0, done.stderr
    Job("add", args={"a": 1, "b": f"<b>{LONG}</b>"}, id_="waiting").enqueue_sync()
    Job("add", args={"a": 2, "b": 2}, id_="later", deferred_by=timedelta(hours=1)).enqueue_sync()
    Job("unheard-of", queue="reports", id_="unserved").enqueue_sync()
    return project


@every_look
@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_shown_in_every_look(name: str, look: Look, busy: Site, boss: User) -> None:
    page = busy.page(HERE + PAGES[name], look, user=boss)

    assert page.locator("h1").count() == 1
    assert page.get_by_text("No worker is alive").count() >= 1
    assert overflow(page) == 0
    busy.picture(page, f"admin-{name}-{look}")


@every_look
@pytest.mark.parametrize("id_", ["failed-1", "done-1", "waiting", "later"])
def test_a_job_is_shown_in_every_look(id_: str, look: Look, busy: Site, boss: User) -> None:
    page = busy.page(f"{HERE}/message/?q={id_}", look, user=boss)

    assert page.locator("h1").inner_text().count("(") == 1  # actor(args)
    assert overflow(page) == 0
    busy.picture(page, f"admin-job-{id_}-{look}")


def test_a_failed_job_is_retried_after_a_page_that_asks(busy: Site, boss: User) -> None:
    page = busy.page(f"{HERE}/message/?q=failed-1", user=boss)
    page.get_by_role("button", name="Retry…").click()
    page.get_by_text("Retry these jobs?").first.wait_for()
    busy.picture(page, "admin-retry-asks")
    page.get_by_role("button", name="Retry", exact=True).click()

    page.get_by_text("1 job starts over.").wait_for()
    assert Message.objects.get(message_id="failed-1").state == Message.State.READY
    assert LogEntry.objects.get().user == boss


def test_all_failures_of_one_cause_are_retried(busy: Site, boss: User) -> None:
    page = busy.page(HERE + "/", user=boss)
    page.get_by_role("link", name="Retry 5").click()
    page.get_by_role("button", name="Retry all").first.click()
    page.get_by_role("button", name="Retry", exact=True).click()

    page.get_by_text("5 jobs start over.").wait_for()
    assert not Message.objects.filter(state=Message.State.DEAD).exists()


def test_picked_jobs_are_cancelled(busy: Site, boss: User) -> None:
    page = busy.page(f"{HERE}/message/?q=state:waiting", user=boss)
    page.get_by_role("checkbox").nth(0).check()
    page.get_by_role("button", name="Cancel…").first.click()
    page.get_by_role("button", name="Cancel", exact=True).click()

    page.get_by_text("1 job was cancelled.").wait_for()
    assert Message.objects.filter(message_id__in=["waiting", "unserved"]).count() == 1


def test_a_dead_job_is_deleted(busy: Site, boss: User) -> None:
    page = busy.page(f"{HERE}/message/?q=failed-2", user=boss)
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete", exact=True).click()

    page.get_by_text("1 job was deleted.").wait_for()
    assert not Message.objects.filter(message_id="failed-2").exists()


def test_a_done_job_is_run_again(busy: Site, boss: User) -> None:
    page = busy.page(f"{HERE}/message/?q=done-3", user=boss)
    page.get_by_role("button", name="Run again…").click()
    page.get_by_role("button", name="Run again", exact=True).click()

    page.get_by_text("1 job was enqueued again.").wait_for()
    assert Message.objects.filter(topic="add", payload__contains='"a":3').exists()


def test_a_deferred_job_is_run_now(busy: Site, boss: User) -> None:
    due = clock.utc_now() + timedelta(hours=2)
    Job("add", args={"a": 3, "b": 3}, id_="put-off", deferred_until=due).enqueue_sync()
    page = busy.page(f"{HERE}/message/?q=put-off", user=boss)
    page.get_by_role("button", name="Run now…").click()
    page.get_by_role("button", name="Run now", exact=True).click()

    page.get_by_text("1 job is due now.").wait_for()
    assert Message.objects.get(message_id="put-off").run_at < clock.to_us(due)


def test_a_queue_is_paused_with_a_reason_and_resumed(busy: Site, boss: User) -> None:
    page = busy.page(f"{HERE}/queue/default/change/", user=boss)
    page.get_by_label("Why").fill("the bank is away")
    page.get_by_role("button", name="Pause").click()

    page.get_by_role("button", name="Resume").wait_for()
    assert page.get_by_text("the bank is away").count() >= 1
    assert Queue.objects.get(name="default").paused_at is not None
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()
    assert Queue.objects.get(name="default").paused_at is None


def test_a_queue_is_cleared_after_a_page_that_asks(busy: Site, boss: User) -> None:
    page = busy.page(f"{HERE}/queue/reports/change/", user=boss)
    page.get_by_role("link", name="Clear the queue…").click()
    busy.picture(page, "admin-clear-asks")
    page.locator("#content").get_by_role("button").last.click()

    eventually(lambda: not Message.objects.filter(queue="reports").exists())


def test_a_schedule_runs_now_and_is_stopped(busy: Site, boss: User) -> None:
    page = busy.page(f"{HERE}/schedule/", user=boss)
    before = Message.objects.get(message_id="later").run_at
    page.get_by_role("button", name="Run now").click()

    page.locator(".messagelist").wait_for()
    assert Message.objects.get(message_id="later").run_at < before
    page.get_by_role("link", name="Stop…").click()
    page.locator("#content").get_by_role("button").last.click()
    eventually(lambda: not Message.objects.filter(message_id="later").exists())


def test_nothing_needs_a_script(busy: Site, boss: User) -> None:
    page = busy.page(f"{HERE}/message/?q=failed-4", user=boss, javascript=False)
    page.get_by_role("button", name="Retry…").click()
    page.get_by_role("button", name="Retry", exact=True).click()

    page.get_by_text("1 job starts over.").wait_for()


def test_a_search_that_cannot_be_read_says_why(busy: Site, boss: User) -> None:
    page = busy.page(f"{HERE}/message/", user=boss)
    page.get_by_role("searchbox", name="Search jobs").fill("state:nonsense")
    page.get_by_role("button", name="Search").click()

    assert "state" in page.get_by_role("alert").inner_text()
    page.get_by_role("searchbox", name="Search jobs").fill("actor:add args.a=7")
    page.get_by_role("button", name="Search").click()
    assert page.locator(".repid-jobs tbody tr").count() == 1
