"""Only SQLite keeps bytes in columns of text: rows that hold some are one job's end."""

import pickle

import pytest
from django.db import connection

from django_repid import Job, Router
from django_repid.models import Message
from tests.security.kit import burst, message
from tests.security.test_registry import Bomb

pytestmark = pytest.mark.django_db(transaction=True)


def put_bytes(row: Message, column: str, value: bytes) -> None:
    """Write bytes past the ORM, which would make text of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE django_repid_message SET {column} = %s WHERE id = %s", [value, row.pk]
        )


def test_bytes_in_the_place_of_text_are_one_jobs_failure() -> None:
    router = Router()

    @router.actor
    async def work() -> str:
        return "done"

    put_bytes(message("work"), "payload", pickle.dumps(Bomb()))
    job = Job("work")
    job.enqueue_sync()

    burst(router)

    assert job.result_sync().value == "done"  # type: ignore[union-attr]  # asserted by use
    assert Message.objects.get().state == Message.State.DEAD


@pytest.mark.parametrize("spec", ['{"v": 99}', "{", None])
@pytest.mark.parametrize("topic", ["work", "fail"])
def test_bytes_in_the_place_of_an_id_hold_nobody_up(spec: str | None, topic: str) -> None:
    router = Router()

    @router.actor
    async def fail() -> None:
        raise ValueError

    @router.actor
    async def work() -> str:
        return "done"

    row = message(topic, **({} if spec is None else {"spec": spec}))
    put_bytes(row, "message_id", b"\xff")
    job = Job("work")
    job.enqueue_sync()

    burst(router)

    assert job.result_sync().value == "done"  # type: ignore[union-attr]  # asserted by use
