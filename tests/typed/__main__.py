"""Hold a user's project under mypy --strict and strict pyright.

Both must find a fault in every line that ends in a comment `# wrong: …`, and in no other.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE / "shop"

#: A line of a file, by the file's name.
Place = tuple[str, int]


def main() -> int:
    failed = False
    meant = wrong_lines()
    for name, check in (("mypy", mypy), ("pyright", pyright)):
        found = check()
        for place in sorted(found.keys() | meant):
            if (place in found) != (place in meant):
                failed = True
                what = found.get(place, "no fault found, although the line is wrong")
                print(f"{name}: {PROJECT / place[0]}:{place[1]}: {what}")
        print(f"{name}: {len(found.keys() & meant)} of {len(meant)} mistakes found", flush=True)
    return int(failed)


def wrong_lines() -> set[Place]:
    return {
        (path.name, number)
        for path in PROJECT.glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "  # wrong: " in line
    }


def mypy() -> dict[Place, str]:
    command = ["mypy", "--config-file", str(HERE / "mypy.ini"), "--no-error-summary", str(PROJECT)]
    output = run(command, may_end_with={0, 1})
    lines = re.findall(r"^(.+?):(\d+): error: (.*)$", output, re.MULTILINE)
    return {(Path(file).name, int(number)): text for file, number, text in lines}


def pyright() -> dict[Place, str]:
    command = ["basedpyright", "--outputjson", "-p", str(HERE), "--pythonpath", sys.executable]
    report = json.loads(run(command, may_end_with={0, 1}))
    return {
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1): one["message"]
        for one in report["generalDiagnostics"]
        if one["severity"] == "error"
    }


def run(words: list[str], may_end_with: set[int]) -> str:
    """Run a module. A checker that broke down has found nothing, which is no praise."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=False)
    if done.returncode not in may_end_with:
        sys.exit(f"{words[0]} ended with code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
