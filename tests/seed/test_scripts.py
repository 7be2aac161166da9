"""The seed's examples as bare scripts: another process, brokers in memory, no Django settings."""

import json
import textwrap

import pytest

from tests.core.kit import run_script
from tests.seed.text import block, wrapped

# A worker runs beside the fragment, as it would in a process of its own.
_MAIN = """
import asyncio
from django_repid import Repid, Worker

async def main():
    async with Repid(my_connection).magic(auto_disconnect=True):
        worker = asyncio.create_task(Worker([router], messages_limit=1).run())
        await fragment()
        print("processed", (await worker).processed)

asyncio.run(main())
"""


def test_the_connection_is_a_script():
    text = block("connection") + "print(my_connection)"
    assert run_script(text) == "<Connection (unnamed): InMemoryMessageBroker>\n"


def test_the_actor_is_a_script():
    text = block("actor") + "print(sorted(router.topics))"
    assert run_script(text) == "['actor_with_args']\n"


@pytest.mark.parametrize("name", ["enqueue", "result"])
def test_connection_actor_and_fragment_are_a_script_when_a_worker_runs_beside(name):
    text = block("connection") + block("actor") + wrapped(block(name)) + _MAIN
    printed = run_script(text)
    assert printed.endswith("processed 1\n")
    if name == "result":
        assert printed.startswith("ResultBucket(")
        assert "Hi Alex! Your id is: 123." in printed


@pytest.mark.parametrize("name", ["store_result", "ids", "chain", "ttl", "no_ttl"])
def test_a_fragment_that_makes_jobs_is_a_script_inside_magic(name):
    inside = textwrap.indent(block(name), "        ")
    text = f"""{block("connection")}
import asyncio
from django_repid import Job, Repid

async def main():
    async with Repid(my_connection).magic():
{inside}
        print("made")

asyncio.run(main())
"""
    assert run_script(text) == "made\n"


def test_the_example_of_a_chain_is_a_script():
    """With brokers in memory; `tests.on_redis` has those in Redis, word for word."""
    printed = run_script(block("example"))
    assert json.loads(printed) == [
        "This is your first message!",
        "Hello Alex!",
        "Your id is 123.",
    ]
