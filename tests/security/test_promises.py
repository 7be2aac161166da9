"""SECURITY.md names a test for each promise: they are there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text("utf-8"))


def test_every_test_that_security_md_names_exists_and_is_expected_to_pass() -> None:
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    found = re.findall(r"((?:^@[^\n]*\n)*)^(?:async )?def (test_\w+)", source, re.MULTILINE)
    there = {name: marks for marks, name in found}

    assert len(NAMED) > 30
    assert [name for name in NAMED if name not in there] == []
    assert [name for name in NAMED if "xfail" in there[name]] == []


def test_every_test_of_security_holds_a_promise_or_guards_another() -> None:
    """Each file of these tests is named by at least one promise."""
    for path in Path(__file__).parent.glob("test_*.py"):
        if path.name in ("test_promises.py", "test_redaction.py"):
            continue
        assert any(f"def {name}(" in path.read_text("utf-8") for name in NAMED), path.name
