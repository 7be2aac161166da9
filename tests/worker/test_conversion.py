"""Converters and serializers of one's own, on the whole way of a job."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest

from django_repid import (
    BasicConverter,
    Config,
    Connection,
    InMemoryBucketBroker,
    InMemoryMessageBroker,
    InvalidJob,
    Job,
    PydanticConverter,
    Router,
    RouterDefaults,
    default_serializer,
)
from tests import stores
from tests.worker.kit import burst

pytestmark = pytest.mark.usefixtures("each_store")


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    since: date | None = None


class OfTens:
    """A converter with nothing of ours: ten times what comes in, a tenth of what goes out."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn

    def convert_inputs(self, data: str) -> tuple[list[Any], dict[str, Any]]:
        return [], {name: 10 * value for name, value in json.loads(data).items()}

    def convert_outputs(self, data: Any) -> str:
        return json.dumps(data / 10)


def value_of(job: Job) -> Any:
    bucket = job.result_sync()
    assert bucket is not None
    return bucket.value


DAY, PRICE, WHO = date(2024, 1, 2), Decimal("1.10"), UUID(int=7)


@pytest.mark.parametrize("converter", [BasicConverter, PydanticConverter])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_rich_types_reach_the_actor_as_such_and_come_back_to_be_arguments(
    kind: str, converter: Any
) -> None:
    connection, router = stores.connection(), Router(defaults=RouterDefaults(converter=converter))
    got: list[Any] = []

    def take(day: date, price: Decimal, who: UUID, color: Colour, point: Point) -> dict[str, Any]:
        got.append((day, price, who, color, point))
        return {"day": day, "price": price, "who": who, "color": color, "point": point}

    async def take_async(
        day: date, price: Decimal, who: UUID, color: Colour, point: Point
    ) -> dict[str, Any]:
        return take(day, price, who, color, point)

    router.actor(name="take")(take if kind == "sync" else take_async)
    args = {"day": DAY, "price": PRICE, "who": WHO, "color": Colour.RED, "point": Point(1, DAY)}
    first = Job("take", args=args, connection=connection)
    second = Job("take", args_id=first.result_id, connection=connection)
    first.enqueue_sync()
    second.enqueue_sync()

    burst(connection, router)

    assert got == [(DAY, PRICE, WHO, Colour.RED, Point(1, DAY))] * 2
    assert value_of(first) == value_of(second)


def test_a_converter_of_ones_own_serves_an_actor_a_router_or_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = stores.connection()

    def add(a: int, b: int) -> int:
        return a + b + 5

    own, routers, everybodys = Router(), Router(defaults=RouterDefaults(converter=OfTens)), Router()
    own.actor(name="own", converter=OfTens)(add)
    routers.actor(name="routers")(add)
    monkeypatch.setattr(Config, "CONVERTER", OfTens)
    everybodys.actor(name="everybodys")(add)
    jobs = [
        Job(name, args={"a": 1, "b": 2}, connection=connection)
        for name in ("own", "routers", "everybodys")
    ]
    Job.enqueue_many_sync(jobs)
    for router in (routers, everybodys):
        own.include_router(router)

    assert burst(connection, own) == 3
    assert [value_of(job) for job in jobs] == [3.5, 3.5, 3.5]


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


def with_money(data: Any) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, Money):
            return {"cents": value.cents}
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        return value

    return default_serializer(plain(data))


def test_a_serializer_of_ones_own_writes_arguments_and_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection, router = stores.connection(), Router()

    @router.actor
    def pay(amount: dict[str, int]) -> Any:
        return Money(2 * amount["cents"])

    with pytest.raises(InvalidJob, match="Money has no form in JSON"):
        Job("pay", args={"amount": Money(5)}, connection=connection)
    monkeypatch.setattr(Config, "SERIALIZER", staticmethod(with_money))
    job = Job("pay", args={"amount": Money(5)}, connection=connection)
    job.enqueue_sync()

    assert burst(connection, router) == 1
    assert value_of(job) == {"cents": 10}


def test_the_serializer_of_a_connection_goes_before_the_process_own_for_arguments() -> None:
    connection = Connection(
        InMemoryMessageBroker(),
        None,
        InMemoryBucketBroker(use_result_bucket=True),
        serializer=with_money,
    )
    router = Router()

    @router.actor
    def pay(amount: dict[str, int]) -> int:
        return amount["cents"]

    job = Job("pay", args={"amount": Money(5)}, connection=connection)
    job.enqueue_sync()

    assert burst(connection, router) == 1
    assert value_of(job) == 5


@pytest.mark.parametrize("value", [b"x", {"deep": [bytearray(b"x")]}, Point(b"x")])  # type: ignore[arg-type]  # the mistake
def test_bytes_are_refused_when_the_job_is_made(value: Any) -> None:
    with pytest.raises(InvalidJob, match=r"bytes have no form in JSON.*base64"):
        Job("take", args={"value": value}, connection=stores.connection())


@pytest.mark.parametrize("converter", [BasicConverter, PydanticConverter])
def test_what_does_not_fit_fails_for_good_and_names_the_parameter(converter: Any) -> None:
    connection, router = stores.connection(), Router()

    @router.actor(converter=converter)
    def take(day: date) -> None: ...

    job = Job("take", args={"day": "soon"}, retries=3, connection=connection)
    job.enqueue_sync()

    assert burst(connection, router) == 1
    bucket = job.result_sync()
    assert bucket is not None
    assert bucket.exception == "ArgsInvalid"
    assert "day: " in bucket.data
