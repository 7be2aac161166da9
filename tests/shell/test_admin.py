"""The admin's plain lists."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_repid import Job, Router
from django_repid.core.clock import utc_now
from django_repid.models import Bucket, Failure, Message
from tests.database.test_worker import burst

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def staff(settings: Any) -> Client:
    settings.ROOT_URLCONF = "tests.shop.urls"
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    return client


@pytest.fixture
def history() -> None:
    router = Router()

    @router.actor
    async def good(text: str) -> dict[str, str]:
        return {"answer": text}

    @router.actor
    async def bad() -> None:
        raise ValueError("<script>alert(1)</script>")

    Job.enqueue_many_sync(
        [
            Job("good", args={"text": "<b>bold</b>"}, result_id="good-result"),
            Job("bad", result_id="bad-result"),
        ]
    )
    burst(router)
    later = utc_now() + timedelta(hours=1)
    Job("good", id_="waiting", args={"text": "x"}, deferred_until=later).enqueue_sync()


@pytest.mark.usefixtures("history")
def test_jobs_results_and_failures_are_listed_and_opened(staff: Client) -> None:
    pages: dict[str, list[Any]] = {
        "message": [Message.objects.get(message_id="waiting"), Message.objects.get(topic="bad")],
        "bucket": list(Bucket.objects.all()),
        "failure": list(Failure.objects.all()),
    }

    for name, rows in pages.items():
        listed = staff.get(f"/admin/django_repid/{name}/").content.decode()
        assert len(rows) > 0
        for row in rows:
            page = staff.get(f"/admin/django_repid/{name}/{row.pk}/change/")
            assert page.status_code == 200
            assert f"/admin/django_repid/{name}/{row.pk}/change/" in listed
            assert "<script>alert" not in page.content.decode()
            assert "<b>bold" not in page.content.decode()

    (failure,) = pages["failure"]
    opened = staff.get(f"/admin/django_repid/failure/{failure.pk}/change/").content.decode()
    assert "Traceback" in opened
    assert "&lt;script&gt;" in opened


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("name", ["message", "bucket", "failure"])
def test_rows_can_be_searched_for_and_not_changed(staff: Client, name: str) -> None:
    found = staff.get(f"/admin/django_repid/{name}/", {"q": "bad"}).content.decode()
    assert "bad" in found

    assert staff.get(f"/admin/django_repid/{name}/add/").status_code == 403
    assert "delete_selected" not in found


@pytest.mark.parametrize("name", ["workerprocess", "queue"])
def test_the_other_lists_open(staff: Client, name: str) -> None:
    assert staff.get(f"/admin/django_repid/{name}/").status_code == 200
