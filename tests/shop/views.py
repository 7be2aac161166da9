"""Views that enqueue."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from django_repid import Job
from tests.shop.models import Order


@transaction.non_atomic_requests
async def async_view(request: HttpRequest) -> HttpResponse:
    receipt = await Job("add", args={"a": 1, "b": 2}).enqueue()
    return HttpResponse(receipt.key.id_)


def sync_view(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        order = Order.objects.create()
        receipt = Job("send_receipt", args={"order_id": order.pk}).enqueue_sync()
    return HttpResponse(receipt.key.id_)


def broken_view(request: HttpRequest) -> HttpResponse:
    order = Order.objects.create()
    Job("send_receipt", args={"order_id": order.pk}).enqueue_sync()
    raise RuntimeError("after the enqueue")


def misuse_view(request: HttpRequest) -> HttpResponse:
    Job("add").enqueue()  # type: ignore[unused-coroutine]  # the mistake under test
    return HttpResponse()
