"""Dependencies that run in other processes, which import them from here."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

from django.apps import apps

from django_repid import Depends, MessageDependency


def folder(msg: MessageDependency) -> str:
    """Made in the worker, of the job's arguments."""
    given = json.loads(msg.raw_payload)["folder"]
    assert isinstance(given, str)
    return given


def pid() -> int:
    return os.getpid()


def described(where: Annotated[str, Depends(folder)]) -> str:
    return f"{where} {'ready' if apps.ready else 'not ready'}"


def fail() -> None:
    raise ValueError("over there")


def die_once(where: Annotated[str, Depends(folder)]) -> int:
    here = Path(where) / "died"
    if not here.exists():
        here.touch()
        os._exit(3)
    return os.getpid()


def hang(where: Annotated[str, Depends(folder)]) -> None:
    (Path(where) / "hangs").write_text(str(os.getpid()))
    (Path(where) / "written").touch()
    time.sleep(600)
