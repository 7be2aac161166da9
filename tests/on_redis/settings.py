"""Settings of processes whose jobs are in Redis, and whatever else they write in the database."""

import os

from tests import settings
from tests.settings import *  # noqa: F403 - that is what settings are extended by

INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.on_redis"]

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "queue": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": os.environ.get("REPID_TEST_REDIS", "redis://127.0.0.1:6379/15"),
    },
}
_given = {"cache": "queue", "prefix": os.environ["REPID_TEST_REDIS_PREFIX"]}
REPID = {
    "default": {
        "MESSAGE_BROKER": {
            "CLASS": "django_repid.brokers.redis.RedisMessageBroker",
            "outbox": bool(os.environ.get("REPID_TEST_REDIS_OUTBOX")),
            **_given,
        },
        "RESULTS_BUCKET_BROKER": {
            "CLASS": "django_repid.brokers.redis.RedisBucketBroker",
            **_given,
        },
        "OPTIONS": {"SILENCE_SECONDS": 2, "BEAT_SECONDS": 0.5, "DISCOVER_MODULE": "jobs"},
    }
}
