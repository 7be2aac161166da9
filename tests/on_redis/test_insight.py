"""What people see of a Redis: failures, results, queues, workers, schedules and jobs."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from django_repid.core.claims import Work
from django_repid.core.settlement import Failure
from django_repid.insight.jobs import Question
from django_repid.insight.redis.reader import RedisReader
from django_repid.insight.search import read
from django_repid.insight.state import JobState
from django_repid.insight.workers import Liveness
from django_repid.testing.contract.kit import Stage, ack, bury, new, record, retry
from tests.on_redis.kit import URL, connection_on, emptied

pytestmark = pytest.mark.redis


@pytest.fixture
def stage() -> Iterator[Stage]:
    with emptied() as prefix:
        yield Stage(connection_on(URL, prefix))


@pytest.fixture
def reader(stage: Stage) -> RedisReader:
    return RedisReader(stage.connection)


def failure(stage: Stage, text: str = "no\nand more", fingerprint: str = "f" * 16) -> Failure:
    return Failure(
        exception="ValueError",
        text=text,
        traceback="Traceback …\n  in a line",
        fingerprint=fingerprint,
        worker="someone",
        at=stage.broker.now_us(),
        duration_us=17,
    )


def fail(stage: Stage, **more: str) -> None:
    end = retry(stage.claim_one(), run_at=stage.broker.now_us() - 1, failure=failure(stage, **more))
    assert not stage.settle(end)


def finish(stage: Stage, *, success: bool = True, ttl: timedelta | None = None) -> None:
    messages = stage.claim()
    now = stage.broker.now_us()
    ends = [ack(m, record(f"r-{m.key.id_}", success=success, ttl=ttl, now=now)) for m in messages]
    assert not stage.settle(*ends)


def test_every_failing_attempt_is_kept_with_its_traceback(
    stage: Stage, reader: RedisReader
) -> None:
    stage.enqueue(new(id_="j"))
    fail(stage)
    fail(stage, text="again")

    whole = reader.job("j")

    assert whole is not None
    assert whole.state is JobState.RETRYING
    assert [one.number for one in whole.attempts] == [2, 1]
    first = whole.attempts[1]
    assert (first.exception, first.text, first.took) == ("ValueError", "no\nand more", 17)
    assert first.traceback == "Traceback …\n  in a line"
    assert (first.worker, first.fingerprint) == ("someone", "f" * 16)


def test_an_attempt_that_has_lost_its_lease_leaves_no_failure(
    stage: Stage, reader: RedisReader
) -> None:
    stage.enqueue(new(id_="j"))
    message = stage.claim_one()
    end = retry(message, run_at=stage.broker.now_us() - 1)
    stage.settle(end)
    stale = retry(message, run_at=stage.broker.now_us(), failure=failure(stage))

    assert stage.settle(stale) == {message.key.pk}
    assert reader.causes().found == []


def test_failures_are_told_by_cause_with_what_can_be_retried(
    stage: Stage, reader: RedisReader
) -> None:
    for id_ in ("a", "b"):
        stage.enqueue(new(id_=id_))
        message = stage.claim_one()
        end = bury(message, at=stage.broker.now_us())
        end.failure = failure(stage)
        stage.settle(end)

    (cause,) = reader.causes().found

    assert (cause.count, cause.dead, cause.text) == (2, 2, "no")
    assert cause.first <= cause.last


def test_old_failures_are_pruned_with_the_dead_in_steps(stage: Stage, reader: RedisReader) -> None:
    stage.enqueue(new(id_="j"))
    for _ in range(3):
        fail(stage)
    before = stage.broker.now_us() + 1

    counted = stage.broker.prune(before, 0, dry_run=True)["failures"]
    steps = [stage.broker.prune(before, 0, 2)["failures"] for _ in range(3)]

    assert (counted, steps) == (3, [2, 1, 0])
    whole = reader.job("j")
    assert whole is not None
    assert whole.attempts == []


def test_of_one_job_only_the_newest_attempts_are_found(stage: Stage, reader: RedisReader) -> None:
    stage.enqueue(new(id_="j"))
    for _ in range(22):
        fail(stage)

    whole = reader.job("j")

    assert whole is not None
    assert [one.number for one in whole.attempts] == list(range(22, 2, -1))


def test_what_is_done_says_which_job_it_was(stage: Stage, reader: RedisReader) -> None:
    stage.enqueue(new(id_="j", payload='{"a": 1}'))
    finish(stage)

    (line,) = reader.job_page(Question(state=JobState.DONE)).lines
    whole = reader.ended("r-j")

    assert (line.id, line.bucket, line.topic, line.payload) == ("j", "r-j", "work", '{"a": 1}')
    assert whole is not None
    assert whole.ended is not None
    assert (whole.ended.worker, whole.ended.queue) == ("someone", "default")
    assert reader.job("j") == whole


def test_a_result_that_has_ended_is_listed_no_more_and_taken_off_the_list(
    stage: Stage, reader: RedisReader
) -> None:
    buckets, done = stage.connection.results_bucket_broker, reader.key("done")
    assert buckets is not None
    stage.enqueue(new(id_="a"), new(id_="b"))
    finish(stage)
    reader.place.client.delete(reader.key("b:r-a"))  # as Redis does at its end

    assert [line.id for line in reader.job_page(Question(state=JobState.DONE)).lines] == ["b"]
    assert buckets.prune() == 0
    assert reader.place.client.zrange(done, 0, -1) == [b"r-b"]
    assert buckets.delete(["r-b"]) == 1
    assert reader.place.client.zcard(done) == 0


@pytest.mark.parametrize("state", [JobState.DONE, None, JobState.WAITING])
def test_pages_go_through_all_jobs_once(
    stage: Stage, reader: RedisReader, state: JobState | None
) -> None:
    """All results of a batch are stored at the same moment."""
    stage.enqueue(*[new(id_=f"m{n}") for n in range(250)])
    if state is not JobState.WAITING:
        finish(stage)
        stage.enqueue(*[new(id_=f"w{n}") for n in range(7)])
    seen, after = list[str](), ""

    while True:
        page = reader.job_page(Question(state=state), after=after, limit=40)
        seen += [line.id for line in page.lines]
        after = page.after
        if not after:
            break

    wanted = {f"m{n}" for n in range(100 if state is not JobState.WAITING else 250)}
    assert len(seen) == len(set(seen))
    assert wanted <= set(seen) or state is JobState.DONE
    assert len(seen) == {JobState.DONE: 100, None: 257, JobState.WAITING: 250}[state]


def test_jobs_are_counted_by_state_and_found_by_a_search(stage: Stage, reader: RedisReader) -> None:
    stage.enqueue(new(id_="dead"))
    stage.settle(bury(stage.claim_one(), at=stage.broker.now_us(), reason="KeyError: 'x'"))
    stage.enqueue(new(id_="runs"))
    stage.claim_one()
    later = stage.broker.now_us() + 60_000_000
    stage.enqueue(new(id_="waits"), new(id_="comes", run_at=later))

    counts = reader.counts(Question())
    found = reader.job_page(Question(search=read("error:KeyError").search))

    wanted = (JobState.FAILED, JobState.RUNNING, JobState.WAITING, JobState.LATER)
    assert [counts[state].n for state in wanted] == [1, 1, 1, 1]
    assert [line.id for line in found.lines] == ["dead"]
    for state, id_ in zip(wanted, ("dead", "runs", "waits", "comes"), strict=True):
        assert [line.id for line in reader.job_page(Question(state=state)).lines] == [id_]


def test_queues_say_what_waits_runs_and_is_paused(stage: Stage, reader: RedisReader) -> None:
    later = stage.broker.now_us() + 60_000_000
    stage.enqueue(new())
    stage.claim_one()
    stage.enqueue(new(), new(run_at=later))
    stage.broker.pause("default", by="ann", reason="too loud")
    minute = stage.broker.now_us() // 60_000_000
    stage.broker.record(1, [Work(minute=minute, queue="default", topic="work", succeeded=4)])

    (backlog,) = reader.backlogs()
    (running,) = reader.running()
    (pause,) = reader.pauses()

    assert (backlog.due, backlog.later) == (1, 1)
    assert backlog.oldest is not None
    assert (running.queue, running.worker_id, running.count) == ("default", stage.worker_id, 1)
    assert (pause.by, pause.reason) == ("ann", "too loud")
    assert [one.succeeded for one in reader.tallies(2)] == [4]


def test_workers_live_drain_and_fall_silent(stage: Stage, reader: RedisReader) -> None:
    stage.broker.beat(stage.worker_id)
    other = stage.register("other")
    stage.broker.drain(other)
    seen = reader.key("seen")
    reader.place.client.hset(seen, str(stage.worker_id), "1 1")

    found = {worker.id: worker.state for worker in reader.workers()}

    assert found[stage.worker_id] in (Liveness.SILENT, Liveness.GONE)
    assert found[other] in (Liveness.DRAINING, Liveness.GONE)


def test_a_result_without_an_origin_can_be_read(stage: Stage, reader: RedisReader) -> None:
    """Those that an older version has written have none."""
    buckets = stage.connection.results_bucket_broker
    assert buckets is not None
    buckets.store([record("r", now=stage.broker.now_us())])

    whole = reader.ended("r")

    assert whole is not None
    assert (whole.id, whole.state) == ("", JobState.DONE)
