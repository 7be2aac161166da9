"""The admin's list of jobs, the page of one, and what their buttons do, on every database."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from bs4 import BeautifulSoup
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_repid import Job, Router, discovery
from django_repid.admin import wishes
from django_repid.connections import connections
from django_repid.core import steering
from django_repid.core.clock import utc_now
from django_repid.models import Bucket, Message
from django_repid.testing import travel
from django_repid.worker.identity import describe
from tests.database.test_worker import burst
from tests.security import kit

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

BASE = "/admin/django_repid"
LIST, ACT = f"{BASE}/message/", f"{BASE}/message/act/"
LATER = utc_now() + timedelta(days=1)


@pytest.fixture
def staff(settings: Any) -> Client:
    settings.ROOT_URLCONF = "tests.shop.urls"
    client = Client()
    client.force_login(User.objects.create_superuser("ann"))
    return client


@pytest.fixture
def get(staff: Client) -> Callable[..., BeautifulSoup]:
    def page(address: str, **query: str) -> BeautifulSoup:
        answer = staff.get(f"{address}?{urlencode(query)}" if query else address)
        assert answer.status_code == 200, answer
        return BeautifulSoup(answer.content.decode(), "html.parser")

    return page


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Router:
    """Register the actors, and have the admin's process know them."""
    made = Router()

    @made.actor(queue="payments")
    def charge(order_id: int, amount: str, *, currency: str = "EUR") -> dict[str, str]:
        if order_id >= 90_000:
            raise ConnectionError(f"the gateway answered 502 to {order_id}\nand more")
        return {"paid": amount}

    @made.actor
    def send(to: str) -> None: ...

    monkeypatch.setattr(discovery, "_found", made)
    return made


def failed(router: Router, count: int = 3) -> list[str]:
    args = [{"order_id": 90_000 + n, "amount": "19.90"} for n in range(count)]
    jobs = [Job("charge", args=one) for one in args]
    receipts = Job.enqueue_many_sync(jobs)
    burst(router)
    assert Message.objects.filter(state=Message.State.DEAD).count() == count
    return [receipt.key.id_ for receipt in receipts]


def address(id_: str) -> str:
    return kit.address("message", id_)


def rows(page: BeautifulSoup) -> list[str]:
    """Return the rows of a list as lines of text."""
    return [" ".join(row.get_text(" ").split()) for row in page.select(".repid-jobs tbody tr")]


def buttons(page: BeautifulSoup, where: str) -> list[str]:
    return [str(one["value"]) for one in page.select(f"{where} button[name=action]")]


def said(page: BeautifulSoup, where: str) -> str:
    return " ".join(" ".join(one.get_text(" ") for one in page.select(where)).split())


def test_the_list_says_what_each_job_is(get: Callable[..., Any], router: Router) -> None:
    ids = failed(router, 1)
    Job("send", args={"to": "eve@example.org"}, id_="mail-1").enqueue_sync()
    Job("charge", args={"order_id": 1, "amount": "5", "currency": "USD"}).enqueue_sync()

    lines = rows(get(LIST))

    assert 'charge(1, "5", currency="USD")' in lines[0]
    assert lines[1].endswith("mail-1")
    assert 'waiting send("eve@example.org") default' in lines[1]
    assert "failed charge(90000," in lines[2]
    assert "ConnectionError: the gateway answered 502 to 90000" in lines[2]
    assert "1/1" in lines[2]
    assert f"…{ids[0][-8:]}" in lines[2]
    assert "and more" not in " ".join(lines)


def test_tabs_count_and_lead_to_their_states(get: Callable[..., Any], router: Router) -> None:
    failed(router, 2)
    Job("charge", args={"order_id": 1, "amount": "5"}).enqueue_sync()
    burst(router)
    Job.enqueue_many_sync([Job("send", args={"to": "x"}) for _ in range(3)])
    Job("send", deferred_until=LATER).enqueue_sync()

    page = get(LIST)

    tabs = " ".join(said(page, ".repid-states").split())
    assert tabs == ("all waiting 3 later 1 running 0 retrying 0 failed 2 lost 0 done 1 cancelled 0")
    for tab, count in (("waiting", 3), ("failed", 2), ("done", 1), ("lost", 0)):
        links = [a for a in page.select(".repid-states a") if tab in a.get_text()]
        assert len(rows(get(str(links[0]["href"])))) == count


def test_an_id_that_is_typed_whole_opens_its_job(staff: Client, router: Router) -> None:
    ids = failed(router, 1)
    Job("charge", args={"order_id": 1, "amount": "5"}, id_="done-1", result_id="r1").enqueue_sync()
    burst(router)

    for text in (ids[0], f"id:{ids[0]}", f" {ids[0]} "):
        assert staff.get(LIST, {"q": text})["Location"] == address(ids[0])
    # The job has gone; its result is what is left.
    for text in ("done-1", "id:done-1", "r1"):
        assert staff.get(LIST, {"q": text})["Location"] == kit.address("bucket", "r1")
    assert staff.get(LIST, {"q": f"{ids[0]} state:failed"}).status_code == 200
    assert staff.get(LIST, {"q": "nobody"}).status_code == 200


def test_a_search_is_shown_as_chips_and_its_problems_beside_it(
    get: Callable[..., Any], router: Router
) -> None:
    failed(router, 3)
    text = "state:failed args.order_id=90001 actor:charge"
    page = get(LIST, q=text)

    assert len(rows(page)) == 1
    assert said(page, ".repid-terms code") == "actor:charge args.order_id=90001"
    without = get(str(page.select(".repid-terms a")[1]["href"]))
    assert len(rows(without)) == 3
    assert page.select_one("input[name=q]")["value"] == text

    problems = get(LIST, q="state:failed actr:x since:never")
    assert "actr: is no key; actor: is one." in said(problems, ".repid-problems")
    assert "'never' is no moment" in said(problems, ".repid-problems")
    assert rows(problems) == []
    assert buttons(problems, "body") == []


def test_a_long_list_has_pages(get: Callable[..., Any]) -> None:
    for _ in range(120):
        kit.message("send")

    seen: list[str] = []
    page = get(LIST, q="state:waiting")
    for _page in range(3):
        seen += [str(box["value"]) for box in page.select("input[name=pick]")]
        following = page.select(".repid-next a")
        if following:
            page = get(str(following[0]["href"]))

    assert len(set(seen)) == len(seen) == 120


def test_the_page_of_a_failed_job_begins_with_the_cause(
    get: Callable[..., Any], router: Router
) -> None:
    ids = failed(router, 3)

    page = get(address(ids[1]))

    text = page.get_text(" ")
    assert said(page, "h1 .repid-state") == "failed"
    assert "charge(90001," in said(page, "h1")
    cause = said(page, ".repid-why")
    assert cause.startswith("ConnectionError: the gateway answered 502 to 90001 and more")
    assert "test_admin_jobs.py" in cause
    assert "in charge" in cause
    assert "same cause: 3 jobs" in cause
    assert len(rows(get(str(page.select_one(".repid-why a")["href"])))) == 3
    assert text.index("answered 502") < text.index("Arguments") < text.index("Failed attempts")
    assert buttons(page, ".repid-legal") == ["retry", "delete"]
    assert said(page, ".repid-arguments tr:first-child") == "order_id int 90001"
    assert "currency str" in said(page, ".repid-default")
    assert page.select(".repid-traceback .repid-own")
    assert "Job( 'charge', args={'order_id': 90001" in " ".join(text.split())
    assert page.title.get_text().startswith(f"charge …{ids[1][-8:]}")


def test_equal_tracebacks_are_shown_once(get: Callable[..., Any]) -> None:
    row = kit.message("send", message_id="often", state=Message.State.DEAD, dead_reason="x: y")
    for number in range(1, 6):
        traceback = "same" if number != 2 else "other"
        kit.failure(message_id="often", message_key=row.pk, number=number, traceback=traceback)

    page = get(address("often"))

    assert said(page, ".repid-try summary").count("traceback as #5") == 3
    assert said(page, ".repid-traceback") == "same other"
    assert len(page.select(".repid-try[open]")) == 1


def test_the_timeline_is_drawn_to_scale_without_styles(get: Callable[..., Any]) -> None:
    now = connections["default"].message_broker.now_us()
    second = 1_000_000
    times: Any = {"enqueued_at": now - 100 * second, "due_at": now - 100 * second}
    kit.message(message_id="slow", state=Message.State.DEAD, run_at=now, **times, tries=2)
    kit.failure(message_id="slow", number=1, failed_at=now - 50 * second, duration_us=second)
    kit.failure(message_id="slow", number=2, failed_at=now, duration_us=10 * second)

    page = get(address("slow"))

    widths = [int(one["width"]) for one in page.select(".repid-life rect")]
    places = [int(one["x"]) for one in page.select(".repid-life rect")]
    assert widths == [490, 10, 400, 100]
    assert places == [0, 490, 500, 900]
    assert "waited 49 s try 1 failed 1 s back-off 40 s try 2 failed 10 s" in said(
        page, ".repid-life ol"
    )
    assert not page.select("[style]")
    assert not [one for one in page.select("style, .repid-page script") if one.get_text()]


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({}, "No worker is alive."),
        ({"deferred_until": LATER}, "It is due in 23 h."),
        ({"queue": "slow"}, "The queue slow was paused by ann now: too hot."),
        ({"name": "nobody"}, "The code that runs here knows no actor nobody."),
    ],
)
def test_the_page_says_why_a_job_does_not_run(
    terms: dict[str, Any], says: str, get: Callable[..., Any], router: Router
) -> None:
    connections["default"].message_broker.pause("slow", by="ann", reason="too hot.")
    Job(**{"name": "send", "id_": "still", **terms}).enqueue_sync()

    assert says in said(get(address("still")), ".repid-why").replace("1 s ago", "now")


def test_it_says_which_worker_does_not_serve_it(get: Callable[..., Any], router: Router) -> None:
    broker = connections["default"].message_broker
    info = describe(name="web-1", queues=["mail"], topics=["other"], version="1")
    worker = broker.register(info)
    Job("send", "mail", id_="a").enqueue_sync()
    Job("send", "reports", id_="b").enqueue_sync()

    try:
        in_mail, in_reports = (said(get(address(id_)), ".repid-why") for id_ in "ab")
    finally:
        broker.deregister(worker)

    assert "1 worker serves the queue mail, but it does not know the actor send." in in_mail
    assert "No live worker serves the queue reports." in in_reports


def test_it_says_which_bucket_a_job_waits_for(get: Callable[..., Any], router: Router) -> None:
    Job("send", args_id="upstream", id_="chained").enqueue_sync()
    burst(router)

    page = get(address("chained"))

    assert "It waits for the bucket upstream, which is not there yet" in said(page, ".repid-why")
    assert "waits for upstream" in rows(get(LIST))[0]


def test_a_done_job_shows_its_result_and_runs_again(
    get: Callable[..., Any], staff: Client, router: Router
) -> None:
    args = {"order_id": 1, "amount": "5"}
    Job("charge", args=args, result_id="r1", retries=2, headers={"tenant": "acme"}).enqueue_sync()
    burst(router)
    page = get(kit.address("bucket", "r1"))
    assert said(page, "h1 .repid-state") == "done"
    assert '{"paid": "5"}' in page.get_text()
    assert buttons(page, ".repid-legal") == ["run_again", "delete"]

    post(staff, action="run_again", pick="r:r1", confirmed="yes")

    row = Message.objects.get()
    assert (row.topic, row.queue, json.loads(row.payload or "")) == ("charge", "payments", args)
    assert json.loads(row.headers) == {"tenant": "acme"}
    assert burst(router) == 1
    assert Bucket.objects.filter(success=True).count() == 2


def post(client: Client, **data: Any) -> Any:
    return client.post(ACT, data)


def test_ticked_jobs_are_retried_over_a_page_that_says_how_many(
    staff: Client, router: Router
) -> None:
    ids = failed(router, 4)
    picks = [f"j:{id_}" for id_ in ids[:2]]

    asked = BeautifulSoup(post(staff, action="retry", pick=picks).content.decode(), "html.parser")

    assert said(asked, ".repid-count").startswith("It is about 2 jobs.")
    assert len(asked.select(".repid-samples li")) == 2
    assert Message.objects.filter(state=Message.State.DEAD).count() == 4

    post(staff, action="retry", pick=picks, confirmed="yes")

    assert set(Message.objects.filter(state=Message.State.READY).values_list(
        "message_id", flat=True
    )) == set(ids[:2])  # fmt: skip
    entries = LogEntry.objects.values_list("object_id", "change_message")
    assert set(entries) == {(id_, "Retry") for id_ in ids[:2]}


def test_all_that_match_are_retried_but_for_those_that_failed_since(
    staff: Client, router: Router
) -> None:
    failed(router, 7)
    kit.message("send", state=Message.State.DEAD)
    query = "state:failed actor:charge"
    asked = BeautifulSoup(post(staff, action="retry", q=query).content.decode(), "html.parser")
    assert said(asked, ".repid-count").startswith("It is about 7 jobs.")
    assert "and 2 more" in said(asked, ".repid-samples")
    form = {
        str(one["name"]): str(one.get("value", "")) for one in asked.select("form.repid-form input")
    }
    late = connections["default"].message_broker.now_us() + 1_000_000
    kit.message("charge", message_id="since", state=Message.State.DEAD, run_at=late)

    answer = post(staff, **{**form, "confirmed": "yes"})

    assert answer.status_code == 302
    assert Message.objects.filter(state=Message.State.READY, topic="charge").count() == 7
    left = Message.objects.filter(state=Message.State.DEAD).values_list("topic", "message_id")
    assert {topic for topic, _ in left} == {"charge", "send"}
    assert ("charge", "since") in left
    assert LogEntry.objects.count() == 7


def test_many_jobs_take_several_requests(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wishes, "CHUNK", 4)
    monkeypatch.setattr(wishes, "SECONDS", 0.0)
    for n in range(10):
        kit.message("send", message_id=f"later-{n}", run_at=2**60 + n)
    form: dict[str, str] = {"action": "run_now", "q": "state:later", "confirmed": "yes"}

    for done in (4, 8):
        page = BeautifulSoup(post(staff, **form).content.decode(), "html.parser")
        assert said(page, ".repid-count").startswith(f"{done} jobs are done. There are more.")
        form = {
            str(one["name"]): str(one.get("value", ""))
            for one in page.select("form.repid-form input")
        }
    answer: Any = staff.post(ACT, form, follow=True)

    assert "10 jobs are due now." in answer.content.decode()
    assert not Message.objects.filter(run_at__gte=2**60).exists()
    assert LogEntry.objects.count() == 10


@pytest.mark.parametrize(
    ("action", "left"), [("cancel", ["dead"]), ("delete", []), ("run_now", ["dead", "later"])]
)
def test_what_waits_can_be_cancelled_deleted_and_run(
    action: str, left: list[str], staff: Client
) -> None:
    Job("send", id_="later", deferred_until=LATER, result_id="r").enqueue_sync()
    kit.message(message_id="dead", state=Message.State.DEAD)

    post(staff, action=action, pick=["j:later", "j:dead", "j:nobody", "r:nobody"], confirmed="yes")

    assert sorted(Message.objects.values_list("message_id", flat=True)) == left
    assert Bucket.objects.filter(exception="Cancelled").count() == (action == "cancel")
    moved = Message.objects.filter(message_id="later", run_at__lt=2**60)
    assert all(row.run_at < row.enqueued_at + 60_000_000 for row in moved)


def test_a_running_job_is_asked_to_stop(staff: Client, get: Callable[..., Any]) -> None:
    worker = kit.worker_process()
    kit.message(message_id="runs", state=1, claimed_at=1, worker_id=worker.pk)

    post(staff, action="cancel", pick="j:runs", confirmed="yes")

    assert Message.objects.get().cancel_asked
    assert "It was asked to stop." in said(get(address("runs")), ".repid-why")


def test_a_failed_job_that_left_only_its_result_is_retried_from_there(
    staff: Client, get: Callable[..., Any], router: Router
) -> None:
    failed(router, 1)
    Message.objects.all().delete()
    (line,) = rows(get(LIST, q="state:failed"))
    assert "charge(90000" in line
    pick = get(LIST, q="state:failed").select_one("input[name=pick]")["value"]

    post(staff, action="retry", pick=pick, confirmed="yes")

    row = Message.objects.get()
    assert json.loads(row.payload or "")["order_id"] == 90_000


def test_a_job_whose_arguments_are_gone_is_not_run_again(staff: Client) -> None:
    spec = kit.message().spec
    Message.objects.all().delete()
    kit.bucket(bucket_id="r", message_id="m", args_id="gone", spec=spec, queue="q", priority=5)

    answer: Any = staff.post(
        ACT, {"action": "run_again", "pick": "r:r", "confirmed": "yes"}, follow=True
    )

    assert "1 job was left as it is" in answer.content.decode()
    assert not Message.objects.exists()


def test_a_deleted_result_is_gone(staff: Client, router: Router) -> None:
    Job("charge", args={"order_id": 1, "amount": "5"}, result_id="r1").enqueue_sync()
    burst(router)

    post(staff, action="delete", pick="r:r1", confirmed="yes")

    assert not Bucket.objects.exists()
    answer: Any = staff.get(kit.address("bucket", "r1"), follow=True)
    assert "There is no bucket r1" in answer.content.decode()


def test_what_is_not_there_leads_to_the_list(staff: Client) -> None:
    for id_ in ("nobody", "ü", "a b", "x" * 300):
        answer: Any = staff.get(address(id_), follow=True)
        assert answer.redirect_chain == [(LIST, 302)]
        assert "There is no job" in answer.content.decode()


def test_results_are_listed_and_found(get: Callable[..., Any], router: Router) -> None:
    Job("charge", args={"order_id": 1, "amount": "5"}, id_="j1", result_id="r1").enqueue_sync()
    Job("charge", args={"order_id": 90000, "amount": "5"}, result_id="r2").enqueue_sync()
    burst(router)
    kit.bucket(kind=Bucket.Kind.ARGUMENTS, bucket_id="a1", success=None, topic=None)
    page = f"{BASE}/bucket/"

    assert rows(get(page))[0].startswith("a1 ")
    assert len(rows(get(page))) == 3
    for word, count in (("r1", 1), ("j1", 1), ("charge", 2), ("nobody", 0), ("ü", 0)):
        assert len(rows(get(page, q=word))) == count


def test_a_hundred_buckets_have_pages(get: Callable[..., Any]) -> None:
    for _ in range(101):
        kit.bucket()

    page = get(f"{BASE}/bucket/")
    seen = rows(page)
    while page.select(".repid-next a"):
        page = get(str(page.select_one(".repid-next a")["href"]))
        seen += rows(page)

    assert len(set(seen)) == 101


def form_of(answer: Any) -> dict[str, Any]:
    """Return what the page that asks would send."""
    page = BeautifulSoup(answer.content.decode(), "html.parser")
    inputs = page.select("form.repid-form input")
    form: dict[str, Any] = {str(one["name"]): str(one.get("value", "")) for one in inputs}
    form["pick"] = [str(one["value"]) for one in inputs if one["name"] == "pick"]
    return form


def test_a_job_that_was_retried_is_not_doubled_by_its_old_result(
    staff: Client, router: Router, get: Callable[..., Any]
) -> None:
    ids = failed(router, 2)
    for _ in range(2):
        post(staff, action="retry", q="state:failed", confirmed="yes")

    assert sorted(Message.objects.values_list("message_id", flat=True)) == sorted(ids)
    assert get(LIST, q="state:failed").select(".repid-jobs tbody tr") == []
    (result, *_more) = Bucket.objects.filter(success=False).values_list("bucket_id", flat=True)
    post(staff, action="retry", pick=[f"r:{result}"], confirmed="yes")
    assert Message.objects.count() == 2


def test_a_failed_job_that_is_deleted_leaves_nothing_to_retry(
    staff: Client, router: Router
) -> None:
    failed(router, 2)
    assert Bucket.objects.filter(success=False).count() == 2
    post(staff, action="delete", q="state:failed", confirmed="yes")

    assert not Message.objects.exists()
    assert not Bucket.objects.filter(success=False).exists()


def test_an_hour_ago_is_what_it_was_when_that_was_asked(staff: Client) -> None:
    now = connections["default"].message_broker.now_us()
    minute = 60_000_000
    kit.message("send", message_id="old", state=Message.State.DEAD, run_at=now - 90 * minute)
    kit.message("send", message_id="new", state=Message.State.DEAD, run_at=now - 58 * minute)
    form = form_of(post(staff, action="retry", q="state:failed until:1h"))

    with travel(timedelta(minutes=5)):
        post(staff, **form)

    assert Message.objects.get(state=Message.State.READY).message_id == "old"


def test_a_ticked_job_that_has_changed_since_is_left_alone(staff: Client) -> None:
    kit.message("send", message_id="one", state=Message.State.DEAD)
    form = form_of(post(staff, action="delete", pick=["j:one"]))
    steering.retry(connections["default"], ["one"])

    post(staff, **form)

    assert Message.objects.get(message_id="one").state == Message.State.READY


def test_what_was_enqueued_since_is_left_alone(staff: Client) -> None:
    kit.message("send", message_id="one")
    form = form_of(post(staff, action="cancel", q="state:waiting"))
    later = connections["default"].message_broker.now_us() + 1_000
    kit.message("send", message_id="two", enqueued_at=later)

    post(staff, **form)

    assert Message.objects.get().message_id == "two"


@pytest.mark.parametrize("address", ["message/%00/change/", "bucket/%00/change/"])
def test_an_id_that_no_database_can_look_for_is_not_found(staff: Client, address: str) -> None:
    assert staff.get(f"{BASE}/{address}").status_code in (302, 404)


@pytest.mark.parametrize(
    "query",
    ["q=error:a%00b", "q=state:failed&after=0.9999999999999999999", "q=state:waiting&after=9e9.1"],
)
def test_no_address_breaks_the_list(staff: Client, query: str) -> None:
    assert staff.get(f"{LIST}?{query}").status_code == 200


@pytest.mark.parametrize("spec", ['{"v":1,"at":"x","timeout":"y"}', '{"v":1,"at":1,"retries":"z"}'])
def test_odd_terms_break_no_page(staff: Client, spec: str) -> None:
    kit.message("send", message_id="odd", spec=spec)
    assert staff.get(LIST).status_code == 200
    assert staff.get(f"{LIST}odd/change/").status_code == 200


def test_who_may_not_see_failures_cannot_search_them(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.shop.urls"
    kit.message("send", message_id="one", state=Message.State.DEAD, dead_reason="secret-token")
    viewer = User.objects.create_user("eve", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_message"))
    client = Client()
    client.force_login(viewer)

    page = client.get(LIST, {"q": "error:secret-token"}).content.decode()

    assert "You may not see failures" in page
    assert "secret-token</" not in client.get(LIST).content.decode()
