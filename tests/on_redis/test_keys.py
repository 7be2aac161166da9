"""What the brokers leave in Redis, and where."""

import random
import time
from datetime import timedelta
from typing import Any

import pytest
import redis

from django_repid.core import settlement
from django_repid.core.message import MessageCategory, MessageState
from django_repid.testing.contract.kit import HOUR, Stage, ack, bury, ids, new, record, retry
from django_repid.testing.contract.renewal import ended, recurring
from tests.acceptance.kit import eventually
from tests.on_redis.kit import URL, connection_on, emptied, keys_of, server, url_of

pytestmark = pytest.mark.redis


@pytest.fixture
def prefix():
    with emptied() as found:
        yield found


@pytest.fixture
def stage(prefix: str):
    return Stage(connection_on(URL, prefix))


def names(prefix: str) -> set[str]:
    return {key.decode().removeprefix(f"{{{prefix}}}:") for key in keys_of(prefix)}


def test_whatever_jobs_go_through_they_leave_no_key_behind(stage: Stage, prefix: str) -> None:
    """A long random walk through every state: in the end only counters are left."""
    dice = random.Random(7)
    broker, results = stage.broker, stage.connection.results_bucket_broker
    assert results is not None
    for step in range(300):
        now = broker.now_us()
        chosen = dice.choice(["a", "b", "c", None])
        policy = dice.choice(["skip", "replace"])
        if step % 3 == 0:
            tick, args_id = now - dice.randrange(2) * HOUR, dice.choice(["x", None])
            stage.enqueue(recurring(tick, id_=dice.choice("rst"), args_id=args_id))
        waits: dict[str, Any] = {"payload": None, "args_id": dice.choice(["x", "y"])}
        stage.enqueue(
            new(
                queue=dice.choice(["q", "p"]),
                priority=dice.randrange(3),
                id_=chosen,
                on_duplicate=policy if chosen else None,
                **(waits if dice.random() < 0.5 else {}),
            )
        )
        broker.ask_cancel(dice.choice("abcrst"))
        for message in stage.claim(3):
            waiting = settlement.again(message, run_at=now, tries=1, waits_for="x")
            end = dice.choice(
                [
                    ack(message, record("y", now=now, ttl=None)),
                    retry(message, run_at=now),
                    bury(message, at=now - HOUR),
                    waiting,
                ]
            )
            if message.tick is not None and dice.random() < 0.5:
                end = ended(message, now)
            stage.settle(end)
        if found := broker.seize(dice.choice("abcrst"), [MessageState.READY, MessageState.DEAD]):
            stage.settle(settlement.anew(found, at=now))
        if step % 20 == 0:
            victim = stage.register("victim")
            stage.claim(2, worker_id=victim)
            broker.rescue(victim, 0)

    stage.enqueue(recurring(broker.now_us() - HOUR, id_="z", args_id="x"))
    stage.settle(*[retry(m, run_at=m.run_at + 9 * HOUR) for m in stage.claim(10_000)])
    stage.enqueue(recurring(broker.now_us() + HOUR, id_="z", args_id="y"))  # for its next tick
    for queue in ("q", "p", "default"):
        broker.flush(queue, 10_000)
    broker.prune(broker.now_us(), 0, 10_000)
    results.delete(["x", "y", "r1"])
    stage.close()
    broker.rescue_orphans()

    assert names(prefix) == {"seq", "worker_seq"}


def test_nothing_outside_the_prefix_is_touched(stage: Stage, prefix: str) -> None:
    with emptied() as other:
        elsewhere = Stage(connection_on(URL, other))
        elsewhere.enqueue(new(id_="one"))
        with redis.Redis.from_url(URL) as client:
            client.set(f"{{{prefix}}}x", "theirs", px=60_000)
            stage.enqueue(new(id_="one"))
            stage.settle(ack(stage.claim_one()))
            stage.broker.flush("default")

            assert client.get(f"{{{prefix}}}x") == b"theirs"
            client.delete(f"{{{prefix}}}x")
        assert ids(elsewhere.claim()) == ["one"]


@pytest.mark.parametrize(
    "payload",
    [
        '{"n": 1e400, "m": 12345678901234567890, "f": 0.1000000000000000055}',
        '{"t": "\\u0000 \\ud83d\\ude00 \\/ \n line"}',
        '{"t": "€ 😀"}',
        "",
        "not JSON\n\n!",
    ],
    ids=["numbers", "escapes", "letters", "empty", "lines"],
)
def test_a_payload_comes_back_as_it_was_to_the_byte(stage: Stage, payload: str) -> None:
    stage.enqueue(new(payload=payload, headers={"tenant": payload}))

    message = stage.claim_one()
    now = stage.broker.now_us()
    stage.settle(bury(message, at=now, reason=payload, result=record("r", payload, now=now)))

    assert (message.payload, message.headers) == (payload, {"tenant": payload})
    (dead,) = stage.broker.browse("default", MessageCategory.DEAD)
    assert (dead.payload, dead.dead_reason) == (payload, payload)
    found = stage.result("r")
    assert found is not None
    assert found.data == payload


def test_a_bucket_ends_by_itself(stage: Stage, prefix: str) -> None:
    now, results = stage.broker.now_us(), stage.connection.results_bucket_broker
    assert results is not None
    results.store([record("r", now=now, ttl=timedelta(milliseconds=300))])
    assert "b:r" in names(prefix)

    eventually(lambda: "b:r" not in names(prefix), 5)


def test_generated_ids_whose_bucket_is_gone_are_forgotten(stage: Stage, prefix: str) -> None:
    stage.enqueue(
        new(payload=None, args="{}", args_id="gone", args_ttl=1000, args_generated=True),
        new(payload=None, args="{}", args_id="there", args_generated=True),
    )
    time.sleep(0.01)
    args = stage.connection.args_bucket_broker
    assert args is not None

    assert args.generated(stage.broker.now_us() + HOUR, "", 1) == ["there"]
    with redis.Redis.from_url(URL) as client:
        assert client.zrange(f"{{{prefix}}}:generated", 0, -1) == [b"there"]


def test_a_cluster_has_all_of_it_in_one_slot(tmp_path) -> None:
    with (
        server(tmp_path, "--cluster-enabled", "yes") as port,
        redis.Redis.from_url(url_of(port)) as client,
    ):
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        eventually(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        stage = Stage(connection_on(url_of(port), "clustered"))
        stage.enqueue(
            *[new(queue=queue, payload=None, args="{}", args_id=queue) for queue in "abc"]
        )
        now = stage.broker.now_us()
        taken = stage.claim()
        stage.settle(*[ack(m, record(m.key.queue, now=now)) for m in taken])
        stage.broker.rescue(stage.worker_id, 0)
        stage.broker.pause("a")

        slots = {client.cluster("keyslot", key) for key in client.keys("*")}

    assert len(taken) == 3
    assert len(slots) == 1
