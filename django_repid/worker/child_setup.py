"""What a new process of a worker's does first."""

from importlib import import_module


def set_up(setup: str | None) -> None:
    """Do what the host asks of a new process: `Host.child_setup`, "module:function"."""
    if setup:
        module, _, function = setup.partition(":")
        getattr(import_module(module), function)()
