"""Lists of jobs as the reader of a database gives them: by state, by search, page by page."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from django_repid import Job
from django_repid.connections import connections
from django_repid.core.codec import Spec
from django_repid.insight import jobs
from django_repid.insight.database import jobs as reading
from django_repid.insight.jobs import Count, Line, Question
from django_repid.insight.reader import Reader, reader_of
from django_repid.insight.search import read
from django_repid.insight.state import JobState
from django_repid.models import Bucket, Message
from tests.security import kit

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

MINUTE = 60_000_000


@pytest.fixture
def reader() -> Reader:
    found = reader_of(connections["default"])
    assert found is not None
    return found


@pytest.fixture
def now(reader: Reader) -> int:
    return reader.now_us()


def asked(text: str = "", **more: Any) -> Question:
    search = read(text).search
    return Question(search=search, state=search.state, args_allowed=True, **more)


def walk(reader: Reader, question: Question, limit: int = 3) -> list[Line]:
    """Return all lines of a list, page by page."""
    found: list[Line] = []
    after = ""
    for _page in range(1000):
        page = reader.job_page(question, after=after, limit=limit)
        found += page.lines
        after = page.after
        if not after:
            return found
    pytest.fail("The list has no end.")


def ids(lines: Sequence[Line]) -> list[str]:
    return [line.id for line in lines]


def each_state(now: int) -> None:
    """Write jobs in every state, in two queues, for two actors, with three priorities."""
    for n in range(8):
        place: Any = {"topic": f"actor_{n % 2}", "queue": f"queue_{n // 4}", "priority": n % 3}
        kit.message(**place, message_id=f"waiting-{n}", run_at=now - n * MINUTE)
        kit.message(**place, message_id=f"later-{n}", run_at=now + (n + 5) * MINUTE)
        kit.message(**place, message_id=f"retrying-{n}", run_at=now + n * MINUTE, tries=1)
        dead: Any = {"state": Message.State.DEAD, "dead_reason": f"ValueError: number {n}"}
        kit.message(**place, message_id=f"dead-{n}", run_at=now - n * MINUTE, **dead)
        del place["priority"]
        kit.bucket(**place, message_id=f"done-{n}", bucket_id=f"rd-{n}")
        failed = {"success": False, "exception": "KeyError", "data": f"key {n}"}
        kit.bucket(**place, message_id=f"gone-{n}", bucket_id=f"rg-{n}", **failed)
        kit.bucket(**place, message_id=f"dead-{n}", bucket_id=f"rx-{n}", **failed)
        cancelled = {"success": False, "exception": "Cancelled"}
        kit.bucket(**place, message_id=f"cancelled-{n}", bucket_id=f"rc-{n}", **cancelled)
    worker = kit.worker_process()
    running = {"state": Message.State.RUNNING, "claimed_at": now - MINUTE}
    kit.message("actor_0", message_id="running", queue="queue_0", **running)
    kit.message("actor_0", message_id="lost", queue="queue_0", worker_id=worker.pk + 1, **running)
    kit.bucket(kind=Bucket.Kind.ARGUMENTS, success=None, topic=None, bucket_id="only-args")


SIZES = {
    JobState.WAITING: 8,
    JobState.LATER: 8,
    JobState.RETRYING: 8,
    JobState.RUNNING: 1,
    JobState.LOST: 1,
    JobState.FAILED: 16,
    JobState.DONE: 8,
    JobState.CANCELLED: 8,
}


def test_each_state_has_its_list_and_its_count(reader: Reader, now: int) -> None:
    each_state(now)

    counts = reader.counts(asked())

    assert counts == {state: Count(n) for state, n in SIZES.items()}
    for state, n in SIZES.items():
        lines = walk(reader, asked(f"state:{state}"))
        assert len(set(ids(lines))) == len(lines) == n
        assert {line.state for line in lines} == {state}


def test_all_of_them_are_in_the_list_of_all_once(reader: Reader, now: int) -> None:
    each_state(now)

    lines = walk(reader, asked())

    # A dead job is there, and so is its result.
    assert len(ids(lines)) == len(set(ids(lines))) == sum(SIZES.values())


def test_what_waits_is_listed_as_it_will_run_and_what_failed_the_newest_first(
    reader: Reader, now: int
) -> None:
    each_state(now)

    assert ids(walk(reader, asked("state:waiting"))) == [f"waiting-{n}" for n in range(7, -1, -1)]
    assert ids(walk(reader, asked("state:later"))) == [f"later-{n}" for n in range(8)]
    dead = [one for one in ids(walk(reader, asked("state:failed"))) if one.startswith("dead")]
    assert dead == [f"dead-{n}" for n in range(8)]
    done = ids(walk(reader, asked("state:done")))
    assert done == [f"done-{n}" for n in range(7, -1, -1)]


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
@pytest.mark.parametrize("text", ["", "state:failed", "state:waiting", "state:done", "actor_1"])
def test_pages_of_any_size_hold_the_same_jobs(
    text: str, limit: int, reader: Reader, now: int
) -> None:
    each_state(now)

    assert ids(walk(reader, asked(text), limit)) == ids(walk(reader, asked(text), 4))


def test_pages_outlast_that_jobs_come_and_go(reader: Reader, now: int) -> None:
    each_state(now)
    question = asked("state:later")
    first = reader.job_page(question, limit=3)
    Message.objects.filter(message_id__in=ids(first.lines)).delete()
    kit.message(message_id="sooner", run_at=now + MINUTE)

    rest = reader.job_page(question, after=first.after, limit=100)

    assert ids(first.lines) + ids(rest.lines) == [f"later-{n}" for n in range(8)]
    assert rest.after == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("actor:actor_1 state:waiting", ["waiting-7", "waiting-5", "waiting-3", "waiting-1"]),
        ("actor:actor_* queue:queue_1 state:later", [f"later-{n}" for n in range(4, 8)]),
        ('state:failed error:"number 3"', ["dead-3"]),
        ('state:failed error:"key 3"', ["gone-3"]),
        ("error:keyerror actor:actor_0 queue:queue_0", ["gone-2", "gone-0"]),
        ("state:failed dead-5", ["dead-5"]),
        ("id:waiting-2", ["waiting-2"]),
        ("id:done-2", ["done-2"]),
        ("state:done ne-2", ["done-2"]),
        ("state:done done-*", [f"done-{n}" for n in range(7, -1, -1)]),
        ("actor:nobody", []),
        ("state:waiting queue:queue", []),
    ],
)
def test_a_search_finds(text: str, expected: list[str], reader: Reader, now: int) -> None:
    each_state(now)

    assert ids(walk(reader, asked(text))) == expected


def test_a_fingerprint_finds_the_jobs_with_that_cause(reader: Reader, now: int) -> None:
    each_state(now)
    row = Message.objects.get(message_id="dead-4")
    kit.failure(message_key=row.pk, message_id="dead-4", fingerprint="0123456789abcdef")

    assert ids(walk(reader, asked("state:failed error:0123456789abcdef"))) == ["dead-4"]


def test_moments_are_about_when_a_job_came_into_its_state(reader: Reader, now: int) -> None:
    each_state(now)
    between = {"since": now - 5 * MINUTE, "until": now - 2 * MINUTE}

    found = ids(walk(reader, asked("state:failed", **between)))

    assert found == [f"dead-{n}" for n in range(2, 6)]
    assert reader.counts(asked("state:failed", **between))[JobState.FAILED] == Count(4)
    late = asked("state:later", since=now + 8 * MINUTE)
    assert ids(walk(reader, late)) == [f"later-{n}" for n in range(3, 8)]
    assert reader.counts(late)[JobState.LATER] == Count(5)


def test_arguments_are_searched_in_messages_and_results(reader: Reader, now: int) -> None:
    for n in range(5):
        payload = json.dumps({"order_id": 90000 + n, "who": {"name": "Eve \u00fc"}})
        kit.message("charge", message_id=f"m{n}", payload=payload)
        kit.bucket(topic="charge", message_id=f"b{n}", payload=payload)
    kit.message("charge", message_id="other", payload='{"other":90003}')
    kit.message("charge", message_id="broken", payload='{"order_id":90003')

    assert set(ids(walk(reader, asked("args.order_id=90003")))) == {"m3", "b3"}
    assert len(walk(reader, asked('args.who.name="Eve ü"'))) == 10
    assert ids(walk(reader, asked("state:waiting args.order_id=90003"))) == ["m3"]


def test_who_may_not_see_arguments_finds_nothing_by_them(reader: Reader) -> None:
    kit.message("charge", payload='{"order_id":90003}')
    question = Question(search=read("args.order_id=90003").search)

    assert reader.job_page(question).lines == []


def test_a_search_tells_no_secret(reader: Reader) -> None:
    kit.message("charge", payload='{"password":"hunter2","card":{"token":"t0ken"}}')
    for guess in ("args.password=hunter2", "args.card.token=t0ken", "args.password=********"):
        page = reader.job_page(asked(guess))
        assert (page.lines, page.after, page.looked_at) == ([], "", None)


def test_a_search_looks_at_so_many_jobs_and_goes_on_where_it_is_told(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CHUNK", 4)
    monkeypatch.setattr(reading, "LOOKED_AT", 8)
    for n in range(20):
        kit.message("charge", message_id=f"m{n}", payload=json.dumps({"n": n}), state=2)

    first = reader.job_page(asked("state:failed args.n=0"))
    second = reader.job_page(asked("state:failed args.n=0"), after=first.after)
    third = reader.job_page(asked("state:failed args.n=0"), after=second.after)

    assert (first.lines, first.looked_at) == ([], 8)
    assert (second.lines, second.looked_at) == ([], 8)
    assert (ids(third.lines), third.looked_at, third.after) == (["m0"], None, "")


def test_counts_stop_at_the_cap(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CAP", 3)
    for n in range(5):
        kit.message(priority=n)
        kit.bucket()

    counts = reader.counts(asked())

    assert counts[JobState.WAITING] == Count(3, more=True)
    assert counts[JobState.DONE].more
    assert jobs.CAP == 10_000


def test_a_result_that_has_expired_is_not_listed(reader: Reader, now: int) -> None:
    kit.bucket(message_id="old", expires_at=now - 1)
    kit.bucket(message_id="new", expires_at=now + MINUTE)

    assert ids(walk(reader, asked("state:done"))) == ["new"]
    assert reader.counts(asked())[JobState.DONE] == Count(1)


@pytest.mark.parametrize("after", ["x", "x_x", "nonsense", "1.2_3", "9" * 50, "-1.5", "_", "'"])
def test_no_address_breaks_a_list(after: str, reader: Reader, now: int) -> None:
    each_state(now)

    for text in ("", "state:failed", "state:waiting"):
        reader.job_page(asked(text), after=after)


def test_a_line_says_how_it_went(reader: Reader) -> None:
    Job("later", id_="once", retries=2).enqueue_sync()
    row = Message.objects.get(message_id="once")
    Message.objects.filter(pk=row.pk).update(tries=1)
    text = "first line\nsecond"
    kit.failure(message_key=row.pk, duration_us=41_000, exception="IOError", text=text)

    (line,) = walk(reader, asked("state:retrying"))

    assert (line.tries, line.retries, line.ran) == (1, 2, 41_000)
    assert line.error == "IOError: first line"


def test_long_arguments_are_not_read_for_a_list(reader: Reader) -> None:
    kit.message(payload=json.dumps({"text": "x" * 40_000}))
    kit.message(payload='{"a":1}')

    payloads: Iterator[Any] = (line.payload for line in walk(reader, asked("state:waiting")))

    assert set(payloads) == {None, '{"a":1}'}


def test_terms_that_cannot_be_read_hide_no_job(reader: Reader) -> None:
    for spec in ("", "{", "[1]", '{"v":99}', "null", Spec.write(1).text):
        kit.message(spec=spec)

    assert len(walk(reader, asked("state:waiting"))) == 6
