"""Models and migrations."""

import time
import warnings

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from django_repid import DatabaseMessageBroker
from django_repid.models import Bucket, Message, Queue

pytestmark = [pytest.mark.store, pytest.mark.django_db]


def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_models_and_migrations_cause_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        about_us = [m for m in run_checks(databases=["default"]) if "django_repid" in str(m.obj)]

    assert about_us == []


def test_ids_are_unique_by_byte() -> None:
    Bucket.objects.create(bucket_id="A", kind=0, generated=False, data="", stored_at=1)
    Bucket.objects.create(bucket_id="a", kind=0, generated=False, data="", stored_at=1)

    assert Bucket.objects.filter(bucket_id="a").count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        Bucket.objects.create(bucket_id="a", kind=0, generated=False, data="", stored_at=1)


def test_the_longest_names_fit() -> None:
    Queue.objects.create(name="q" * 64)
    Message.objects.create(
        message_id="i" * 128, queue="q" * 64, topic="t" * 255, priority=32767, state=0,
        run_at=2**62, due_at=2**62, enqueued_at=1, lease=0, tries=0, crashes=0, suspicion=0,
        cancel_asked=False, args_id="a" * 128, args_generated=False, dead_reason="r" * 200,
        spec="{}", headers="",
    )  # fmt: skip

    assert Message.objects.get().topic == "t" * 255


def test_the_claim_has_one_index_and_no_more_than_it_needs() -> None:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, Message._meta.db_table)
    indexes = {tuple(found["columns"]) for found in constraints.values() if found["columns"]}

    assert {c for c in indexes if c != ("id",)} == {
        ("message_id",),
        ("state", "queue", "topic", "priority", "run_at", "id"),
        ("worker_id",),
        ("waits_for",),
        ("tick",),
    }


def storage_options() -> str:
    with connection.cursor() as cursor:
        table = Message._meta.db_table
        text = "SELECT coalesce(reloptions::text, '') FROM pg_class WHERE relname = %s"
        cursor.execute(text, [table])
        return str(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_how_postgresql_stores_the_hot_table_can_be_taken_back() -> None:
    asks = connection.vendor == "postgresql"
    assert not asks or "fillfactor=80" in storage_options()

    call_command("migrate", "django_repid", "0001", verbosity=0)
    assert not asks or storage_options() == ""

    call_command("migrate", "django_repid", verbosity=0)
    assert not asks or "autovacuum_vacuum_scale_factor=0.01" in storage_options()


@pytest.mark.django_db(transaction=True)
def test_tending_removes_what_is_dead() -> None:
    def vacuums() -> int:
        with connection.cursor() as cursor:
            table = Message._meta.db_table
            cursor.execute("SELECT pg_stat_get_vacuum_count(%s::regclass)", [table])
            return int(cursor.fetchone()[0])

    broker = DatabaseMessageBroker()
    if connection.vendor != "postgresql":
        broker.tend()  # there is nothing to do
        return
    before = vacuums()
    broker.tend()
    end = time.monotonic() + 20
    while vacuums() == before:
        assert time.monotonic() < end
        time.sleep(0.05)
