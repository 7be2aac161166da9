"""Who may see which page of the admin, and that nobody changes a row there."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

from django_repid.models import Message
from tests.security import kit
from tests.security.kit import MODELS, all_rows, person, superuser

pytestmark = pytest.mark.django_db

#: Those whose pages are Django's own lists; the others are in test_admin_steering.
LISTED = ["message", "bucket", "failure"]
KINDS = ["changelist", "add", "history", "delete", "change"]
#: Which pages a member of staff gets who may see our rows. Nobody gets the others.
SEEN = {"changelist", "history", "change"}


@pytest.fixture(autouse=True)
def rows() -> dict[str, Any]:
    return {
        "message": kit.message(),
        "bucket": kit.bucket(),
        "failure": kit.failure(),
        "workerprocess": kit.worker_process(),
        "queue": MODELS["queue"].objects.create(name="mail"),
    }


def address(name: str, kind: str, row: Any) -> str:
    base = f"/admin/django_repid/{name}/"
    return {"changelist": base, "add": f"{base}add/"}.get(kind, f"{base}{row.pk}/{kind}/")


def nobody() -> Client:
    return Client()


def staff() -> Client:
    return person()


def viewer() -> Client:
    return person("view")


def changer() -> Client:
    return person("change", "add", "delete")


def customer() -> Client:
    """Log somebody in who has every permission and is no member of staff."""
    client = person("view", "change", "add", "delete")
    User.objects.update(is_staff=False)
    return client


STATUS: dict[Callable[[], Client], tuple[int, int]] = {
    # who: (what SEEN pages answer, what the others answer)
    nobody: (302, 302),
    customer: (302, 302),
    staff: (403, 403),
    viewer: (200, 403),
    changer: (200, 403),
    superuser: (200, 403),
}


def test_our_pages_are_these() -> None:
    """A page that is added must be added here, with who may see it."""
    sites = admin.site._registry
    ours = {model: one for model, one in sites.items() if model._meta.app_label == "django_repid"}
    assert {model._meta.model_name for model in ours} == {*MODELS, "schedule"}
    for one in (ours[MODELS[name]] for name in LISTED):
        names = [url.name.rpartition("_")[2] for url in one.get_urls() if url.name]
        assert sorted(names) == sorted(KINDS)
        assert one.actions is None


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("who", STATUS, ids=lambda who: who.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_shown_to_whom_it_is_meant_for(
    who: Callable[[], Client], kind: str, name: str, rows: dict[str, Any]
) -> None:
    seen, other = STATUS[who]

    answer = who().get(address(name, kind, rows[name]))

    assert answer.status_code == (seen if kind in SEEN else other)
    if answer.status_code == 302:
        assert "/admin/login/" in answer["Location"]


ACTIONS = ["", "delete_selected", "requeue", "cancel", "run_now", "pause", "resume"]


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("who", STATUS, ids=lambda who: who.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_no_post_changes_a_row(
    who: Callable[[], Client], kind: str, name: str, rows: dict[str, Any]
) -> None:
    client, row = who(), rows[name]
    before = all_rows()
    fields = {field.name: "changed" for field in row._meta.fields}

    for action in ACTIONS:
        data = {**fields, "post": "yes", "_save": "Save", "_selected_action": [str(row.pk)]}
        answer = client.post(address(name, kind, row), {**data, "action": action})
        # The list and the history show themselves again.
        shown = {200} if kind in ("changelist", "history") else set()
        assert answer.status_code in {302, 403} | shown

    assert all_rows() == before


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_post_without_a_csrf_token_is_refused(kind: str, name: str, rows: dict[str, Any]) -> None:
    client = superuser(csrf=True)
    before = all_rows()

    answer = client.post(address(name, kind, rows[name]), {"post": "yes"})

    assert answer.status_code == 403
    assert "CSRF" in answer.content.decode()
    assert all_rows() == before


@pytest.mark.parametrize("who", [viewer, changer, superuser], ids=lambda who: who.__name__)
def test_nobody_enqueues_through_the_admin(who: Callable[[], Client]) -> None:
    client = who()
    data = {"topic": "add", "message_id": "sneaked", "queue": "default", "payload": "{}"}

    answer = client.post("/admin/django_repid/message/add/", data)

    assert answer.status_code == 403
    assert not Message.objects.filter(message_id="sneaked").exists()


def test_a_permission_for_one_kind_of_row_opens_no_other() -> None:
    user = User.objects.create_user("narrow", is_staff=True)
    user.user_permissions.set(
        kit.Permission.objects.filter(codename="view_failure", content_type__model="failure")
    )
    client = Client()
    client.force_login(user)

    found = {name: client.get(kit.pages(name)[-1]).status_code for name in MODELS}

    assert found == {name: 200 if name == "failure" else 403 for name in MODELS}


@pytest.mark.parametrize(
    "query",
    [
        "payload__startswith=x",
        "payload__regex=^x",
        "headers__contains=x",
        "spec__contains=x",
        "payload=x",
        "payload__length=3",
        "message_id=%C3%BC",  # no name can hold it, and MariaDB refuses to look
    ],
)
def test_a_list_cannot_be_filtered_by_what_it_does_not_show(query: str) -> None:
    """Or whoever may look at lists reads a hidden secret letter by letter."""
    assert superuser().get(f"/admin/django_repid/message/?{query}").status_code == 400


@pytest.mark.parametrize("query", ["data__startswith=x", "payload__regex=^x", "headers=x"])
def test_buckets_cannot_be_filtered_by_what_lists_do_not_show(query: str) -> None:
    assert superuser().get(f"/admin/django_repid/bucket/?{query}").status_code == 400


@pytest.mark.parametrize("query", ["state=0", "state__exact=2", "topic=nobody", "q=nobody", "pk=1"])
def test_a_list_can_be_filtered_by_what_it_offers(query: str) -> None:
    assert superuser().get(f"/admin/django_repid/message/?{query}").status_code == 200
