"""Who may see which page of jobs and results, who may steer them, and that nobody else does."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_repid import Job
from django_repid.core.clock import utc_now
from django_repid.models import Bucket, Message
from tests.security import kit
from tests.security.kit import BASE, MODELS, all_rows, person, superuser

pytestmark = pytest.mark.django_db

LATER = utc_now() + timedelta(days=1)
ACT = f"{BASE}/message/act/"
WORD = "lovelace"


@pytest.fixture(autouse=True)
def rows() -> None:
    payload = json.dumps({"user": WORD})
    kit.message(message_id="dead", state=Message.State.DEAD, payload=payload)
    Job("send", id_="later", deferred_until=LATER, args={"user": WORD}).enqueue_sync()
    kit.bucket(bucket_id="result", message_id="done", payload=payload, data=payload)
    kit.bucket(kind=Bucket.Kind.ARGUMENTS, bucket_id="args", success=None, topic=None, data=payload)
    kit.failure(message_id="dead", traceback="a traceback", text="said so", exception="Oops")


def allowed(*codenames: str, csrf: bool = False, is_staff: bool = True) -> Client:
    """Return somebody who has these permissions of ours."""
    user = User.objects.create_user(f"user-{User.objects.count()}", is_staff=is_staff)
    found = Permission.objects.filter(
        content_type__app_label="django_repid", codename__in=codenames
    )
    assert found.count() == len(set(codenames))
    user.user_permissions.set(found)
    client = Client(enforce_csrf_checks=csrf)
    client.force_login(user)
    return client


SEEN = [
    f"{BASE}/message/",
    kit.address("message", "dead"),
    f"{BASE}/bucket/",
    kit.address("bucket", "result"),
    kit.address("bucket", "args"),
]
STATUS: dict[Callable[[], Client], int] = {
    Client: 302,
    lambda: allowed("view_message", "view_bucket", is_staff=False): 302,
    allowed: 403,
    lambda: allowed("retry_job", "cancel_job", "view_payload", "delete_message"): 403,
    lambda: allowed("view_message", "view_bucket"): 200,
    lambda: allowed("change_message", "change_bucket"): 200,
    superuser: 200,
}


def test_our_pages_are_these() -> None:
    """A page that is added must be added here, with who may see it."""
    sites = admin.site._registry
    ours = {model: one for model, one in sites.items() if model._meta.app_label == "django_repid"}
    assert {model._meta.model_name for model in ours} == {*kit.PAGES, "failure", "schedule"}
    expected = {"message": {"changelist", "act", "change"}, "bucket": {"changelist", "change"}}
    expected["failure"] = {"changelist"}
    for name, pages in expected.items():
        urls = ours[MODELS[name]].get_urls()
        assert {str(url.name).rpartition("_")[2] for url in urls} == pages


@pytest.mark.parametrize("address", SEEN)
@pytest.mark.parametrize(("who", "status"), STATUS.items(), ids=range(len(STATUS)))
def test_a_page_is_shown_to_whom_it_is_meant_for(
    who: Callable[[], Client], status: int, address: str
) -> None:
    answer = who().get(address)

    assert answer.status_code == status
    if status == 302:
        assert "/admin/login/" in answer["Location"]


@pytest.mark.parametrize("kind", ["add", "dead/history", "dead/delete", "1/change", "1/password"])
@pytest.mark.parametrize("name", ["message", "bucket", "failure"])
def test_djangos_own_pages_of_rows_are_not_there(name: str, kind: str) -> None:
    before = all_rows()

    for answer in (
        superuser().get(f"{BASE}/{name}/{kind}/"),
        superuser().post(f"{BASE}/{name}/{kind}/", {"post": "yes", "topic": "sneaked"}),
    ):
        # A job that is not there leads to the list.
        assert answer.status_code == 404 or answer["Location"] == f"{BASE}/{name}/"

    assert all_rows() == before


def test_a_permission_for_one_kind_of_row_opens_no_other() -> None:
    client = allowed("view_bucket")

    found = [client.get(address).status_code for address in SEEN]

    assert found == [403, 403, 200, 200, 200]


#: An action, what it is done with, and the permission that it takes.
ACTIONS = [
    ("retry", "j:dead", "retry_job"),
    ("run_now", "j:later", "retry_job"),
    ("run_again", "r:result", "retry_job"),
    ("cancel", "j:later", "cancel_job"),
    ("delete", "j:dead", "delete_message"),
    ("delete", "r:result", "delete_bucket"),
]
PERMISSIONS = {permission for _, _, permission in ACTIONS}


@pytest.mark.parametrize(("action", "pick", "permission"), ACTIONS)
def test_nobody_steers_without_the_permission(action: str, pick: str, permission: str) -> None:
    others = PERMISSIONS - {permission}
    clients = [
        Client(),
        allowed("view_message", "view_bucket"),
        allowed("view_message", "change_message", "add_message", "view_payload", *others),
        allowed(permission),
        allowed("view_message", permission, is_staff=False),
    ]
    before = all_rows()

    for client in clients:
        for confirmed in ("", "yes"):
            data = {"action": action, "pick": pick, "confirmed": confirmed}
            assert client.post(ACT, data).status_code in (302, 403)

    assert all_rows() == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(("action", "pick", "permission"), ACTIONS)
def test_it_is_done_by_whom_may_after_a_page_that_says_what(
    action: str, pick: str, permission: str
) -> None:
    client = allowed("view_message", permission)
    if pick == "r:result":
        spec = Message.objects.get(message_id="later").spec
        Bucket.objects.filter(bucket_id="result").update(spec=spec, queue="default", priority=5)
    before = all_rows()

    asked = client.post(ACT, {"action": action, "pick": pick})
    assert asked.status_code == 200
    assert "It is about <strong>1</strong> job." in asked.content.decode()
    assert all_rows() == before

    answer = client.post(ACT, {"action": action, "pick": pick, "confirmed": "yes"})
    assert answer.status_code == 302
    assert all_rows() != before
    (entry,) = LogEntry.objects.all()
    assert entry.object_id == pick[2:]
    assert entry.content_type is not None
    assert entry.content_type.model == ("message" if pick.startswith("j") else "bucket")


@pytest.mark.parametrize(("action", "pick", "permission"), ACTIONS)
def test_a_get_and_a_post_without_a_token_change_nothing(
    action: str, pick: str, permission: str
) -> None:
    data = {"action": action, "pick": pick, "confirmed": "yes"}
    before = all_rows()

    assert superuser().get(ACT, data).status_code == 405
    refused = superuser(csrf=True).post(ACT, data)

    assert refused.status_code == 403
    assert "CSRF" in refused.content.decode()
    assert all_rows() == before


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"action": "explode", "pick": "j:dead"},
        {"action": "retry"},
        {"action": "retry", "q": "state:nope"},
        {"action": "retry", "q": "state:failed actr:x"},
        {"action": "delete", "q": "args.x=1"},
    ],
)
def test_nothing_is_done_that_was_not_clearly_asked_for(data: dict[str, str]) -> None:
    before = all_rows()

    assert superuser().post(ACT, {**data, "confirmed": "yes"}).status_code == 404

    assert all_rows() == before


def test_arguments_and_results_are_for_those_who_may_see_them() -> None:
    looks = allowed("view_message", "view_bucket")
    sees = allowed("view_message", "view_bucket", "view_payload")
    for address in SEEN[1:2] + SEEN[3:]:
        assert WORD not in looks.get(address).content.decode()
        assert WORD in sees.get(address).content.decode()
    assert WORD not in looks.get(SEEN[0]).content.decode()
    assert WORD in sees.get(SEEN[0]).content.decode()


def test_who_may_not_see_arguments_cannot_search_them() -> None:
    """Or whoever may look at lists reads them letter by letter."""
    client = allowed("view_message")
    pages = [client.get(f"{BASE}/message/?q=args.user%3D{word}") for word in (WORD, "bob")]

    found = [page.content.decode() for page in pages]

    assert all("You may not see arguments" in page for page in found)
    assert not any("repid-jobs" in page for page in found)


def test_tracebacks_are_for_those_who_may_see_failures() -> None:
    page = kit.address("message", "dead")

    assert "a traceback" not in allowed("view_message").get(page).content.decode()
    shown = allowed("view_message", "view_failure").get(page).content.decode()
    assert "a traceback" in shown
    assert "Oops: said so" in shown


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/admin/auth/user/"]
)
def test_a_form_leads_to_no_page_but_ours(target: str) -> None:
    data = {"action": "retry", "pick": "j:dead", "confirmed": "yes", "next": target}

    assert superuser().post(ACT, data)["Location"].startswith(f"{BASE}/message/")
    asked = superuser().post(ACT, {**data, "pick": "j:later", "action": "cancel", "confirmed": ""})
    page = kit.Parsed(asked.content.decode())
    assert target not in [value for tag, _, value in page.attributes if tag == "input"]
    assert f'class="repid-button" href="{BASE}/message/' in asked.content.decode()


def test_a_job_page_offers_only_what_is_legal_and_allowed() -> None:
    def offered(client: Client, address: str) -> set[str]:
        page = kit.Parsed(client.get(address).content.decode())
        return {v for tag, name, v in page.attributes if tag == "button" and name == "value"}

    dead, later = kit.address("message", "dead"), kit.address("message", "later")
    root = superuser()
    assert offered(root, dead) == {"retry", "delete"}
    assert offered(root, later) == {"run_now", "cancel", "delete"}
    assert offered(root, kit.address("bucket", "result")) == {"run_again", "delete"}
    assert offered(root, kit.address("bucket", "args")) == set()
    assert offered(allowed("view_message", "cancel_job"), later) == {"cancel"}
    assert offered(allowed("view_message"), dead) == set()


def test_the_old_ways_to_filter_lists_are_ignored() -> None:
    """`?payload__startswith=` would tell secrets."""
    root = superuser()

    for query in ("payload__startswith=x", "payload__regex=^x", "spec__contains=x", "payload=x"):
        assert WORD in root.get(f"{BASE}/message/?{query}").content.decode()
        assert root.get(f"{BASE}/bucket/?{query}").status_code == 200


def test_failures_lead_to_the_overview() -> None:
    answer = allowed("view_failure").get(f"{BASE}/failure/")

    assert (answer.status_code, answer["Location"]) == (302, f"{BASE}/")
    assert allowed("view_message").get(f"{BASE}/failure/").status_code == 403


def test_a_viewer_of_every_kind_may_look_everywhere() -> None:
    client: Any = person("view")

    assert {client.get(address).status_code for address in SEEN} == {200}
