"""Jobs from views: sync and async, under WSGI and ASGI, with ATOMIC_REQUESTS and without."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test import AsyncClient, Client

from django_repid.models import Message
from tests.shop.models import Order

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=[False, True], ids=["plain", "ATOMIC_REQUESTS"])
def atomic_requests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", request.param)
    return bool(request.param)


@pytest.mark.usefixtures("atomic_requests")
@pytest.mark.parametrize("path", ["/sync/", "/async/"])
def test_a_view_under_wsgi_enqueues(path: str) -> None:
    response = Client().get(path)

    assert response.status_code == 200
    assert Message.objects.get().message_id == response.content.decode()


@pytest.mark.usefixtures("atomic_requests")
@pytest.mark.parametrize("path", ["/sync/", "/async/"])
def test_a_view_under_asgi_enqueues(path: str) -> None:
    async def visit() -> str:
        response = await AsyncClient().get(path)
        await sync_to_async(connections.close_all)()
        return response.content.decode()

    assert Message.objects.count() == 0
    assert asyncio.run(visit()) == Message.objects.get().message_id


def test_a_view_that_fails_takes_its_job_along_where_requests_are_atomic(
    atomic_requests: bool,
) -> None:
    response = Client(raise_request_exception=False).get("/broken/")

    assert response.status_code == 500
    left = 0 if atomic_requests else 1
    assert Message.objects.count() == Order.objects.count() == left


def test_misuse_in_a_sync_view_names_both_cures() -> None:
    with pytest.raises(RuntimeError, match=r"enqueue_sync\(\).*async def"):
        Client().get("/misuse/")

    assert not Message.objects.exists()
