"""`repid_worker --health-check`: what orchestrators ask."""

import signal
import socket
from http.client import HTTPConnection

import pytest

from tests.acceptance.kit import eventually, run, worker

pytestmark = [pytest.mark.store, pytest.mark.django_db(transaction=True)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def status(port: int, path: str) -> int | None:
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None


def test_a_worker_tells_that_it_is_ready_and_that_it_lives() -> None:
    port = free_port()
    with worker("--health-check", f"127.0.0.1:{port}") as one:
        eventually(lambda: status(port, "/healthz") == 200)
        assert status(port, "/livez") == 200
        one.send(signal.SIGTERM)
        code, output = one.wait()

    assert code == 0, output


@pytest.mark.parametrize("nonsense", ["", "http", "1.2.3.4", "0", "70000", "localhost:"])
def test_a_flag_that_is_no_port_is_said(nonsense: str) -> None:
    done = run("repid_worker", f"--health-check={nonsense}")

    assert done.returncode == 2
    assert "--health-check wants [ADDRESS:]PORT" in done.stderr


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run("repid_worker", "--health-check", f"127.0.0.1:{other.getsockname()[1]}")

    assert done.returncode == 2
    assert "cannot listen" in done.stderr
