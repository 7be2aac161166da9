"""Runs the example project: the web server and a worker, side by side, until Ctrl-C.

    python testproject/demo.py          PORT=8001 chooses another port

Any Python will do that has Django, Pillow, Pygments and django_repid installed (or has the folder
above on PYTHONPATH). DEMO_FOLDER names another folder for the database and the files.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

FOLDER = Path(__file__).resolve().parent
HOST = "127.0.0.1"
START_SECONDS = 30.0
#: The worker gives its running jobs 5 seconds to end.
STOP_SECONDS = 15.0

Children = dict[str, subprocess.Popen[bytes]]


class Signals:
    """Counts Ctrl-C and SIGTERM, so that no step is torn apart by one."""

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1

    def came(self) -> bool:
        return self.count > 0


class Failed(Exception):
    """What ends the demo with exit code 1, in words."""


def main() -> int:
    signals = Signals()
    children: Children = {}
    try:
        port = free_port(os.environ.get("PORT", "8000"))
        # Without checks: on an empty database they would recommend what is done right here.
        for arguments in (["migrate", "--verbosity", "0", "--skip-checks"], ["demo_data"]):
            run(arguments, signals)
        if not signals.came():
            server = ["runserver", f"{HOST}:{port}", "--noreload"]
            # What it prints at its start is said better below; errors go to stderr.
            children["web server"] = start(server, stdout=subprocess.DEVNULL)
            # After five seconds a job of minutes is handed back, and runs anew at the next start.
            children["worker"] = start(
                ["repid_worker", "--no-reload", "--graceful-shutdown-time", "5"]
            )
        if children and wait_for_page(port, children, signals):
            greet(port)
        while not signals.came():
            check(children)
            time.sleep(0.2)
    except Failed as failed:
        say(str(failed))
        stop(children, signals)
        return 1
    say("\nStopping. Jobs that run may end first; Ctrl-C again to kill them.")
    stop(children, signals)
    say("Stopped.")
    return 0


def greet(port: int) -> None:
    say(
        f"""
  The page      http://{HOST}:{port}/
  The admin     http://{HOST}:{port}/admin/     (admin, password admin)

  Mails         {os.environ.get("DEMO_FOLDER", FOLDER)}/emails

  Ctrl-C stops both the web server and the worker.
"""
    )


def say(text: str) -> None:
    print(text, flush=True)  # Flushed, for whoever reads it through a pipe.


def free_port(wanted: str) -> int:
    """Return the wanted port, or the next one that nobody listens on."""
    if not wanted.isdecimal() or not 0 < int(wanted) < 65536:
        message = f"PORT must be a number from 1 to 65535, not {wanted!r}."
        raise Failed(message)
    first = int(wanted)
    for port in range(first, min(first + 50, 65536)):
        with socket.socket() as probe:
            if os.name != "nt":  # Where it means "even if just closed", as the server has it.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port != first:
            say(f"Port {first} is taken; using {port}.")
        return port
    message = f"No port from {first} on is free. Choose another one: PORT=9000"
    raise Failed(message)


def start(arguments: Sequence[str], stdout: int | None = None) -> subprocess.Popen[bytes]:
    """Start manage.py with these arguments.

    In a session of its own: Ctrl-C reaches only this program, which stops the others in order.
    """
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=FOLDER,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=stdout,
        start_new_session=True,
    )


def run(arguments: Sequence[str], signals: Signals) -> None:
    """Run manage.py to its end, unless a signal came before or comes meanwhile."""
    if signals.came():
        return
    child = start(arguments)
    while child.poll() is None:
        if signals.came():
            child.terminate()
        time.sleep(0.05)
    if child.returncode and not signals.came():
        message = f"manage.py {arguments[0]} failed, so the demo cannot run."
        raise Failed(message)


def wait_for_page(port: int, children: Children, signals: Signals) -> bool:
    """Wait until the page answers; return False if a signal came first."""
    deadline = time.monotonic() + START_SECONDS
    while not signals.came():
        check(children)
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=5):
                return True
        except urllib.error.HTTPError as error:
            message = f"The page answers with an error: {error}"
            raise Failed(message) from error
        except OSError:
            time.sleep(0.1)
        if time.monotonic() > deadline:
            message = f"The page did not answer within {START_SECONDS:.0f} seconds."
            raise Failed(message)
    return False


def check(children: Children) -> None:
    """Raise if one of the two has ended."""
    for name, child in children.items():
        if child.poll() is not None:
            message = f"The {name} has ended with exit code {child.returncode}."
            raise Failed(message)


def stop(children: Children, signals: Signals) -> None:
    """Ask both to end, wait, and kill what is left: late, or at one more Ctrl-C."""
    heard = signals.count
    deadline = time.monotonic() + STOP_SECONDS
    for child in children.values():
        child.terminate()
    while any(child.poll() is None for child in children.values()):
        if signals.count > heard or time.monotonic() > deadline:
            for child in children.values():
                child.kill()
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
