"""Batches that have an id twice, and claims whose wants overlap."""

import pytest

from django_repid import (
    Connection,
    DatabaseBucketBroker,
    DatabaseMessageBroker,
    DuplicateJob,
    InMemoryMessageBroker,
    Job,
)
from django_repid.core.claims import ClaimRequest, Want
from django_repid.testing.contract.kit import Stage, ids, new


@pytest.fixture
def database() -> Connection:
    return Connection(DatabaseMessageBroker(), DatabaseBucketBroker())


@pytest.fixture
def memory() -> Stage:
    return Stage(Connection(InMemoryMessageBroker()))


@pytest.mark.django_db(transaction=True)
def test_a_batch_is_written_in_its_order_though_its_policies_differ(database: Connection) -> None:
    """The second job is the first under its id, and the third replaces it."""
    receipts = Job.enqueue_many_sync(
        [
            Job("add", id_="other", on_duplicate="replace", connection=database),
            Job("add", id_="one", on_duplicate="raise", connection=database),
            Job("add", id_="one", on_duplicate="replace", connection=database),
        ]
    )

    assert [receipt.duplicate for receipt in receipts] == [False, False, False]


@pytest.mark.django_db(transaction=True)
def test_a_job_runs_with_its_own_arguments_though_a_batch_has_its_id_twice(
    database: Connection,
) -> None:
    """The third job is skipped, so that its bucket is not to be written over the second's."""
    Job.enqueue_many_sync(
        [
            Job("add", id_="other", on_duplicate="skip", connection=database),
            Job(
                "add",
                id_="one",
                on_duplicate="replace",
                args={"n": 2},
                args_id="bucket",
                connection=database,
            ),
            Job("add", id_="one", args={"n": 3}, args_id="bucket", connection=database),
        ]
    )

    assert DatabaseBucketBroker().get(["bucket"])["bucket"].value == {"n": 2}


def test_in_memory_a_batch_that_has_an_id_twice_is_refused(memory: Stage) -> None:
    batch = [new(id_="one", on_duplicate="raise") for _ in range(2)]

    with pytest.raises(DuplicateJob):
        memory.enqueue(*batch)


def test_in_memory_wants_that_overlap_do_not_get_one_message_twice(memory: Stage) -> None:
    memory.enqueue(new("a", id_="one"))
    wants = [Want(["a"], 1), Want(["a", "b"], 1)]

    claim = memory.broker.claim(ClaimRequest(worker_id=memory.worker_id, wants=wants))

    assert ids(claim.messages) == ["one"]
