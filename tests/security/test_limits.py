"""How much of anything is taken, kept and shown."""

import json
from typing import Any

import pytest
from django.test import override_settings

from django_repid import InvalidJob, Job, PayloadTooLarge, Router
from django_repid.connections import connections
from django_repid.models import Bucket, Failure, Message
from tests.security.kit import burst

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


def test_arguments_have_a_limit() -> None:
    limit = connections["default"].options.payload_limit_bytes
    room = limit - len('{"a":""}')
    assert limit == 2**20

    Job("work", args={"a": "x" * room}).enqueue_sync()

    with pytest.raises(PayloadTooLarge, match="PAYLOAD_LIMIT_BYTES"):
        Job("work", args={"a": "x" * (room + 1)})


def test_headers_have_a_limit_in_all() -> None:
    room = 8192 - len('{"a":""}')
    Job("work", headers={"a": "x" * room}).enqueue_sync()

    for headers in (
        {"a": "x" * (room + 1)},
        {"x" * (room + 2): ""},
        {"a": "ü" * (room // 6 + 1)},
        {str(n): "" for n in range(1500)},
    ):
        with pytest.raises(InvalidJob, match="at most 8192"):
            Job("work", headers=headers)


def test_a_result_has_a_limit() -> None:
    router = Router()
    calls: list[int] = []

    @router.actor(retries=5)
    async def work(size: int) -> str:
        calls.append(size)
        return "x" * size

    right, wrong = (Job("work", args={"size": 2**20 - 2 + more}) for more in (0, 1))
    Job.enqueue_many_sync([right, wrong])
    burst(router)

    assert right.result_sync().success  # type: ignore[union-attr]  # asserted by use
    assert wrong.result_sync().exception == "ResultInvalid"  # type: ignore[union-attr]  # as above
    assert len(calls) == 2


@override_settings(REPID={"default": {"OPTIONS": {"TRACEBACK_LIMIT_BYTES": 5000}}})
@pytest.mark.parametrize("text", ["x" * 300_000, "ü" * 300_000, "x\n" * 300_000])
def test_what_is_kept_of_a_failure_has_limits(text: str) -> None:
    router = Router()

    @router.actor
    async def work() -> None:
        raise ValueError(text)

    Job("work", result_id="result").enqueue_sync()
    burst(router)

    failure = Failure.objects.get()
    assert len(failure.traceback.encode()) <= 5000 + len("…\n".encode())
    assert len(failure.text) <= 2000
    assert len(Message.objects.get().dead_reason) <= 200
    assert len(Bucket.objects.get().data.encode()) <= 5000


@pytest.mark.parametrize("depth", [20_000])
def test_a_long_chain_of_exceptions_is_one_jobs_failure(depth: int) -> None:
    router = Router()

    @router.actor
    async def work() -> None:
        error = ValueError("first")
        for number in range(depth):
            following = ValueError(str(number))
            following.__cause__, error = error, following
        raise error

    Job("work").enqueue_sync()

    assert burst(router) == 1
    assert Message.objects.get().state == Message.State.DEAD


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Odd(Exception):
    def __str__(self) -> Any:
        return None  # noqa: PLE0307 - somebody's code does


class Nul(Exception):
    def __str__(self) -> str:
        return "a\0b\ud800c"


@pytest.mark.parametrize("kind", [Silent, Odd, Nul, KeyboardInterrupt, SystemExit])
def test_no_exception_is_too_odd_to_be_kept(kind: type[BaseException]) -> None:
    router = Router()

    @router.actor
    def work() -> None:
        raise kind

    Job("work").enqueue_sync()

    assert burst(router) == 1
    assert Failure.objects.get().exception == kind.__name__


def test_the_name_of_an_exceptions_class_has_a_limit() -> None:
    router = Router()

    @router.actor(retries=1)
    async def work() -> None:
        raise type("X" * 1000, (Exception,), {})

    Job("work").enqueue_sync()
    burst(router)

    assert len(Failure.objects.get().exception) <= 255


def test_a_value_in_the_arguments_may_be_as_deep_as_json_is_read() -> None:
    router = Router()

    @router.actor
    async def work(a: Any) -> Any:
        return a

    value: Any = 1
    for _ in range(100):
        value = [value]
    job = Job("work", args={"a": value})
    job.enqueue_sync()
    burst(router)

    assert json.loads(job.result_sync().data) == value  # type: ignore[union-attr]  # by use
