"""`manage.py repid_worker` on Redis: what it promises when processes and servers die."""

import os
import signal
from pathlib import Path

import pytest

from django_repid import Job, MessageCategory
from tests.acceptance.kit import eventually, run, worker
from tests.acceptance.test_worker_command import started
from tests.on_redis.kit import URL, connection_on, emptied, keys_of, server, url_of
from tests.shop.models import Order

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def prefix():
    with emptied() as found:
        yield found


def on_redis(prefix: str, url: str = URL) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "tests.on_redis.settings",
        "REPID_TEST_REDIS_PREFIX": prefix,
        "REPID_TEST_REDIS": url,
    }


def held_job(connection, folder: Path) -> Job:
    args = {"order_id": Order.objects.create().pk, "folder": str(folder)}
    job = Job("note_when_released", args=args, connection=connection, use_args_bucketer=False)
    job.enqueue_sync()
    return job


def test_jobs_run_and_leave_nothing_but_their_results_and_statistics(prefix: str) -> None:
    connection = connection_on(URL, prefix)
    jobs = [
        Job("add", args={"a": n, "b": 1}, connection=connection, use_args_bucketer=False)
        for n in range(300)
    ]
    order = Order.objects.create()
    Job.enqueue_many_sync(jobs)
    receipt = Job("send_receipt", args={"order_id": order.pk}, connection=connection)
    receipt.enqueue_sync()

    done = run("repid_worker", "--burst", **on_redis(prefix))

    assert done.returncode == 0, done.stderr
    assert "processed 301 jobs" in done.stdout
    assert "Redis 127.0.0.1:6379/15" in done.stdout
    assert [job.wait_sync(1).value for job in jobs] == [n + 1 for n in range(300)]
    assert receipt.wait_sync(1).value == "sent"
    names = {key.decode().split(":")[1] for key in keys_of(prefix)}
    assert names == {"b", "done", "seq", "worker_seq", "generated", "work", "minutes"}


def test_a_chain_is_run_in_either_order(prefix: str) -> None:
    connection = connection_on(URL, prefix)
    second = Job("add", args_id="chain", connection=connection)
    Job("pair", result_id="chain", connection=connection, priority=0).enqueue_sync()
    second.enqueue_sync()

    done = run("repid_worker", "--burst", **on_redis(prefix))

    assert done.returncode == 0, done.stderr
    assert second.wait_sync(1).success


def test_what_a_killed_worker_ran_is_run_by_another(prefix: str, tmp_path: Path) -> None:
    connection = connection_on(URL, prefix)
    job = held_job(connection, tmp_path)
    with worker(**on_redis(prefix)) as victim:
        eventually(lambda: started(tmp_path) == [victim.pid])
        victim.send(signal.SIGKILL)
        victim.wait()
        with worker(**on_redis(prefix)):
            eventually(lambda: len(started(tmp_path)) == 2)
            (tmp_path / "release").touch()
            assert job.wait_sync(20).value == "released"


def test_a_job_that_kills_its_worker_is_put_aside_and_bystanders_are_not(
    prefix: str, tmp_path: Path
) -> None:
    connection = connection_on(URL, prefix)
    args = {"how": "SIGKILL", "folder": str(tmp_path)}
    poison = Job("poison", args=args, connection=connection, use_args_bucketer=False)
    bystander = held_job(connection, tmp_path)
    with worker(**on_redis(prefix)) as victim:
        eventually(lambda: started(tmp_path))
        poison.enqueue_sync()
        victim.wait()
    with worker(**on_redis(prefix)) as second:
        (tmp_path / "release").touch()
        second.wait()
    with worker(**on_redis(prefix)):
        put_aside = poison.wait_sync(40)
        assert bystander.wait_sync(20).value == "released"

    assert put_aside.exception == "Quarantined"
    (dead,) = connection.message_broker.browse("default", MessageCategory.DEAD)
    assert dead.key.topic == "poison"


def test_a_frozen_worker_finds_its_lease_lost(prefix: str, tmp_path: Path) -> None:
    connection = connection_on(URL, prefix)
    job = held_job(connection, tmp_path)
    with worker(**on_redis(prefix)) as frozen:
        eventually(lambda: started(tmp_path) == [frozen.pid])
        frozen.send(signal.SIGSTOP)
        with worker(**on_redis(prefix)):
            eventually(lambda: len(started(tmp_path)) == 2)
            (tmp_path / "release").touch()
            assert job.wait_sync(20).value == "released"
            os.kill(frozen.pid, signal.SIGCONT)
            # Both live, and the one that was dead is known anew.
            eventually(lambda: len(connection.message_broker.peers(0)) == 2)
            frozen.send(signal.SIGTERM)
            code, said = frozen.wait()

    assert code == 0, said
    assert "LeaseLost" in said
    assert "processed 0 jobs" in said


def test_a_signal_hands_back_what_has_not_ended(prefix: str, tmp_path: Path) -> None:
    connection = connection_on(URL, prefix)
    job = held_job(connection, tmp_path)
    with worker("--graceful-shutdown-time", "0.5", **on_redis(prefix)) as one:
        eventually(lambda: started(tmp_path))
        one.send(signal.SIGTERM)
        one.wait()

    (waiting,) = connection.message_broker.browse("default", MessageCategory.NORMAL)
    assert waiting.spec.result_id == job.result_id
    assert (waiting.tries, waiting.crashes, waiting.suspicion) == (0, 0, 0)
    assert connection.message_broker.peers(0) == []


def test_a_server_that_comes_back_finds_the_worker_at_work(tmp_path: Path) -> None:
    """Started anew it has lost everything, also the scripts and who the workers are."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with server(folder) as port:
        given = on_redis("outage", url_of(port))
        connection = connection_on(url_of(port), "outage")
        with worker(**given) as one:
            eventually(lambda: connection.message_broker.peers(0))
            with_server = server(folder, port=port)
            kill(port)
            with with_server:
                job = Job("add", args={"a": 1, "b": 2}, connection=connection)
                job.enqueue_sync()
                assert job.wait_sync(10).value == 3
                one.send(signal.SIGTERM)
                code, said = one.wait()
    assert code == 0, said


def kill(port: int) -> None:
    import redis

    with redis.Redis.from_url(url_of(port)) as client:
        try:
            client.shutdown(nosave=True)
        except redis.ConnectionError:
            pass
