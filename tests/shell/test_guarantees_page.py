"""The page of guarantees names a test for each cell: they are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(test_\w+)`", (ROOT / "docs/explanation/guarantees.md").read_text("utf-8"))


def test_every_test_that_the_page_names_exists_and_is_expected_to_pass() -> None:
    places = (ROOT / "tests", ROOT / "django_repid" / "testing")
    source = "\n".join(path.read_text("utf-8") for where in places for path in where.rglob("*.py"))
    found = re.findall(r"((?:^ *@[^\n]*\n)*)^ *(?:async )?def (test_\w+)", source, re.MULTILINE)
    there = {name: marks for marks, name in found}

    assert len(NAMED) > 40
    assert [name for name in NAMED if name not in there] == []
    assert [name for name in NAMED if "xfail" in there[name] or "skip" in there[name]] == []
