"""Finding actors: the routers in the `tasks` modules of the installed apps."""

import threading
from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from django_repid import conf
from django_repid.core.actor import Actor
from django_repid.core.errors import ActorConflict, ConfigurationError
from django_repid.core.router import Router

_lock = threading.RLock()
_found: Router | None = None


def router() -> Router:
    """Return one router with every actor of the project; imports the modules at its first call.

    Raises:
        ConfigurationError: the app registry is not ready, or a module does not import.
        ActorConflict: two actors have one name.

    """
    global _found  # noqa: PLW0603 - modules are imported once per process
    if _found is not None:
        return _found
    with _lock:
        if _found is None:
            _found = discover()
        return _found


def is_done() -> bool:
    """Whether the modules have been imported."""
    return _found is not None


def forget() -> None:
    """Discover again at the next question: the settings have changed."""
    global _found  # noqa: PLW0603 - as above
    with _lock:
        _found = None


def find_actor(name: str) -> Actor | None:
    """Return the actor of this name, or None if the project has none."""
    return router().actors.get(name)


def discover() -> Router:
    """Import the modules and collect their routers, now."""
    if not apps.ready:
        message = (
            "Actors are looked up once all apps are loaded. Make the job in a function, not while "
            "a module is imported."
        )
        raise ConfigurationError(message)
    name = conf.read("default").discover_module
    found = Router()
    for app in apps.get_app_configs():
        if module_has_submodule(app.module, name):
            for one in _routers(f"{app.name}.{name}"):
                found.include_router(one)
    return found


def _routers(path: str) -> list[Router]:
    try:
        module = import_module(path)
    except ActorConflict:
        raise  # it says more than that the module does not import
    except Exception as error:
        message = f"{path} does not import: {type(error).__name__}: {error}"
        raise ConfigurationError(message) from error
    return [value for value in vars(module).values() if isinstance(value, Router)]
