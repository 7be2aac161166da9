"""Every code block of the seed, on each store."""

import asyncio
import json
from typing import Any

from django_repid import Job, Worker
from tests.seed.text import RAW, TEXT, block, names_of, play

MESSAGES = ["This is your first message!", "Hi Alex! Your id is: 123."]


def jobs_of(name):
    """Run a fragment that only makes jobs and keeps none of them; return the jobs."""
    made = []

    def remember(*args, **kwargs):
        made.append(Job(*args, **kwargs))
        return made[-1]

    names_of(block(name), Job=remember)
    return made


async def jobs_in_coroutine(name):
    return jobs_of(name)


def prepared(store) -> Any:
    """Return the connection and the router of the first two blocks."""
    connection = names_of(block("connection", store.brokers), **store.names)["my_connection"]
    return connection, names_of(block("actor"))["router"]


def test_every_code_block_of_the_text_has_its_test_here():
    assert len(RAW) == TEXT.count("```python") == 10
    tests = " ".join(name for name in globals() if name.startswith("test_block_"))
    assert all(f"test_block_{name}_" in tests for name in RAW)


def test_block_connection_makes_a_connection(store):
    connection, _ = prepared(store)
    assert type(connection).__qualname__ == "Connection"
    assert type(connection.message_broker) is type(store.message_broker())
    assert type(connection.args_bucket_broker) is type(store.bucket_broker())
    assert connection.results_bucket_broker.use_result_bucket
    assert not connection.args_bucket_broker.use_result_bucket


def test_block_actor_registers_an_actor_that_is_still_a_function():
    names = names_of(block("actor"))
    assert names["router"].topics == {"actor_with_args"}
    answer = names["actor_with_args"](1, "Alex", ["first"])
    assert asyncio.run(answer) == ["first", "Hi Alex! Your id is: 1."]


def test_block_enqueue_passes_the_arguments_to_the_actor(store):
    connection, router = prepared(store)
    stored = []

    def after_store_bucket(payload):
        stored.append(payload)

    store.run(play(block("enqueue")), connection)
    connection.middleware.add_subscriber(after_store_bucket)
    assert store.work(connection, router) == 1
    assert [bucket.value for bucket in stored] == [MESSAGES]


def test_block_store_result_makes_a_job_that_stores_its_result(store, connection):
    (job,) = store.run(jobs_in_coroutine("store_result"), connection)
    assert (job.name, job.store_result) == ("some_job", True)


def test_block_result_prints_the_result_bucket(store, monkeypatch, capsys):
    """Where the text sleeps for the job to complete, a worker completes it.

    `test_scripts` lets it sleep.
    """
    connection, router = prepared(store)

    async def complete(seconds):
        assert seconds == 1.0
        worker = Worker([router], messages_limit=1, handle_signals=())
        assert (await worker.run()).processed == 1

    monkeypatch.setattr(asyncio, "sleep", complete)
    names = store.run(play(block("result")), connection)
    bucket = names["result_bucket"]
    assert bucket.success
    assert json.loads(bucket.data) == bucket.value == MESSAGES
    assert capsys.readouterr().out == f"{bucket}\n"


def test_block_ids_makes_a_job_with_the_ids_it_chose(store, connection):
    (job,) = store.run(jobs_in_coroutine("ids"), connection)
    assert (job.args_id, job.result_id) == ("my_args_id", "my_result_id")


def test_block_chain_makes_two_jobs_that_share_a_bucket(store, connection):
    first, second = store.run(jobs_in_coroutine("chain"), connection)
    assert first.result_id == second.args_id == "my_chained_id"


def test_block_example_chains_two_jobs(store, capsys):
    """Its brokers are replaced by those of this store; `tests.on_redis` has its own."""
    names = names_of(block("example", store.brokers), **store.names)
    store.run(names["main"]())
    assert json.loads(capsys.readouterr().out) == [
        "This is your first message!",
        "Hello Alex!",
        "Your id is 123.",
    ]


def test_block_ttl_makes_a_job_whose_buckets_expire(store, connection):
    (job,) = store.run(jobs_in_coroutine("ttl"), connection)
    assert (job.args_ttl.days, job.result_ttl.days) == (14, 5)


def test_block_no_ttl_makes_a_job_whose_buckets_never_expire(store, connection):
    (job,) = store.run(jobs_in_coroutine("no_ttl"), connection)
    assert (job.args_ttl, job.result_ttl) == (None, None)
