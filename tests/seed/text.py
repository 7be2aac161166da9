"""The seed's text, its code blocks, and the edits without which they cannot run here.

The edits are the contract's: a stray comma goes, `repid` becomes `django_repid`, and a fragment
with a top-level `await` is wrapped in a coroutine. Besides, brokers can be replaced by those of
another store; those in Redis are told where it is by the name `place`.
"""

import re
import textwrap
from pathlib import Path
from typing import Any

TEXT = (Path(__file__).parent / "arguments_and_results.md").read_text(encoding="utf-8")

_NAMES = (
    "connection",
    "actor",
    "enqueue",
    "store_result",
    "result",
    "ids",
    "chain",
    "example",
    "ttl",
    "no_ttl",
)
_BLOCKS = re.findall(r"^```python[^\n]*\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
RAW = dict(zip(_NAMES, _BLOCKS, strict=True))


def block(name: str, brokers: str = "InMemory") -> str:
    """Return a code block as it can run, with the brokers of this kind."""
    text = RAW[name]
    text = text.replace("InMemoryBucketBroker(,", "InMemoryBucketBroker(")
    text = text.replace("from repid import", "from django_repid import")
    text = re.sub(r"(?<=Broker\()(\s*)redis_\w+_dsn,?", r"\1", text)
    if brokers == "Redis":
        text = re.sub(r"(?<=Broker\()", "**place, ", text)
    return re.sub(r"\b(?:Redis|InMemory)(Message|Bucket)Broker\b", rf"{brokers}\1Broker", text)


def wrapped(text: str) -> str:
    """Return a fragment as the body of a coroutine function `fragment`, which returns its names."""
    return f"async def fragment():\n{textwrap.indent(text, '    ')}\n    return locals()\n"


def names_of(text: str, **given: Any) -> dict[str, Any]:
    """Run a block as a module, and return its names."""
    namespace: dict[str, Any] = {"__name__": "seed_example", **given}
    exec(compile(text, "<seed>", "exec"), namespace)
    return namespace


async def play(text: str, **given: Any) -> dict[str, Any]:
    """Run a fragment inside the running event loop, and return its names."""
    found: dict[str, Any] = await names_of(wrapped(text), **given)["fragment"]()
    return found


def squeezed(text: str) -> str:
    """Return text with single spaces, so that line breaks do not count."""
    return " ".join(text.split())
