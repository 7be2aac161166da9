"""The project that the workers and producers of the chaos runs belong to.

CHAOS_DATABASE names the database and CHAOS_OPTIONS has REPID's OPTIONS, as JSON; the address of
the server is in the variables that `tests.settings` reads.
"""

import json
import os

from tests.settings import *  # noqa: F403 - settings are built on settings
from tests.settings import DATABASES, INSTALLED_APPS

DATABASES = {"default": {**DATABASES["default"], "NAME": os.environ.get("CHAOS_DATABASE", "chaos")}}
INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.app"]
REPID = {"default": {"OPTIONS": json.loads(os.environ.get("CHAOS_OPTIONS", "{}"))}}
