from datetime import UTC, datetime, timedelta

import pytest

from django_repid import (
    BasicConverter,
    InvalidJob,
    Job,
    LeaseLost,
    MessageCategory,
    Queue,
    Router,
    RouterDefaults,
    Worker,
)
from tests import stores

pytestmark = pytest.mark.usefixtures("each_store")

DEAD, DELAYED, NORMAL = MessageCategory.DEAD, MessageCategory.DELAYED, MessageCategory.NORMAL
FAR = datetime(2100, 1, 1, tzinfo=UTC)

router = Router(defaults=RouterDefaults(converter=BasicConverter))


class Mood:
    good = False


@router.actor
async def moody(n=0):
    if not Mood.good:
        raise LookupError(f"not today {n}")


@pytest.fixture(autouse=True)
def _bad_mood(monkeypatch):
    monkeypatch.setattr(Mood, "good", False)


def run(connection):
    worker = Worker([router], connection=connection, burst=True, handle_signals=())
    return stores.run(worker.run()).processed


def browse(connection, category, queue="default", **options):
    async def main():
        found = Queue(queue, connection).get_messages(category=category, **options)
        return [message async for message in found]

    return stores.run(main())


def bury(connection, *ids, **options):
    Job.enqueue_many_sync(Job("moody", id_=id_, connection=connection, **options) for id_ in ids)
    assert run(connection) == len(ids)


def test_the_dead_can_be_looked_at_with_why_they_died(connection):
    bury(connection, "a", args={"n": 7}, headers={"tenant": "t"})
    (message,) = browse(connection, DEAD)
    assert (message.key.topic, message.key.id_, message.category) == ("moody", "a", DEAD)
    assert message.dead_reason == "LookupError: not today 7"
    assert (message.raw_payload, message.args_id) == ('{"n":7}', None)
    assert message.headers == {"tenant": "t"}
    assert message.parameters.execution_timeout == timedelta(minutes=10)


def test_the_delayed_can_be_looked_at(connection):
    Job("moody", deferred_until=FAR, connection=connection).enqueue_sync()
    Job("moody", connection=connection).enqueue_sync()
    (message,) = browse(connection, DELAYED)
    assert message.parameters.delay.delay_until == FAR
    assert (message.dead_reason, message.raw_payload) == ("", "")


def test_looking_claims_nothing(connection):
    bury(connection, "a", "b")
    assert len(browse(connection, DEAD)) == 2
    assert len(browse(connection, DEAD)) == 2


def test_only_the_topics_and_the_queue_that_were_asked_for_are_shown(connection):
    bury(connection, "a")
    bury(connection, "b", queue="other")
    assert [m.key.id_ for m in browse(connection, DEAD)] == ["a"]
    assert [m.key.id_ for m in browse(connection, DEAD, queue="other")] == ["b"]
    assert [m.key.id_ for m in browse(connection, DEAD, topics=["moody"])] == ["a"]
    assert browse(connection, DEAD, topics=["another"]) == []
    assert browse(connection, DEAD, topics=[]) == []


def test_more_than_one_page_is_shown_oldest_first_and_ends(connection):
    ids = [f"n{n}" for n in range(250)]
    bury(connection, *ids)
    assert [m.key.id_ for m in browse(connection, DEAD)] == ids


def test_what_is_due_can_be_looked_at_too_and_a_worker_still_runs_it(connection, monkeypatch):
    monkeypatch.setattr(Mood, "good", True)
    Job("moody", id_="a", connection=connection).enqueue_sync()
    (message,) = browse(connection, NORMAL)
    assert (message.key.id_, message.category) == ("a", NORMAL)
    assert run(connection) == 1
    assert browse(connection, NORMAL) == []


def test_another_category_is_refused(connection):
    with pytest.raises(ValueError, match="LOST"):
        browse(connection, "LOST")


def test_a_dead_message_that_is_rescheduled_starts_over_with_all_its_tries(connection, monkeypatch):
    bury(connection, "a", args={"n": 1})
    (message,) = browse(connection, DEAD)
    message.reschedule_sync()
    assert browse(connection, DEAD) == []
    assert run(connection) == 1
    (again,) = browse(connection, DEAD)
    assert again.parameters.retries.already_tried == 1
    monkeypatch.setattr(Mood, "good", True)
    again.reschedule_sync()
    assert run(connection) == 1
    assert browse(connection, DEAD) == []


def test_a_delayed_message_that_is_rescheduled_is_due_now(connection, monkeypatch):
    monkeypatch.setattr(Mood, "good", True)
    Job("moody", deferred_until=FAR, connection=connection).enqueue_sync()
    (message,) = browse(connection, DELAYED)
    message.reschedule_sync()
    assert browse(connection, DELAYED) == []
    assert run(connection) == 1


def test_a_message_that_is_not_what_it_was_cannot_be_rescheduled(connection):
    bury(connection, "a")
    (message,), (same,) = browse(connection, DEAD), browse(connection, DEAD)
    message.reschedule_sync()
    with pytest.raises(LeaseLost, match="a is not DEAD any more"):
        same.reschedule_sync()


def test_a_message_whose_id_another_job_has_taken_leaves_that_one_alone(connection, monkeypatch):
    Job("moody", id_="a", deferred_until=FAR, connection=connection).enqueue_sync()
    (message,), (same,) = browse(connection, DELAYED), browse(connection, DELAYED)
    job = Job("moody", id_="a", connection=connection)
    monkeypatch.setattr(Mood, "good", True)
    message.reschedule_sync()
    assert run(connection) == 1
    job.using(deferred_until=FAR).enqueue_sync()
    with pytest.raises(LeaseLost):
        same.reschedule_sync()
    assert len(browse(connection, DELAYED)) == 1
    assert run(connection) == 0


def test_a_queue_is_its_name(connection):
    assert Queue("mail") == Queue("mail", connection)
    assert Queue("mail") != Queue("post")
    assert Queue("mail") != "mail"
    assert len({Queue("mail"), Queue("mail"), Queue()}) == 2
    assert (str(Queue("mail")), repr(Queue("mail"))) == ("mail", "Queue('mail')")
    assert Queue().name == "default"
    with pytest.raises(InvalidJob, match="queue"):
        Queue("no queue")
