"""Programs beside the tests: Chromium, and servers in processes of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.acceptance.kit import ROOT, command, environment, eventually

if TYPE_CHECKING:  # It is in a group of its own: these modules import without it.
    from playwright.sync_api import Browser

_FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
#: Its guards against blocking calls are those of the servers; see `conftest.chromium`.
GUARDED = {"DJANGO_ALLOW_ASYNC_UNSAFE": ""}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Have the machine's own Chromium: nothing is downloaded."""
    from playwright.sync_api import expect, sync_playwright

    path = os.environ.get("REPID_CHROMIUM") or shutil.which("chromium")
    assert path, "There is no Chromium; on Debian: apt-get install chromium"
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # which root cannot have
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_FLAGS, *sandbox])
        yield browser
        browser.close()


@contextmanager
def demo(folder: Path) -> Iterator[str]:
    """Have what `make demo` starts, with its files in a folder; yield its address."""
    port = _free_port()
    more = {**os.environ, **GUARDED, "PORT": str(port), "DEMO_FOLDER": str(folder)}
    more.pop("DJANGO_SETTINGS_MODULE", None)
    with _server([sys.executable, "testproject/demo.py"], more, folder / "log", port) as url:
        yield url


@contextmanager
def project(folder: Path) -> Iterator[str]:
    """Have a server of the tests' project on the tests' database; yield its address."""
    port = _free_port()
    words = command("runserver", f"127.0.0.1:{port}", "--noreload", "--insecure")
    more = environment(DJANGO_SETTINGS_MODULE="tests.browser.settings", **GUARDED)
    with _server(words, more, folder / "log", port) as url:
        yield url


@contextmanager
def _server(words: Sequence[str], more: Mapping[str, str], log: Path, port: int) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            words, cwd=ROOT, env=more, stdout=stream, stderr=stream, start_new_session=True
        )

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    try:
        eventually(answers, 60)
        yield url
    finally:
        _end(process)
        print(log.read_text())


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=40)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
