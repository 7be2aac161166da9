"""The Python of these pages runs as it stands, from the first block to the last."""

import asyncio
import re
from typing import Any

import pytest

from django_repid import Job, Queue, Repid
from django_repid.core.message import MessageState
from django_repid.signals import job_failed
from tests import stores
from tests.core.kit import ROOT
from tests.worker.kit import burst


def page(name: str) -> str:
    text = (ROOT / f"docs/howto/{name}.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return "\n".join(block.replace("args={...}", 'args={"order_id": 1}') for block in blocks)


def test_the_examples_on_retries_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"__name__": "docs_retries"}
    try:
        exec(page("retries"), names)
        job_failed.send(None, job_id="7", actor="pay", queue="q", exception="OSError", text="no")
    finally:
        job_failed.disconnect(dispatch_uid="tell-the-team")
    assert capsys.readouterr().out == "pay 7: OSError: no\n"


def test_the_examples_on_types_run_and_their_job_finds_its_actor() -> None:
    names: dict[str, object] = {"__name__": "docs_types"}
    exec(page("types"), names)
    job, router = names["job"], names["router"]
    converter = router.actors["paint"].converter  # type: ignore[attr-defined]  # of a page
    args, kwargs = converter.convert_inputs(job.args)  # type: ignore[attr-defined]  # as above
    spent = router.actors["paint"].fn(*args, **kwargs)  # type: ignore[attr-defined]  # as above
    assert converter.convert_outputs(spent) == '"PT2H"'


def test_the_examples_on_what_is_inside_an_actor_run(capsys: pytest.CaptureFixture[str]) -> None:
    connection = stores.connection()
    asyncio.run(Repid(connection).magic_connect())
    names: dict[str, Any] = {"__name__": "docs_inside"}
    try:
        exec(page("inside-an-actor"), names)
        heard = Job("phone", args={"number": 1}, connection=connection)
        engaged = Job("phone", id_="engaged", args={"number": 3}, retries=3, connection=connection)
        put_aside = Job("phone_sync", args={"number": 0}, connection=connection)
        Job.enqueue_many_sync([names["job"], heard, engaged, put_aside])
        assert burst(connection, names["router"]) == 4
        assert names["job"].result_sync().value == "25.00 EUR"  # overridden on the page
        assert names["forgive"](Queue("default", connection)) == 1
    finally:
        asyncio.run(Repid(connection).magic_disconnect())
    bucket = heard.result_sync()
    assert bucket is not None
    assert bucket.value == {"heard": "hello"}
    (later,) = connection.message_broker.find(["engaged"])
    assert (later.state, later.tries) == (MessageState.READY, 1)
    assert capsys.readouterr().out == "hung up\n"
