"""The server is there, and refuses: connections, writes, or everything again and again."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.outages.kit import (
    BACK_AT_WORK_SECONDS,
    BROKER_SAYS,
    Stage,
    at_work_since,
    eventually,
    on_mariadb,
    on_postgres,
    said_it_once,
)
from tests.outages.servers import Proxy

pytestmark = [pytest.mark.harsh, pytest.mark.timeout(120)]

REFUSED_SECONDS = 3.0


def kill_connections(stage: Stage, but: tuple[int, ...] = ()) -> int:
    """End every connection but our own ones; return how many there were."""
    kept = ", ".join(map(str, but or (0,)))
    if stage.kind == "postgres":
        (row,) = stage.query(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = "
            f"'client backend' AND pid <> pg_backend_pid() AND pid NOT IN ({kept})"
        )
        return int(row[0])
    found = stage.query(
        "SELECT id FROM information_schema.processlist WHERE id <> connection_id() "
        f"AND user = 'shop' AND id NOT IN ({kept})"
    )
    for (one,) in found:
        with contextlib.suppress(Exception):  # it has gone by itself
            stage.query(f"KILL {one}")
    return len(found)


def test_workers_whose_connections_are_killed_again_and_again_lose_no_job_and_run_none_twice(
    stage: Stage,
) -> None:
    stage.enqueue("short", count=1000)
    with stage.worker("w1") as one, stage.worker("w2") as two:
        eventually(lambda: len(stage.ledger("ended")) >= 50)
        end = time.monotonic() + 5
        rounds = 0
        while time.monotonic() < end:
            rounds += 1
            kill_connections(stage)
            time.sleep(0.2)
        back = time.time()
        stage.enqueue("short", 1000, 200)
        eventually(lambda: at_work_since(stage, back) >= {one.pid, two.pid})
        took = time.time() - back
        stage.all_is_done()
        one.stop()
        two.stop()

    assert took <= BACK_AT_WORK_SECONDS
    stage.each_ran_once(1200)
    for worker in (one, two):
        assert worker.said.count(BROKER_SAYS) <= rounds
        assert [line for line in worker.troubles if "cannot" not in line] == []


def set_read_only(stage: Stage, on: bool) -> None:
    if stage.kind == "postgres":
        stage.server.execute(f"ALTER SYSTEM SET default_transaction_read_only = {on}")
        stage.server.execute("SELECT pg_reload_conf()")
    else:
        stage.server.execute(f"SET GLOBAL read_only = {int(on)}")


@contextmanager
def read_only(stage: Stage, proxy: Proxy) -> Iterator[None]:
    """As a primary that has become a standby."""
    set_read_only(stage, True)
    yield
    set_read_only(stage, False)


@contextmanager
def refused(stage: Stage, proxy: Proxy) -> Iterator[None]:
    """As a host whose server is not there."""
    proxy.refuse()
    proxy.drop()
    yield
    proxy.resume()


@pytest.mark.parametrize("actor", ["held", "held_async"])
@pytest.mark.parametrize("outage", [read_only, refused])
def test_a_refusing_server_is_waited_for_and_what_ended_meanwhile_is_settled(
    stage: Stage, outage: Callable[[Stage, Proxy], Any], actor: str
) -> None:
    stage.enqueue(actor, 0)
    stage.enqueue("short", 1)
    with Proxy(stage.server.port) as proxy, stage.worker(**proxy.environment) as worker:
        eventually(lambda: stage.began(0) and len(stage.messages()) == 1)
        with outage(stage, proxy):
            stage.release(0)
            time.sleep(REFUSED_SECONDS)
            assert len(stage.messages()) == 1
        back = time.time()

        stage.all_is_done(BACK_AT_WORK_SECONDS)
        stage.enqueue("short", 2)
        stage.all_is_done()
        worker.stop()

    (line,) = (line for line in stage.ledger("began") if line.number == 2)
    assert line.at - back <= BACK_AT_WORK_SECONDS
    stage.each_ran_once(3)
    said_it_once(worker)


@pytest.fixture(params=["postgres", "mariadb"])
def small(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A server that takes few connections."""
    made = {"postgres": on_postgres, "mariadb": on_mariadb}[request.param]
    with made(max_connections="12") as stage:
        yield stage


@contextmanager
def exhausted(stage: Stage) -> Iterator[None]:
    """Hold every connection that the server has, those of workers too."""
    control = stage.server.connect("outage")
    mine: list[Any] = [control]

    def ask(sql: str) -> list[Any]:
        cursor = control.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())

    stage.query = ask  # type: ignore[method-assign]  # there is no other connection to be had
    try:
        for _ in range(100):
            killed = kill_connections(stage, tuple(map(id_of, mine)))
            if not more(stage, mine) and not killed:
                break
        yield
    finally:
        del stage.query
        for one in mine:
            one.close()


def id_of(connection: Any) -> int:
    """What the server calls a connection."""
    on_mariadb = hasattr(connection, "thread_id")
    return int(connection.thread_id() if on_mariadb else connection.info.backend_pid)


def more(stage: Stage, mine: list[Any]) -> bool:
    """Open as many connections as there are; whether there was one."""
    before = len(mine)
    with contextlib.suppress(Exception):
        while True:
            mine.append(stage.server.connect("outage"))
    return len(mine) > before


def test_a_server_without_a_free_connection_is_waited_for(small: Stage) -> None:
    small.enqueue("held", 0)
    with small.worker() as worker:
        eventually(lambda: small.began(0))
        with exhausted(small):
            eventually(lambda: BROKER_SAYS in worker.said)
            before = worker.said.count(BROKER_SAYS)  # it may have got through between two of ours
            small.release(0)
            time.sleep(REFUSED_SECONDS)
            assert len(small.messages()) == 1
        small.all_is_done(BACK_AT_WORK_SECONDS)
        small.enqueue("short", 1)
        small.all_is_done(BACK_AT_WORK_SECONDS)
        worker.stop()

    small.each_ran_once(2)
    assert worker.said.count(BROKER_SAYS) <= before + 1
    assert [line for line in worker.troubles if "cannot" not in line] == []
