"""Enqueue is exactly as atomic as the transaction around it, whatever that does."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

import pytest
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, given, settings

from django_repid import Connection, DatabaseBucketBroker, DatabaseMessageBroker, Job
from django_repid.core.codec import decode_headers
from django_repid.models import Bucket, Message
from tests.model.programs import CHOSEN_IDS, DEAD_ID, PROGRAMS, Step, Wish, generated, run
from tests.model.rules import Model, Tables
from tests.shop.models import Order

pytestmark = [
    pytest.mark.store,
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]


class Databases:
    """Django, and the brokers on its databases."""

    _connections: ClassVar = {
        False: Connection(DatabaseMessageBroker(), DatabaseBucketBroker()),
        True: Connection(
            DatabaseMessageBroker("other", commit_with="default"), DatabaseBucketBroker("other")
        ),
    }

    def __init__(self) -> None:
        for model, alias in [(Message, "other"), (Bucket, "other"), *self._here()]:
            with connections[alias].cursor() as cursor:
                cursor.execute(f"DELETE FROM {model._meta.db_table}")
        self._generated: dict[str, str] = {}
        self._taken = Order.objects.create().pk

    @staticmethod
    def _here():
        return [(model, "default") for model in (Message, Bucket, Order)]

    def atomic(self, savepoint: bool) -> AbstractContextManager[object]:
        return transaction.atomic(savepoint=savepoint)

    def on_commit(self, function: Callable[[], object]) -> None:
        transaction.on_commit(function)

    def set_rollback(self) -> None:
        transaction.set_rollback(True)

    def write_order(self, number: int) -> None:
        Order.objects.create(number=number)

    def break_(self) -> None:
        Order.objects.create(pk=self._taken)

    def enqueue(self, wishes: Sequence[Wish], elsewhere: bool) -> list[bool | None]:
        jobs = [self._job(wish, self._connections[elsewhere]) for wish in wishes]
        if len(jobs) == 1:
            return [jobs[0].enqueue_sync().duplicate]
        return [receipt.duplicate for receipt in Job.enqueue_many_sync(jobs)]

    def _job(self, wish: Wish, connection: Connection) -> Job:
        job = Job(
            "add",
            id_=wish.id_,
            on_duplicate=wish.policy,
            args={"a": wish.label},
            args_id=None if wish.args_id == "generated" else wish.args_id,
            use_args_bucketer=wish.args_id is not None,
            headers={"label": str(wish.label)},
            connection=connection,
        )
        if wish.args_id == "generated":
            self._generated[job.args_id] = generated(wish.label)
        return job

    def tables(self, alias: str) -> Tables:
        """Return what can be seen when the program is over."""
        assert not connection.in_atomic_block
        tables = Tables(orders=[])
        for message in Message.objects.using(alias):
            label = int(decode_headers(message.headers)["label"])
            chosen = message.message_id in CHOSEN_IDS
            id_ = message.message_id if chosen else generated(label)
            args_id = self._generated.get(message.args_id or "", message.args_id)
            tables.jobs[id_] = label, args_id
            if message.state == Message.State.DEAD:
                tables.dead.add(id_)
            assert (message.payload is None) is (args_id is not None)
            assert message.payload in {None, f'{{"a":{label}}}'}
        for bucket in Bucket.objects.using(alias):
            id_ = self._generated.get(bucket.bucket_id, bucket.bucket_id)
            tables.buckets[id_] = json.loads(bucket.data)["a"]
        if alias == "default":
            rest = Order.objects.exclude(pk=self._taken).order_by("pk")
            tables.orders = list(rest.values_list("number", flat=True))
        return tables


def _before(world: Databases | Model) -> None:
    """Leave a dead letter, which never blocks and comes back with a rollback, and a job."""
    world.enqueue([Wish(0, DEAD_ID, "skip", "p")], elsewhere=False)
    if isinstance(world, Model):
        world.here.dead.add(DEAD_ID)
    else:
        Message.objects.update(state=Message.State.DEAD)
    world.enqueue([Wish(0, CHOSEN_IDS[0], "skip", "q")], elsewhere=False)


#: Runs repeat each other. A database may be slow, and Hypothesis need not count that.
@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(program=PROGRAMS)
def test_what_is_enqueued_is_what_the_transactions_around_it_leave(program: list[Step]) -> None:
    databases, model = Databases(), Model()
    for world in (databases, model):
        _before(world)

    noted, expected = run(program, databases), run(program, model)

    assert noted == expected
    assert databases.tables("default") == model.here
    assert databases.tables("other") == model.there
