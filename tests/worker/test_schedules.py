"""Declared schedules: written by workers that know the actor, gone once nobody declares them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from django_repid import (
    ConfigurationError,
    Connection,
    InMemoryBucketBroker,
    InMemoryMessageBroker,
    Job,
    Router,
)
from django_repid.core.claims import Peer
from django_repid.core.message import MessageState, StoredMessage
from django_repid.testing.contract.kit import worker_info
from django_repid.worker.schedules import Schedules, declared, schedule_id


def nothing() -> None:
    """Do nothing."""


class Place:
    """A connection, and workers that come and go."""

    def __init__(self) -> None:
        buckets = InMemoryBucketBroker(use_result_bucket=True)
        self.connection = Connection(InMemoryMessageBroker(), None, buckets)
        self.broker = self.connection.message_broker

    def keep(self, *peers: Peer, strangers: tuple[str, ...] = (), **terms: Any) -> bool:
        """Let a worker keep its schedules whose only actor is "tick"; whether it is done."""
        router = Router()
        router.actor(name="tick", **terms)(nothing)
        return Schedules(self.connection, router.actors).keep(peers, strangers, worker_id=1)

    def found(self) -> StoredMessage | None:
        return next(iter(self.broker.find(["tick"])), None)

    def there(self) -> StoredMessage:
        found = self.found()
        assert found is not None
        return found

    def overdue(self, by: timedelta) -> None:
        """Let the occurrence have been due for so long."""
        due = self.broker.now_us() - by // timedelta(microseconds=1)
        held = replace(self.there(), run_at=due, due_at=due, tick=due)
        self.broker._put(held)  # type: ignore[attr-defined]  # of the one in memory


@pytest.fixture
def place() -> Place:
    return Place()


def peer(*, schedules: tuple[str, ...] = (), topics: tuple[str, ...] = ()) -> Peer:
    info = replace(worker_info(), schedules=schedules, topics=topics)
    return Peer(worker_id=99, beat=0, info=info)


def test_a_worker_writes_what_its_actors_declare(place: Place) -> None:
    place.keep(cron="0 12 * * *", timezone="Europe/Berlin", retries=2, queue="mail")

    found = place.there()
    assert found.key.queue == "mail"
    assert found.parameters.delay.cron == "0 12 * * *"
    assert found.parameters.delay.timezone == "Europe/Berlin"
    assert found.parameters.retries.max_amount == 2
    assert found.run_at > place.broker.now_us()


def test_another_start_keeps_the_occurrence_that_is_due(place: Place) -> None:
    place.keep(deferred_by=timedelta(hours=1))
    place.overdue(timedelta(minutes=1))
    before = place.there()

    place.keep(deferred_by=timedelta(hours=1), queue="mail")

    assert place.there().tick == before.tick
    assert place.there().key.queue == "mail"


def test_another_schedule_in_the_code_takes_its_place(place: Place) -> None:
    place.keep(deferred_by=timedelta(hours=1))

    place.keep(deferred_by=timedelta(hours=2))

    assert place.there().parameters.delay.defer_by == timedelta(hours=2)


def test_it_ends_when_nobody_declares_it(place: Place) -> None:
    place.keep(cron="@daily")

    place.keep()

    assert place.found() is None


def test_it_stays_while_another_live_worker_declares_it(place: Place) -> None:
    place.keep(cron="@daily")

    place.keep(peer(schedules=("tick",)))

    assert place.there().state is MessageState.READY


def test_one_that_runs_is_left_alone_and_looked_at_again_soon(place: Place) -> None:
    assert place.keep(cron="@daily")
    place.broker.seize("tick", [MessageState.READY])

    assert not place.keep()

    assert place.there().state is MessageState.RUNNING


def test_one_that_is_claimed_while_it_is_being_ended_is_looked_at_again_soon(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.keep(cron="@daily")
    peers = place.broker.peers

    def and_then_it_is_claimed(worker_id: int) -> list[Peer]:
        place.broker.seize("tick", [MessageState.READY])
        return list(peers(worker_id))

    monkeypatch.setattr(place.broker, "peers", and_then_it_is_claimed)

    assert not place.keep()

    assert place.there().state is MessageState.RUNNING


def schedules(place: Place, **terms: Any) -> Schedules:
    """Return what a worker keeps whose only actor is "tick"."""
    router = Router()
    router.actor(name="tick", **terms)(nothing)
    return Schedules(place.connection, router.actors)


def test_it_stays_if_a_worker_has_started_since_the_others_were_looked_at(place: Place) -> None:
    assert place.broker.register(worker_info()) == 1  # the one that keeps
    place.broker.register(replace(worker_info(), schedules=("tick",)))
    place.keep(cron="@daily")

    place.keep()  # which has seen no other worker

    assert place.there().state is MessageState.READY


def test_it_stays_if_it_is_declared_while_it_is_being_ended(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.keep(cron="@daily")
    peers = place.broker.peers

    def and_then_one_starts(worker_id: int) -> list[Peer]:
        found = list(peers(worker_id))
        place.keep(cron="@daily")
        return found

    monkeypatch.setattr(place.broker, "peers", and_then_one_starts)
    schedules(place).keep([], (), worker_id=1)

    assert place.there().state is MessageState.READY
    assert place.there().run_at > place.broker.now_us()


def test_a_worker_that_was_taken_for_dead_declares_again(place: Place) -> None:
    mine = schedules(place, cron="@daily")
    mine.keep([], (), worker_id=1)
    place.keep()  # of old code, and alone as far as it knows
    mine.keep([], (), worker_id=1)
    assert place.found() is None  # as if it was taken away by hand

    mine.keep([], (), worker_id=2)

    assert place.there().state is MessageState.READY


def test_the_youngest_worker_s_schedule_counts(place: Place) -> None:
    old, new = schedules(place, cron="@daily"), schedules(place, cron="@hourly")
    new.keep([], (), worker_id=98)
    old.keep([], (), worker_id=99)  # one more start of the old code
    assert place.there().parameters.delay.cron == "@daily"

    new.keep([peer(schedules=("tick",))], (), worker_id=98)
    assert place.there().parameters.delay.cron == "@daily"

    new.keep([], (), worker_id=98)
    assert place.there().parameters.delay.cron == "@hourly"


def test_a_schedule_that_somebody_has_chosen_by_hand_stays(place: Place) -> None:
    mine = schedules(place, cron="@daily")
    mine.keep([], (), worker_id=1)
    Job("tick", cron="@hourly", id_="tick", connection=place.connection).enqueue_sync()

    mine.keep([], (), worker_id=1)

    assert place.there().parameters.delay.cron == "@hourly"


def keep_another(place: Place, *peers: Peer, strangers: tuple[str, ...] = ("tick",)) -> None:
    router = Router()
    router.actor(name="other")(nothing)
    Schedules(place.connection, router.actors).keep(peers, strangers, worker_id=1)


def test_it_waits_for_a_service_that_is_down(place: Place) -> None:
    place.keep(cron="@daily")
    place.overdue(timedelta(hours=20))

    keep_another(place)

    assert place.there().state is MessageState.READY


def test_it_ends_when_no_worker_has_known_its_actor_for_a_day(place: Place) -> None:
    place.keep(cron="@daily")
    place.overdue(timedelta(hours=25))

    keep_another(place)

    assert place.found() is None


def test_it_ends_if_a_peer_knows_the_actor_and_does_not_declare_it(place: Place) -> None:
    place.keep(cron="@daily")

    keep_another(place, peer(topics=("tick",)), strangers=())

    assert place.found() is None


def test_a_job_of_somebody_else_under_that_id_is_left_alone(place: Place) -> None:
    Job("tick", id_="tick", cron="@daily", connection=place.connection).enqueue_sync()

    place.keep()

    assert place.there().spec.again is not None


def test_ids_are_names_as_far_as_they_can_be() -> None:
    assert schedule_id("clean_up") == "clean_up"
    dotted, dashed = schedule_id("shop.clean"), schedule_id("shop-clean")
    assert dotted.startswith("shop-clean-")
    assert dotted != dashed
    assert len(schedule_id("x" * 255)) == 128


def test_only_actors_with_a_schedule_declare_one() -> None:
    router = Router()
    router.actor(name="a")(nothing)
    router.actor(name="b", cron="@hourly")(nothing)

    assert declared(router.actors.values()) == ["b"]


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"cron": "whenever"}, "five fields"),
        ({"deferred_by": timedelta(milliseconds=5)}, "at least one second"),
        ({"cron": "@daily", "deferred_by": timedelta(hours=1)}, "exclude each other"),
        ({"timezone": "UTC"}, "only together with cron"),
        ({"cron": "@daily", "timezone": "Middle/Earth"}, "no time zone"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_at_registration(
    terms: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Router().actor(**terms)(nothing)
