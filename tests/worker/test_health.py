"""Health checks over HTTP, asked by real sockets."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection

import pytest
from asgiref.sync import sync_to_async

from django_repid import (
    BrokerUnavailable,
    ConfigurationError,
    HealthCheckServer,
    HealthCheckServerSettings,
    HealthCheckStatus,
    Job,
    Router,
    Worker,
)
from django_repid.worker import health
from tests import stores

pytestmark = pytest.mark.usefixtures("each_store")

HERE = HealthCheckServerSettings(address="127.0.0.1", port=0)


def ask(port: int, path: str = "/healthz", method: str = "GET") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def raw(port: int, *pieces: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        for piece in pieces:
            line.sendall(piece)
        answer = b""
        while some := line.recv(4096):
            answer += some
        return answer


def beside_server(look: Callable[[HealthCheckServer], None]) -> None:
    async def play() -> None:
        server = HealthCheckServer(HERE)
        await server.start()
        try:
            await asyncio.to_thread(look, server)
        finally:
            await server.stop()

    stores.run(play())


def beside_worker(look: Callable[[int], None], router: Router, connection: object = None) -> None:
    async def play() -> None:
        worker = Worker(
            [router],
            connection=connection or stores.connection(),  # type: ignore[arg-type]  # a connection, if any
            handle_signals=(),
            run_health_check_server=True,
            health_check_server_settings=HERE,
        )
        running = asyncio.create_task(worker.run())
        while worker.health_check_server is None or not worker.health_check_server.port:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
        try:
            await sync_to_async(look)(worker.health_check_server.port)
        finally:
            worker.stop()
            await running

    stores.run(play())


@pytest.fixture
def router() -> Router:
    made = Router()

    @made.actor
    async def nothing() -> None: ...

    @made.actor
    async def block(seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - a bad actor

    return made


def until(port: int, status: int) -> str:
    end = time.monotonic() + 20
    while (answer := ask(port))[0] != status:
        assert time.monotonic() < end, answer
        time.sleep(0.02)
    return answer[1]


def test_a_program_can_say_how_it_is() -> None:
    def look(server: HealthCheckServer) -> None:
        assert ask(server.port) == (200, "200 OK")
        server.health_status = HealthCheckStatus.UNHEALTHY
        assert ask(server.port) == (503, "503 UNHEALTHY")
        assert ask(server.port, "/livez") == (200, "200 OK")

    beside_server(look)


def test_what_it_does_not_know_is_refused() -> None:
    def look(server: HealthCheckServer) -> None:
        assert ask(server.port, "/healthz?verbose=1")[0] == 200
        assert ask(server.port, method="HEAD") == (200, "")
        assert ask(server.port, "/")[0] == 404
        assert ask(server.port, method="POST")[0] == 405
        for nonsense in (
            b"\r\n\r\n",
            b"GET\r\n\r\n",
            b"\xff\x00\r\n\r\n",
            b"GET x HTTP/1.1\r\n\r\n",
        ):
            assert raw(server.port, nonsense).startswith(b"HTTP/1.1 400 ")
        assert raw(server.port, b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000)[:12] in (
            b"HTTP/1.1 431",
            b"",
        )

    beside_server(look)


def test_whoever_is_slow_is_left_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_REQUEST_SECONDS", 0.5)

    def look(server: HealthCheckServer) -> None:
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for line in slow:
            line.sendall(b"GET /hea")
        before = time.monotonic()
        assert ask(server.port)[0] == 200
        assert time.monotonic() - before < 0.4
        for line in slow:
            line.settimeout(5)
            assert line.recv(100) == b""
            line.close()

    beside_server(look)


def test_a_crowd_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_MOST_CONNECTIONS", 2)

    def look(server: HealthCheckServer) -> None:
        crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
        for line in crowd:
            line.sendall(b"GET")
        time.sleep(0.1)  # until both are served
        assert raw(server.port) == b""
        for line in crowd:
            line.close()

    beside_server(look)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = HealthCheckServerSettings("127.0.0.1", other.getsockname()[1])

        with pytest.raises(ConfigurationError, match="cannot listen on 127"):
            stores.run(HealthCheckServer(settings).start())


def test_a_worker_is_ready_also_while_an_actor_blocks_its_loop(router: Router) -> None:
    connection = stores.connection()

    def look(port: int) -> None:
        until(port, 200)
        Job("block", args={"seconds": 1.0}, connection=connection).enqueue_sync()
        time.sleep(0.3)
        before = time.monotonic()
        assert ask(port)[0] == 200
        assert time.monotonic() - before < 0.5

    beside_worker(look, router, connection)


def test_a_store_that_is_away_makes_it_unready_and_not_dead(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = stores.connection()
    away = threading.Event()
    claim = connection.message_broker.claim

    def unreliable(*args: object) -> object:
        if away.is_set():
            raise BrokerUnavailable("gone")
        return claim(*args)  # type: ignore[arg-type]  # what it was given

    monkeypatch.setattr(connection.message_broker, "claim", unreliable)

    def look(port: int) -> None:
        until(port, 200)
        away.set()
        assert "the store was last reached" in until(port, 503)
        assert ask(port, "/livez")[0] == 200
        away.clear()
        until(port, 200)

    beside_worker(look, router, connection)
