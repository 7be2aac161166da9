"""The Python of these pages runs as it stands, from the first block to the last."""

import re

import pytest

from django_repid.signals import job_failed
from tests.core.kit import ROOT


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
