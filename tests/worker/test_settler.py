"""What a settler keeps in mind: no end is dropped, and none is written twice."""

import pytest

from django_repid.core import settlement
from django_repid.core.errors import BrokerUnavailable, RowLocked
from django_repid.core.settlement import Settlement
from django_repid.testing.contract.kit import Stage, ack, new
from django_repid.worker import settler as module
from django_repid.worker.settler import Settler
from tests import stores


@pytest.fixture
def stage() -> Stage:
    return Stage(stores.connection())


def ends(stage: Stage, count: int) -> list[Settlement]:
    stage.enqueue(*[new() for _ in range(count)])
    return [ack(message) for message in stage.claim()]


def settler_with(stage: Stage, pending: list[Settlement]) -> Settler:
    settler = Settler(stage.connection)
    settler.pending = list(pending)
    settler.in_hand = {end.message.key.pk or 0: end.message.key.lease for end in pending}
    return settler


def test_an_end_that_was_written_elsewhere_drops_none_that_is_to_be_written(stage: Stage) -> None:
    """An atomic actor has settled its own job, while exactly one other is pending."""
    pending, elsewhere = ends(stage, 2)
    settler = settler_with(stage, [pending])

    settler.written([elsewhere], frozenset())

    assert settler.pending == [pending]
    assert set(settler.in_hand) == {pending.message.key.pk}
    assert settler.processed == 1


def test_a_locked_row_is_put_by_alone_and_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = ends(stage, 5)
    locked = every[2]
    settler = settler_with(stage, every)
    settle = stage.connection.settle

    def settle_unless_locked(some: list[Settlement]) -> frozenset[int]:
        if locked in some:
            raise RowLocked("held")
        return settle(some)

    monkeypatch.setattr(stage.connection, "settle", settle_unless_locked)
    settler.settle()

    assert (settler.pending, settler.is_done, settler.processed) == ([], False, 4)
    settler.try_again()
    assert settler.pending == []  # not yet
    monkeypatch.undo()
    settler._try_again_at = 0.0
    settler.try_again()
    settler.settle()
    assert (settler.is_done, settler.processed, settler.in_hand) == (True, 5, {})


def test_a_whole_table_that_is_locked_is_an_outage(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = ends(stage, 20)
    settler = settler_with(stage, every)

    def refuse(_: list[Settlement]) -> frozenset[int]:
        raise RowLocked("held")

    monkeypatch.setattr(stage.connection, "settle", refuse)

    with pytest.raises(BrokerUnavailable):
        settler.settle()

    assert len(settler.pending) + module._MOST_LOCKED == 20


def test_an_end_whose_answer_was_lost_is_not_called_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    every = ends(stage, 3)
    settler = settler_with(stage, every)
    settle = stage.connection.settle

    def settle_and_say_nothing(some: list[Settlement]) -> frozenset[int]:
        settle(some)
        raise BrokerUnavailable("gone")

    monkeypatch.setattr(stage.connection, "settle", settle_and_say_nothing)
    with pytest.raises(BrokerUnavailable):
        settler.settle()
    monkeypatch.undo()
    settler.settle()

    assert (settler.is_done, settler.processed) == (True, 3)
    assert "LeaseLost" not in caplog.text


def test_a_lease_that_is_lost_later_is_called_so(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    (end,) = ends(stage, 1)
    stage.settle(settlement.again(end.message, run_at=0, tries=1))
    settler = settler_with(stage, [end])

    settler.settle()

    assert settler.processed == 0
    assert caplog.text.count("LeaseLost") == 1


def test_a_death_is_told_once_also_when_the_answer_to_it_was_lost(stage: Stage) -> None:
    plain, arrived, lost, fine = ends(stage, 4)
    told: list[Settlement] = []
    settler = Settler(stage.connection, told.append)
    dead = [
        settlement.dead(
            end.message, at=1, reason="No: no", result=None, failure=None, tries=1, processed=True
        )
        for end in (plain, arrived, lost)
    ]
    settler.doubt(dead[1])
    keys = frozenset(end.message.key.pk or 0 for end in dead[1:])

    settler.written([*dead, fine], keys)

    assert sorted(map(id, told)) == sorted(map(id, dead[:2]))


def test_a_stale_end_and_a_live_one_of_the_same_job_are_told_apart(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    (stale,) = ends(stage, 1)
    stage.broker.give_back(stage.worker_id, ())
    (live,) = [ack(message) for message in stage.claim()]
    assert stale.message.key.pk == live.message.key.pk
    settler = settler_with(stage, [live])

    settler.written([stale], frozenset({stale.message.key.pk or 0}))
    assert set(settler.in_hand) == {live.message.key.pk}
    settler.pending = [stale, live]
    settler.settle()

    assert (settler.is_done, settler.processed, settler.in_hand) == (True, 1, {})
    assert caplog.text.count("LeaseLost") == 2
    assert stage.connection.message_broker.find([live.message.key.id_]) == []
