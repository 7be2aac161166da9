"""Actors of every kind."""

from datetime import timedelta
from typing import Annotated

from django_repid import (
    INJECTED,
    Depends,
    MessageDependency,
    RetryAfter,
    Router,
    RouterDefaults,
)

router = Router(prefix="shop.", defaults=RouterDefaults(queue="shop", retries=2))


def currency() -> str:
    return "EUR"


async def rate(to: Annotated[str, Depends(currency)]) -> float:
    return {"EUR": 1.0, "CHF": 0.9}[to]


per_unit = Depends(rate)


@router.actor
async def total(amount: float, rate: Annotated[float, per_unit] = INJECTED) -> str:
    return f"{amount * rate:.2f}"


@router.actor(
    queue="mail",
    retries=5,
    timeout=timedelta(seconds=30),
    retry_on=(ConnectionError, TimeoutError),
    give_up_on=ValueError,
)
def send_receipt(order_id: int, *, copy: bool = False, msg: MessageDependency = INJECTED) -> int:
    if msg.headers.get("tenant") == "closed":
        msg.reject_sync()
    if copy:
        raise RetryAfter(timedelta(minutes=5))
    msg.set_result(order_id)
    return order_id


@router.actor(cron="*/5 * * * *", timezone="Europe/Berlin", atomic=True)
def tidy() -> None: ...


@router.actor(run_in_process=True)
def shrink(name: str, size: tuple[int, int]) -> dict[str, int]:
    return {name: size[0]}


everything = Router()
everything.include_router(router)
