"""A master that dies: its sentinels name another, and the brokers follow."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from django_repid import BrokerUnavailable, Connection, RedisBucketBroker, RedisMessageBroker
from django_repid.testing.contract.kit import Stage, ack, new
from tests.acceptance.kit import eventually
from tests.on_redis.kit import answers, free_port, server

pytestmark = pytest.mark.redis


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[tuple[int, int, int]]:
    """Have a replica and a sentinel, and a master that the test may kill."""
    with ExitStack() as stack:
        folders = [tmp_path / name for name in ("master", "replica", "sentinel")]
        for folder in folders:
            folder.mkdir()
        master = stack.enter_context(server(folders[0]))
        replica = stack.enter_context(server(folders[1], "--replicaof", "127.0.0.1", str(master)))
        with redis.Redis(port=replica) as client:
            eventually(lambda: client.info("replication")["master_link_status"] == "up", 20)
        sentinel = free_port()
        (folders[2] / "sentinel.conf").write_text(
            f"port {sentinel}\ndir {folders[2]}\n"
            f"sentinel monitor mymaster 127.0.0.1 {master} 1\n"
            "sentinel down-after-milliseconds mymaster 500\n"
            "sentinel failover-timeout mymaster 3000\n"
        )
        process = stack.enter_context(
            subprocess.Popen(
                ["redis-server", str(folders[2] / "sentinel.conf"), "--sentinel"],
                stdout=subprocess.DEVNULL,
            )
        )
        stack.callback(process.kill)
        eventually(lambda: answers(sentinel), 20)
        with redis.Redis(port=sentinel) as asked:
            eventually(lambda: len(asked.sentinel_slaves("mymaster")) == 1, 30)
        yield master, replica, sentinel


def test_a_failover_is_followed(settings: Any, ports: tuple[int, int, int]) -> None:
    master, replica, sentinel = ports
    settings.CACHES = {
        "queue": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://mymaster/0",
            "OPTIONS": {
                "CLIENT_CLASS": "django_redis.client.SentinelClient",
                "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
                "SENTINELS": [("127.0.0.1", sentinel)],
            },
        }
    }
    buckets = RedisBucketBroker(cache="queue", use_result_bucket=True)
    stage = Stage(Connection(RedisMessageBroker(cache="queue"), None, buckets))
    stage.enqueue(new(id_="before"))
    with redis.Redis(port=replica) as client:
        eventually(lambda: client.hexists("{repid}:ids", "before"), 10)
    with redis.Redis(port=master) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)

    with pytest.raises(BrokerUnavailable, match="mymaster"):
        stage.enqueue(new(id_="lost"))
    with redis.Redis(port=replica) as client:
        eventually(lambda: client.role()[0] == b"master", 30)
    began = time.monotonic()
    eventually(lambda: _enqueued(stage), 10)

    assert time.monotonic() - began < 5
    taken = stage.claim()
    assert {message.key.id_ for message in taken} == {"before", "after"}
    assert not stage.settle(*map(ack, taken))


def _enqueued(stage: Stage) -> bool:
    try:
        stage.enqueue(new(id_="after"))
    except BrokerUnavailable:
        return False
    return True
