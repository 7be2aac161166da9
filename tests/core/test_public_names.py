"""What can be imported from where, and what that needs."""

import importlib
import json

import pytest

import django_repid
import django_repid.typing
from tests.core.kit import blocking, run_script

# Contract, section 2, as far as it exists. A name that is taken away breaks its users.
NAMES = {
    *["Job", "Queue", "PrioritiesT"],
    *["Router", "RouterDefaults", "Worker", "Message", "MessageCategory"],
    *["MessageDependency", "Depends", "INJECTED"],
    *["default_retry_policy_factory", "RetryPolicyT", "RetryAfter"],
    *["Connection", "Repid", "Config", "Middleware"],
    *["DatabaseMessageBroker", "DatabaseBucketBroker"],
    *["RedisMessageBroker", "RedisBucketBroker", "RedisBell"],
    *["HealthCheckServer", "HealthCheckServerSettings", "HealthCheckStatus"],
    *["InMemoryMessageBroker", "InMemoryBucketBroker", "ArgsBucket", "ResultBucket"],
    *["BasicConverter", "PydanticConverter", "DefaultConverter"],
    *["default_serializer", "SerializerT", "Secret"],
    *["RepidError", "ConfigurationError", "InvalidJob", "DuplicateJob", "PayloadTooLarge"],
    *["ActorNotFound", "ActorConflict", "ArgsBucketMissing", "ArgsInvalid", "ResultInvalid"],
    *["UpstreamFailed", "JobFailed", "TtlExpired", "Cancelled", "Quarantined", "LeaseLost"],
    *["BrokerUnavailable"],
}
TYPING = {
    *[
        "MessageBroker",
        "BucketBroker",
        "Claim",
        "ClaimRequest",
        "Want",
        "Beat",
        "Peer",
        "WorkerInfo",
    ],
    *["ConverterT", "RetryPolicyT", "SerializerT"],
}


def test_the_public_names_are_these():
    assert set(django_repid.__all__) == NAMES
    # As the linter sorts them: constants first.
    assert list(django_repid.__all__) == sorted(NAMES, key=lambda name: (not name.isupper(), name))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_public_name_can_be_imported(name):
    assert getattr(django_repid, name).__name__.startswith(name)


def test_the_protocols_can_be_imported_from_typing():
    assert set(django_repid.typing.__all__) == TYPING
    for name in TYPING:
        assert getattr(django_repid.typing, name).__module__.startswith("django_repid.core.")


def test_another_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="'django_repid' has no attribute 'Nowhere'"):
        _ = django_repid.Nowhere


def test_the_version_is_that_of_the_package():
    version = importlib.import_module("django_repid.core.version").VERSION
    assert django_repid.__version__ == version


PLAIN_ERRORS = [
    *["ActorNotFound", "ActorConflict", "ArgsBucketMissing", "ArgsInvalid", "ResultInvalid"],
    *["UpstreamFailed", "JobFailed", "TtlExpired", "Cancelled", "Quarantined", "LeaseLost"],
    "BrokerUnavailable",
]
ERRORS = {
    "ConfigurationError": {"RepidError", "ImproperlyConfigured"},
    "InvalidJob": {"RepidError", "ValueError"},
    "DuplicateJob": {"InvalidJob"},
    "PayloadTooLarge": {"InvalidJob"},
    **{name: {"RepidError"} for name in PLAIN_ERRORS},
}


@pytest.mark.parametrize(("name", "parents"), ERRORS.items())
def test_the_errors_form_the_tree_of_the_contract(name, parents):
    assert {parent.__name__ for parent in getattr(django_repid, name).__bases__} == parents


IMPORT = """
import json, sys
import django_repid
from django_repid import Job, Worker, InMemoryMessageBroker, PydanticConverter
print(json.dumps(sorted(name for name in sys.modules if name.startswith("django"))))
"""


def test_importing_needs_no_settings_and_imports_no_model():
    loaded = set(json.loads(run_script(IMPORT)))
    assert "django_repid.core.job" in loaded
    forbidden = {"django_repid.models", "django.apps", "django.db", "django.conf"}
    assert loaded & forbidden == set()
    assert not any(name.startswith("django_repid.brokers.database") for name in loaded)


SCRIPT = """
import asyncio, sys
from django_repid import (
    Connection, InMemoryBucketBroker, InMemoryMessageBroker, Job, Repid, Router, Worker,
)

router = Router()

@router.actor
async def double(n: int) -> int:
    return n * 2

@router.actor
def triple(n: int) -> int:
    return n * 3

connection = Connection(
    InMemoryMessageBroker(),
    InMemoryBucketBroker(),
    InMemoryBucketBroker(use_result_bucket=True),
)

async def main():
    async with Repid(connection).magic(auto_disconnect=True):
        jobs = [Job("double", args={"n": 2}), Job.of(triple, 3)]
        for job in jobs:
            await job.enqueue()
        runner = await Worker([router], messages_limit=2).run()
        print(runner.processed, *[(await job.result).data for job in jobs])

asyncio.run(main())
print(sorted(name for name in sys.modules if name == "django" or name.startswith("django.")))
"""


@pytest.mark.parametrize("missing", [["django"], ["django", "pydantic"]])
def test_jobs_run_in_memory_where_django_is_not_installed(missing):
    assert run_script(blocking(*missing) + SCRIPT).splitlines() == ["2 4 9", "[]"]
