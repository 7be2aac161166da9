"""Texts made to break whoever reads them: one job's failure, and no more than that."""

import math
from typing import Any

import pytest

from django_repid import BasicConverter, InvalidJob, Job, PydanticConverter, Router
from django_repid.models import Bucket, Failure, Message
from tests.security import kit
from tests.security.kit import burst, message

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

DEEP = 100_000
BOMBS = {
    "deep": '{"a":' + "[" * DEEP + "]" * DEEP + "}",
    "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "deep and open": '{"a":' + "[" * DEEP,
    "a huge integer": '{"a":' + "9" * 100_000 + "}",
    "a huge exponent": '{"a":1e999999999,"b":NaN,"c":-Infinity,"d":1e-999999999}',
    "many names": "{" + ",".join(f'"k{n}":1' for n in range(50_000)) + "}",
    "one long name": '{"' + "k" * 900_000 + '":1}',
    "a long text": '{"a":"' + "\\u0041" * 150_000 + '"}',
    "an empty text": "",
    "a lone surrogate": '{"a":"\\ud800"}',
}


@pytest.mark.parametrize("converter", [BasicConverter, PydanticConverter])
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=list(BOMBS))
def test_a_bomb_in_the_arguments_is_one_jobs_end(bomb: str, converter: Any) -> None:
    router = Router()

    @router.actor(converter=converter)
    async def work(a: Any = None) -> str:
        return "done"

    @router.actor(name="sync", converter=converter)
    def sync(a: Any = None) -> str:
        return "done"

    message("work", payload=bomb)
    message("sync", payload=bomb)
    kit.bucket(bucket_id="bomb", kind=Bucket.Kind.ARGUMENTS, data=bomb, success=None, topic=None)
    message("work", payload=None, args_id="bomb")
    jobs = [Job("work"), Job("sync")]
    Job.enqueue_many_sync(jobs)

    assert burst(router) == 5
    assert [job.result_sync().value for job in jobs] == ["done", "done"]  # type: ignore[union-attr]  # by use
    assert not Message.objects.exclude(state=Message.State.DEAD).exists()
    failed = set(Failure.objects.values_list("exception", flat=True))
    assert failed <= {"ArgsInvalid"}


@pytest.mark.parametrize("column", ["headers", "spec"])
@pytest.mark.parametrize(
    "bomb", [*BOMBS.values(), "[]", "null", "5", '{"v":99}', '{"v":"1"}', "{", "\x1b"]
)
def test_a_bomb_beside_the_arguments_holds_nobody_up(column: str, bomb: str) -> None:
    router = Router()

    @router.actor
    async def work() -> str:
        return "done"

    message("work", message_id="bomb", **{column: bomb})
    job = Job("work")
    job.enqueue_sync()

    burst(router)

    assert job.result_sync().value == "done"  # type: ignore[union-attr]  # asserted by use
    state = Message.objects.filter(message_id="bomb").values_list("state", "worker_id").first()
    assert state in {None, (Message.State.READY, None), (Message.State.DEAD, None)}


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(DEEP):
        value = [value]
    return value


def loop() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


VALUES = {
    "deep": deep,
    "a loop": loop,
    "a huge integer": lambda: 10**10_000,
    "NaN": lambda: math.nan,
}


@pytest.mark.parametrize("make", VALUES.values(), ids=list(VALUES))
def test_a_bomb_is_not_enqueued(make: Any) -> None:
    with pytest.raises(InvalidJob, match="cannot be serialized"):
        Job("work", args={"a": make()})


@pytest.mark.parametrize("make", VALUES.values(), ids=list(VALUES))
@pytest.mark.parametrize("converter", [BasicConverter, PydanticConverter])
@pytest.mark.parametrize("annotation", [None, Any, list[Any], dict[str, Any]])
def test_a_bomb_that_an_actor_returns_is_its_failure(
    make: Any, converter: Any, annotation: Any
) -> None:
    router = Router()

    async def work() -> Any:
        return {"a": make()} if annotation == dict[str, Any] else [make()]

    work.__annotations__["return"] = annotation
    router.actor(converter=converter)(work)

    @router.actor
    async def other() -> str:
        return "done"

    jobs = [Job("work"), Job("other")]
    Job.enqueue_many_sync(jobs)

    assert burst(router) == 2
    bucket = jobs[0].result_sync()
    assert bucket is not None
    # pydantic writes null for a NaN that no annotation names.
    assert bucket.success is False or "null" in bucket.data
    assert jobs[1].result_sync().value == "done"  # type: ignore[union-attr]  # as above
