"""Who may steer queues and schedules in the admin: a permission each, by POST, on record."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_repid import Job
from django_repid.core import clock
from django_repid.models import Message, Queue, Schedule, WorkerProcess
from tests.security import kit
from tests.security.kit import superuser

pytestmark = pytest.mark.django_db

BASE = "/admin/django_repid"
#: Our pages by model: what each wants besides `view_…`. A page that is added must be added here.
PAGES: dict[Any, dict[str, str]] = {
    Queue: {
        "changelist": "",
        "change": "",
        "pause": "pause_queue",
        "resume": "pause_queue",
        "clear": "delete_message",
    },
    WorkerProcess: {"changelist": ""},
    Schedule: {"changelist": "", "run": "retry_job", "stop": "cancel_job"},
}
#: Those that answer only to POST.
POSTED = {"pause", "resume", "run"}
ALL = [
    (str(model._meta.model_name), kind, more)
    for model, pages in PAGES.items()
    for kind, more in pages.items()
]


@pytest.fixture(autouse=True)
def jobs() -> None:
    Job("send", id_="waiting", queue="mail").enqueue_sync()
    Job("send", id_="daily", queue="mail", deferred_by=timedelta(days=1)).enqueue_sync()


def address(name: str, kind: str) -> str:
    row = {"queue": "mail", "schedule": "daily"}.get(name, "")
    return f"{BASE}/{name}/" if kind == "changelist" else f"{BASE}/{name}/{row}/{kind}/"


def person(*codenames: str, is_staff: bool = True) -> Client:
    user = User.objects.create_user(f"user-{User.objects.count()}", is_staff=is_staff)
    found = Permission.objects.filter(
        content_type__app_label="django_repid", codename__in=codenames
    )
    assert found.count() == len(codenames)
    user.user_permissions.set(found)
    client = Client()
    client.force_login(user)
    return client


def rows() -> list[list[dict[str, Any]]]:
    models: tuple[Any, ...] = (Message, Queue, LogEntry)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_our_pages_are_these() -> None:
    for model, expected in PAGES.items():
        urls = admin.site._registry[model].get_urls()
        assert {str(url.name).rpartition("_")[2] for url in urls} == set(expected)


@pytest.mark.parametrize(("name", "kind", "more"), ALL)
def test_a_page_is_shown_to_whom_it_is_meant_for(name: str, kind: str, more: str) -> None:
    needed = [f"view_{name}", *([more] if more else [])]
    seen = 405 if kind in POSTED else 200
    clients: dict[str, tuple[Client, int]] = {
        "nobody": (Client(), 302),
        "customer": (person(*needed, is_staff=False), 302),
        "staff": (person(), 403),
        "who may": (person(*needed), seen),
        "root": (superuser(), seen),
        "who may not look": (person(*needed[1:]), 403),
        "who may only look": (person(needed[0]), 403 if more else seen),
    }

    page = address(name, kind)
    found = {who: client.get(page).status_code for who, (client, _) in clients.items()}

    assert found == {who: status for who, (_, status) in clients.items()}


@pytest.mark.parametrize(("name", "kind", "more"), [one for one in ALL if one[2]])
def test_nobody_steers_without_its_permission(name: str, kind: str, more: str) -> None:
    others = {other for _, _, other in ALL if other} - {more}
    clients = [
        Client(),
        person(f"view_{name}"),
        person(f"view_{name}", *others),
        person(more),
        person(f"view_{name}", more, is_staff=False),
    ]
    before = rows()

    for client in clients:
        assert client.post(address(name, kind)).status_code in (302, 403)

    assert rows() == before


@pytest.mark.parametrize(("name", "kind", "more"), [one for one in ALL if one[2]])
def test_a_get_changes_nothing(name: str, kind: str, more: str) -> None:
    before = rows()

    superuser().get(address(name, kind))

    assert rows() == before


@pytest.mark.parametrize(("name", "kind", "more"), [one for one in ALL if one[2]])
def test_a_post_without_a_csrf_token_is_refused(name: str, kind: str, more: str) -> None:
    before = rows()

    answer = superuser(csrf=True).post(address(name, kind))

    assert answer.status_code == 403
    assert "CSRF" in answer.content.decode()
    assert rows() == before


@pytest.mark.parametrize(("name", "kind", "more"), [one for one in ALL if one[2]])
def test_what_was_done_is_on_record(name: str, kind: str, more: str) -> None:
    client = person(f"view_{name}", more)

    answer = client.post(address(name, kind), {"reason": "the gateway is down"})

    assert (answer.status_code, answer["Location"].startswith(f"{BASE}/{name}/")) == (302, True)
    (entry,) = LogEntry.objects.all()
    assert entry.user.username.startswith("user-")
    assert entry.object_id == {"queue": "mail", "schedule": "daily"}[name]
    assert entry.content_type is not None
    assert entry.content_type.model == name
    assert entry.get_change_message()


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/admin/auth/user/"]
)
def test_a_form_leads_to_no_page_but_ours(target: str) -> None:
    answer = superuser().post(address("queue", "pause"), {"next": target})

    assert answer["Location"].startswith(f"{BASE}/queue/mail/")


@pytest.mark.parametrize("id_", ["nobody", "waiting", "%C3%BC", "a%0ab", "_00"])
def test_only_recurring_jobs_can_be_steered_as_schedules(id_: str) -> None:
    for kind in ("run", "stop"):
        assert superuser().post(f"{BASE}/schedule/{id_}/{kind}/").status_code == 404


@pytest.mark.parametrize("name", ["%C3%BC", "a b", "1", "x" * 65])
def test_no_row_is_made_for_a_name_that_no_queue_can_have(name: str) -> None:
    for kind in ("pause", "resume", "clear"):
        assert superuser().post(f"{BASE}/queue/{name}/{kind}/").status_code == 404
    assert not Queue.objects.exists()


def test_an_unknown_connection_is_not_found() -> None:
    for page in ("", "queue/", "schedule/", "workerprocess/"):
        assert superuser().get(f"{BASE}/{page}?on=nowhere").status_code == 404


VIEWS: list[tuple[str, Callable[[str], bool]]] = [
    ("view_queue", lambda page: "Queue mail" not in page and "mail" in page),
    ("view_workerprocess", lambda page: "No worker is alive" in page and "mail" not in page),
    ("view_failure", lambda page: "GatewayError" in page and "mail" not in page),
    ("view_schedule", lambda page: "mail" not in page and "GatewayError" not in page),
]


@pytest.mark.parametrize(("codename", "is_right"), VIEWS)
def test_the_overview_tells_everybody_what_they_may_see(
    codename: str, is_right: Callable[[str], bool]
) -> None:
    kit.failure(exception="GatewayError", failed_at=clock.now_us())

    answer = person(codename).get(f"{BASE}/")

    assert answer.status_code == 200
    page = answer.content.decode()
    assert is_right(page)
    assert ("Failures by cause" in page) == (codename == "view_failure")
    assert ("Runs a minute" in page) == (codename == "view_queue")


def test_who_may_see_nothing_of_ours_gets_no_overview() -> None:
    assert person().get(f"{BASE}/").status_code == 404
