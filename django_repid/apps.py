"""The app."""

from typing import Any

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _

from django_repid import connections, discovery
from django_repid.core.errors import ConfigurationError
from django_repid.core.host import install


class RepidConfig(AppConfig):
    """Background jobs. Touches no database and imports no tasks module when Django starts."""

    name = "django_repid"
    verbose_name = _("Background jobs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Hand Django in as core's host, and register the system checks."""
        from django_repid import checks  # noqa: F401 - registers them

        install(connections.DjangoHost(discovery))
        setting_changed.connect(_forget, dispatch_uid="django_repid.settings")
        _configure()


def _forget(*, setting: str, **_: Any) -> None:
    if setting in {"REPID", "DATABASES", "DATABASE_ROUTERS", "INSTALLED_APPS"}:
        connections.connections.forget()
        discovery.forget()
        _configure()


def _configure() -> None:
    try:
        connections.configure()
    except ConfigurationError:
        pass  # the system checks say it, in a form that stops nothing but what needs it
