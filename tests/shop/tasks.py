"""Actors for the tests."""

import asyncio
from datetime import timedelta

from django_repid import Router
from tests.shop.models import Order

router = Router()


@router.actor
async def add(a: int, b: int) -> int:
    return a + b


@router.actor(queue="mail", retries=5, timeout=timedelta(seconds=30))
def send_receipt(order_id: int) -> str:
    order = Order.objects.get(pk=order_id)
    order.note = "sent"
    order.save()
    return order.note


@router.actor
async def count_orders() -> int:
    return await Order.objects.acount()


@router.actor
async def fail(text: str = "no") -> None:
    raise ValueError(text)


@router.actor
async def linger(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"
