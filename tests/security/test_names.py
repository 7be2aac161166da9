"""Names are names: no SQL, no path and no second line is made of them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from django_repid import ConfigurationError, InvalidJob, Job, Queue, Router, Worker
from django_repid.core.names import ACTOR_NAME_LENGTH, ID_LENGTH, QUEUE_NAME_LENGTH
from django_repid.models import Bucket, Message
from tests.security.kit import MODELS, burst, message, superuser

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

EVIL = [
    "x'; DROP TABLE django_repid_message; --",
    'x" OR 1=1 --',
    "x\\",
    "{x}",
    "%s",
    "x\nINFO forged",
    "x\x1b[31m",
    "x\0",
    "../../etc/passwd",
    "ü",
    "x y",
    "",
]


@pytest.mark.parametrize("name", EVIL)
def test_an_evil_name_is_refused_everywhere(name: str) -> None:
    router = Router()

    def work() -> None: ...

    makers: list[Callable[[], object]] = [
        lambda: Job(name),
        lambda: Job("work", name or "\0"),
        lambda: Job("work", id_=name),
        lambda: Job("work", args_id=name),
        lambda: Job("work", result_id=name),
        lambda: Queue(name),
        lambda: Worker(queues=[name], connection="default"),
        lambda: Worker(exclude_queues=[name], connection="default"),
    ]
    for make in makers:
        with pytest.raises(InvalidJob) as caught:
            make()
        assert str(caught.value).isprintable()
    with pytest.raises(ConfigurationError):
        router.actor(name=name)(work)
    with pytest.raises(ConfigurationError):
        router.actor(queue=name)(work)


def test_the_longest_names_are_taken_and_longer_ones_are_not() -> None:
    lengths = {"name": ACTOR_NAME_LENGTH, "queue": QUEUE_NAME_LENGTH, "id_": ID_LENGTH}
    assert lengths == {"name": 255, "queue": 64, "id_": 128}

    longest: dict[str, Any] = {what: "x" * length for what, length in lengths.items()}
    Job(**longest).enqueue_sync()

    for what, length in lengths.items():
        with pytest.raises(InvalidJob, match=f"at most {length} characters"):
            Job(**{**longest, what: "x" * (length + 1)})
    for what in ("args_id", "result_id"):
        with pytest.raises(InvalidJob, match="at most 128 characters"):
            Job(**{**longest, what: "x" * 129})


@pytest.mark.parametrize(
    "name", [name for name in EVIL if name and name.isascii() and "\0" not in name]
)
def test_sql_in_a_stored_name_is_a_name(name: str) -> None:
    """As whoever can write to the table may write it."""
    router = Router()

    @router.actor
    async def work() -> str:
        return "done"

    spec = message().spec
    Message.objects.all().delete()
    message("work", queue=name[:64], message_id=name, spec=spec)
    message(name, queue=name[:64], message_id="for nobody")

    burst(router)

    assert Bucket.objects.get().data == '"done"'
    assert Message.objects.get().message_id == "for nobody"
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
    assert {model._meta.db_table for model in MODELS.values()} <= set(tables)


@pytest.mark.parametrize("name", [name for name in EVIL if "\0" not in name])
def test_sql_in_a_search_finds_nothing(name: str) -> None:
    message("innocent")
    client = superuser()

    page = client.get("/admin/django_repid/message/", {"q": name or " '' OR 1=1"})

    assert page.status_code == 200
    assert "innocent" not in page.content.decode()
