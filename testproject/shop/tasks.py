"""The shop's background jobs. A worker finds this module by its name: `manage.py repid_worker`."""

import asyncio
import io
import time
from datetime import timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.core.mail import EmailMessage
from django.db.models import F

from django_repid import Router
from shop import sheet
from shop.models import Order, Patience, Product, TillCount, Upload

router = Router()

#: More bad rows than this, and the file is not worth going on with.
MOST_PROBLEMS = 100


@router.actor(queue="imports")
def import_products(upload_id: int) -> dict[str, Any]:
    """Import a file row by row; a sync actor uses the ORM as a view does.

    If its worker is killed, another runs it again from the first row. So what it does to a row
    must be the same the second time: create it, or update it.
    """
    upload = Upload.objects.get(pk=upload_id)
    rows = list(sheet.read(upload.content))
    pause = 5 / max(len(rows), 50)  # only so that you can watch it
    report: dict[str, Any] = {"imported": 0, "updated": 0, "errors": []}
    for row in rows:
        time.sleep(pause)
        if isinstance(row, sheet.Row):
            values = {"name": row.name, "price": row.price, "stock": row.stock}
            _, created = Product.objects.update_or_create(sku=row.sku, defaults=values)
            report["imported" if created else "updated"] += 1
            continue
        report["errors"].append({"line": row.line, "problem": row.problem})
        if len(report["errors"]) == MOST_PROBLEMS:
            text = f"{MOST_PROBLEMS} bad rows; the rest of the file was not looked at"
            report["errors"].append({"line": row.line, "problem": text})
            break
    return report


@router.actor
async def fetch_prices(count: int) -> dict[str, str]:
    """Ask a supplier for prices, all at the same time: waiting costs an async actor nothing."""
    products = [product async for product in Product.objects.order_by("sku")[:count]]
    prices = await asyncio.gather(*(_ask_supplier(product) for product in products))
    return {product.sku: price for product, price in zip(products, prices, strict=True)}


async def _ask_supplier(product: Product) -> str:
    await asyncio.sleep(3 + product.pk % 10 / 10)  # a slow supplier
    return f"{product.price * 6 / 10:.2f}"


@router.actor(run_in_process=True, timeout=timedelta(seconds=30))
def make_thumbnail(name: str) -> dict[str, Any]:
    """Shrink a picture: work for the CPU, in a process of its own that the timeout kills."""
    from PIL import Image, ImageOps  # only the processes need its memory

    with default_storage.open(name) as file:
        picture = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    before = list(picture.size)
    picture.thumbnail((560, 560))
    picture.save(small := io.BytesIO(), "JPEG", quality=82)
    url = default_storage.url(default_storage.save(f"small/{name}.jpg", small))
    return {"picture": url, "before": before, "after": list(picture.size)}


@router.actor(queue="mail", retries=5, timeout=timedelta(seconds=30))
def send_receipt(order_id: int) -> dict[str, str]:
    """Send a mail. The file backend puts it into the folder `emails`."""
    order = Order.objects.get(pk=order_id)
    subject = f"Your {order}: {order.quantity} × {order.product}"
    EmailMessage(subject, "We are packing it.", to=[order.customer]).send()
    return {"to": order.customer, "subject": subject}


@router.actor(cron="* * * * *")
async def count_till() -> None:
    """Declared here, it runs every minute for as long as a worker knows it. Nobody enqueues it."""
    await TillCount.objects.acreate(
        products=await Product.objects.acount(), orders=await Order.objects.acount()
    )


@router.actor
async def check_shelf(shelf: int) -> str:
    """One of a hundred: they all wait at the same time, on one event loop."""
    await asyncio.sleep(0.5 + shelf * 7 % 40 / 10)  # somebody walks there
    return f"Shelf {shelf} is full"


@router.actor
async def take_stock(minutes: int) -> str:
    """Take long. When its job is cancelled, an async actor is stopped where it waits."""
    await asyncio.sleep(minutes * 60)
    return "Everything is there."


def soon(retry_number: int = 1) -> timedelta:
    """Retry at once, for a demo: the default waits 10 seconds, then longer and longer."""
    return timedelta(seconds=1 + retry_number)


@router.actor(retries=2, retry_policy=soon)
def flaky(key: str, successful_try: int) -> str:
    """Fail until the given try, which is counted in the database: attempts share no memory."""
    time.sleep(1)
    Patience.objects.get_or_create(key=key)
    Patience.objects.filter(key=key).update(tries=F("tries") + 1)
    tries = Patience.objects.get(key=key).tries
    if tries < successful_try:
        message = f"The supplier did not answer (try {tries})."
        raise ConnectionError(message)
    return f"The supplier answered at try {tries}."


@router.actor
async def add_hello(user_name: str, user_id: int, messages: list[str]) -> dict:  # type: ignore[type-arg]  # as written
    message = f"Hello {user_name}!"
    messages.append(message)
    return dict(user_id=user_id, messages=messages)  # noqa: C408 - as written


@router.actor
async def add_id(user_id: int, messages: list[str]) -> list[str]:
    message = f"Your id is {user_id}."
    messages.append(message)
    return messages
