"""Processes that are measured: started, watched through /proc, stopped with all their children."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

GRACE = 1.0


class Worker:
    """A worker of whatever system, in a process group of its own."""

    def __init__(self, command: list[str], environment: dict[str, str], cwd: Path) -> None:
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self.started_ns = time.monotonic_ns()
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def tail(self, length: int = 600) -> str:
        """Return the end of what it printed."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-length:].strip()

    def stop(self) -> None:
        """Ask it to end; after some seconds, end it and whatever it started."""
        if not self.ended:
            self.process.terminate()
            try:
                self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # the group that this object made
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()

    # ---- What it uses.

    def _members(self) -> list[Path]:
        """Return the /proc folders of the processes in its group."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            if int(fields[2]) == self.process.pid:
                found.append(stat.parent)
        return found

    def cpu_seconds(self) -> float:
        """Return the processor time it has used."""
        total = 0
        for folder in self._members():
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> tuple[float, float]:
        """Return its resident and its proportional size."""
        sizes = {"Rss:": 0, "Pss:": 0}
        for folder in self._members():
            for line in (folder / "smaps_rollup").read_text().splitlines():
                name, *rest = line.split()
                if name in sizes:
                    sizes[name] += int(rest[0])
        return sizes["Rss:"] / 1024, sizes["Pss:"] / 1024
