"""What runs is what is registered, and what is stored is JSON."""

import base64
import pickle
import sys
from typing import Any

import pytest

from django_repid import ArgsInvalid, BasicConverter, Job, PydanticConverter, Router
from django_repid.models import Bucket, Failure, Message
from tests.security.kit import burst, message

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]

TRAPS = ["os.system", "subprocess.call", "builtins.eval", "tests.security.trap.spring"]


@pytest.mark.parametrize("topic", TRAPS)
def test_a_job_for_what_is_no_actor_waits_and_nothing_is_imported(topic: str) -> None:
    Job(topic, args={"command": "true"}).enqueue_sync()

    assert burst() == 0
    assert Message.objects.get().state == Message.State.READY
    assert "tests.security.trap" not in sys.modules


def test_the_trap_would_be_sprung_by_an_import() -> None:
    with pytest.raises(AssertionError, match="it was imported"):
        __import__("tests.security.trap")


class Bomb:
    def __reduce__(self) -> Any:
        return sys.exit, ("unpickled",)


PICKLES = [
    pickle.dumps(Bomb(), protocol=0).decode("latin-1"),
    base64.b64encode(pickle.dumps(Bomb())).decode(),
    '"' + base64.b64encode(pickle.dumps(Bomb())).decode() + '"',
    '{"py/reduce": [{"py/function": "sys.exit"}, {"py/tuple": ["unpickled"]}]}',
    "!!python/object/apply:sys.exit [unpickled]",
]


@pytest.mark.parametrize("payload", PICKLES)
@pytest.mark.parametrize("converter", [BasicConverter, PydanticConverter])
def test_a_stored_payload_that_is_a_pickle_is_refused(payload: str, converter: Any) -> None:
    router = Router()
    calls: list[object] = []

    @router.actor(converter=converter, retries=3)
    async def work(n: int = 0) -> None:
        calls.append(n)

    message("work", payload=payload)

    assert burst(router) == 1
    assert calls == []
    assert Message.objects.get().state == Message.State.DEAD
    assert Failure.objects.get().exception == "ArgsInvalid"
    assert Bucket.objects.get().success is False


@pytest.mark.parametrize("converter", [BasicConverter, PydanticConverter])
def test_a_pickle_in_bytes_is_refused(converter: Any) -> None:
    def work(n: int = 0) -> None: ...

    with pytest.raises(ArgsInvalid):
        converter(work).convert_inputs(pickle.dumps(Bomb()))
