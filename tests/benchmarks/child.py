"""What runs in a process of its own, beside the one that measures: `python -m …child VERB …`.

The system is named by the environment. The last line that is printed is the answer, as JSON.
"""

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def main() -> None:
    """Do what the command line says."""
    verb, *arguments = sys.argv[1:]
    if os.environ.get("DJANGO_SETTINGS_MODULE"):
        import django

        django.setup()
    system = import_module(f"tests.benchmarks.{os.environ['REPID_BENCH_MODULE']}")
    print(json.dumps(_verb(verb, system)(*arguments)))


def _verb(verb: str, system: Any) -> Callable[..., Any]:
    if verb == "prepare":
        prepare: Callable[..., Any] = system.prepare
        return prepare
    if verb == "enqueue":
        return lambda count, actor: system.enqueue(int(count), actor)
    module, _, name = verb.rpartition(".")
    probe = getattr(import_module(f"tests.benchmarks.probes.{module}"), name)
    return lambda *arguments: probe(system, *arguments)


if __name__ == "__main__":
    main()
