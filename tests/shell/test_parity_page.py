"""The page on Repid 1.6 has all of Repid's headings and names, and says the truth about each."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any, get_overloads

import pytest

from django_repid.testing.plugin import MARKER

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/repid_parity.md").read_text("utf-8")

#: The headings of Repid's documentation, page by page; of a page without any, its title.
HEADINGS = {
    "quickstart_guide": "Before we start; Consumer; Producer",
    "features": "Message protocols abstraction; Application level routing; asyncio top-to-bottom; "
    "Flexible; Middlewares",
    "user_guide/initial_setup": "App structure; Brokers; Connection; Magic; "
    "...but how does it work?; Recap",
    "user_guide/jobs_actors_and_workers": "Jobs; Simple job; Jobs and queues; Job priority; "
    "Job id and uniqueness; Retries; Timeout; Actors; Actor name; Actor queue; Thread vs Process; "
    "Retry Policy; Workers; Workers and Routers; Running a Worker; Recap",
    "user_guide/arguments_and_results": "Preparation; Arguments; Results; IDs; TTL",
    "user_guide/deferred_scheduling": "Delayed execution; Recurring execution; Defer by; cron; "
    "Rescheduling and retries; Combining; Time-to-live; Recap",
    "user_guide/dependency_injection": "Depends; Sub-dependencies; Sync and Async dependencies; "
    "Asynchronous; Synchronous; Synchronous (CPU-heavy); Overriding dependencies",
    "user_guide/message_and_eager_response": "Message inside of an Actor; Eager response; "
    "Setting result for eager response; Set a result; Set an exception; "
    "Adding callback to be executed after eager response",
    "user_guide/testing": "Preparation; Writing tests; Using fixtures; Mocked actor fixture; "
    "Event log fixture; In-memory queue fixture; Bigger test suites",
    "advanced_user_guide/middlewares": "Class-based; Function-based; "
    "Naming convention, arguments, async; Events glossary; Consume; Enqueue; Queue Declare; "
    "Queue Flush; Queue Delete; Ack; Nack; Reject; Requeue; Get Bucket; Store Bucket; "
    "Delete Bucket; Actor Run",
    "advanced_user_guide/health_checks": "Health checks",
    "advanced_user_guide/validating_with_pydantic": "Prerequisite; "
    "Submitting arguments to a Job; Validating Actor input; Validating Actor outputs; "
    "Disabling Pydantic Converter",
    "advanced_user_guide, pages without text": "Configuring overrides; Your own brokers; "
    "Your own converter; Your own data models; Your own serializer",
    "cookbook/chaining_jobs": "Chaining jobs",
    "cookbook/fastapi_and_pydantic": "FastAPI lifespan to open and close Repid's connection; "
    "Pydantic models as job arguments",
    "cookbook/reschedule_dead_messages": "Reschedule dead messages",
}

#: The public names of Repid, from its signatures: parameters of constructors, attributes, methods,
#: and in brackets the parameters of methods.
MEMBERS = {
    "Job": "name queue priority id_ deferred_until deferred_by cron retries timeout ttl args_id "
    "args_id_set args_ttl args use_args_bucketer result_id result_ttl store_result _connection "
    "timestamp enqueue is_deferred is_unique is_overdue result",
    "Queue": "name _connection get_messages get_messages(topics) "
    "get_messages(max_unacked_messages) get_messages(category) declare flush delete",
    "Message": "key raw_payload parameters _connection _category read_only category ack nack "
    "reject reschedule retry retry(next_retry) force_retry force_retry(next_retry)",
    "MessageCategory": "NORMAL DELAYED DEAD",
    "Router": "defaults actors topics queues topics_by_queue include_router actor actor(name) "
    "actor(queue) actor(retry_policy) actor(run_in_process) actor(converter)",
    "RouterDefaults": "queue retry_policy run_in_process converter",
    "Worker": "routers graceful_shutdown_time messages_limit tasks_limit handle_signals "
    "router_defaults auto_declare run_health_check_server health_check_server_settings "
    "_connection declare_all_queues run actors actor topics queues topics_by_queue include_router",
    "Connection": "message_broker args_bucket_broker results_bucket_broker middleware is_open "
    "connect disconnect",
    "Repid": "connection middlewares update_config get_magic_connection magic_connect "
    "magic_disconnect magic magic(auto_disconnect)",
    "Config": "ROUTING_KEY PARAMETERS BUCKET RESULT_BUCKET SERIALIZER CONVERTER "
    "update_data_overrides update_serializer_override update_converter_override update_all",
    "BasicConverter": "fn convert_inputs convert_outputs dependencies",
    "PydanticConverter": "fn convert_inputs convert_outputs dependencies",
    "DefaultConverter": "fn",
    "HealthCheckServerSettings": "address port endpoint_name",
    "HealthCheckStatus": "OK UNHEALTHY",
    "HealthCheckServer": "server_settings start stop health_status",
    "Depends": "fn run_in_process override override(fn) override(run_in_process) resolve",
    "MessageDependency": "key raw_payload parameters _connection category read_only add_callback "
    "add_callback(fn) set_result set_result(result) set_exception set_exception(exc) ack nack "
    "reject reschedule retry retry(next_retry) force_retry force_retry(next_retry) resolve "
    "construct_as_dependency",
    "Middleware": "subscribers add_subscriber add_middleware emit_signal",
    "PrioritiesT": "LOW MEDIUM HIGH",
    "ArgsBucket": "data timestamp ttl encode decode is_overdue",
    "ResultBucket": "data started_when finished_when success exception timestamp ttl encode "
    "decode is_overdue",
    "RoutingKey": "topic queue priority id_",
    "Parameters": "RETRIES_CLASS RESULT_CLASS DELAY_CLASS execution_timeout result retries delay "
    "timestamp ttl encode decode is_overdue compute_next_execution_time",
    "RetriesProperties": "max_amount already_tried encode decode",
    "ResultProperties": "id_ ttl encode decode",
    "DelayProperties": "delay_until defer_by cron next_execution_time encode decode",
    "EventLog": "function args kwargs result timestamp perf_counter",
    "InMemoryBucketBroker": "use_result_bucket",
}
BARE = {
    "parameters of functions, and of the marker of pytest": "default_serializer(data) "
    "default_retry_policy_factory(min_backoff) default_retry_policy_factory(max_backoff) "
    "default_retry_policy_factory(multiplier) default_retry_policy_factory(max_exponent) "
    "repid(routers) repid(declare_all_known_queues) repid(autoconnection)",
    "classes, protocols and constants": "Message MessageDependency ActorData ActorResult "
    "PydanticV1Converter SerializerT RetryPolicyT ResolverContext DependencyKind DependencyT "
    "SUBSCRIBERS_NAMES WRAPPED BucketT ResultBucketT ParametersT RoutingKeyT GetEventLogT "
    "GetMockedActorT GetInMemoryQueueT logger",
    "brokers": "InMemoryMessageBroker DummyMessageBroker DummyBucketBroker MessageBrokerT "
    "BucketBrokerT ConsumerT RabbitMessageBroker RedisMessageBroker RedisBucketBroker",
    "fixtures": "repid_app repid_connection repid_declare_all_known_queues repid_get_event_log "
    "repid_get_in_memory_queue repid_get_mocked_actor",
}
NAMES = [f"{owner}.{one}" for owner, them in MEMBERS.items() for one in them.split()]
NAMES += [one for them in BARE.values() for one in them.split()]

#: What has another name here, as the page says.
RENAMED = {
    "Job._connection": "Job.connection",
    "Queue._connection": "Queue.connection",
    "Worker._connection": "Worker.connection",
    "ActorData": "Actor",
    "ActorResult": "Outcome",
    "SUBSCRIBERS_NAMES": "EVENTS",
    "WRAPPED": "VERBS",
    "MessageBrokerT": "MessageBroker",
    "BucketBrokerT": "BucketBroker",
}
PUBLIC = [
    importlib.import_module(f"django_repid{place}")
    for place in ("", ".testing", ".typing", ".testing.plugin")
]
#: Where the classes are that nobody needs to import.
INNER = [
    importlib.import_module(f"django_repid.core.{place}")
    for place in ("actor", "message", "middleware", "outcome")
]


def rows() -> list[tuple[str, str, str, str]]:
    """Return section, first cell, what is said, and the tests of every row."""
    found, section = [], ""
    for line in PAGE.splitlines():
        if line.startswith("### "):
            section = line[4:]
        elif line.startswith("| ") and not re.match(r"\| (heading|name) \|", line):
            first, said, tests = line.strip("| ").split(" | ")
            found.append((section, first, said, tests))
    return found


ROWS = rows()
NAMED = {first.strip("`"): said for _, first, said, _ in ROWS if first.startswith("`")}


def parameters(thing: Any) -> set[str]:
    """Return what a call takes by name; overloads are asked where there are any."""
    calls = get_overloads(thing) or [thing]
    return {name for call in calls for name in inspect.signature(call).parameters}


def is_there(name: str) -> bool:
    """Whether a name exists here: as a parameter, an attribute, a field or a name of a module."""
    path, _, argument = name.rstrip(")").partition("(")
    if path == "repid":
        return re.search(rf"\b{argument}=", MARKER) is not None
    owner, _, member = path.partition(".")
    modules = PUBLIC + INNER if owner[0].isupper() else PUBLIC
    places = [place for place in modules if hasattr(place, owner)]
    if not places:
        return False
    thing = getattr(places[0], owner)
    if not member:
        return not argument or argument in parameters(thing)
    if argument:
        return argument in parameters(getattr(thing, member))
    if member.startswith("_"):
        return member in parameters(thing)
    has = hasattr(thing, member) or member in getattr(thing, "__annotations__", {})
    return has or (inspect.isclass(thing) and has_by_making(thing, member))


def has_by_making(thing: type, member: str) -> bool:
    """Whether a constructor takes it, or sets it on the object."""
    ours = [vars(one) for one in thing.__mro__ if one is not object]
    made = [inside[how] for inside in ours for how in ("__init__", "__new__") if how in inside]
    made = [getattr(one, "__func__", one) for one in made]  # __new__ is a static method
    sets = any(re.search(rf"\bself\.{member}\b", source(one)) for one in made)
    return sets or any(member in parameters(one) for one in made)


def source(call: Any) -> str:
    """Return the text of a function; that of a dataclass has none."""
    try:
        return inspect.getsource(call)
    except (OSError, TypeError):
        return ""


@pytest.mark.parametrize("page", HEADINGS)
def test_every_heading_of_repids_documentation_is_on_the_page(page: str) -> None:
    here = [first for section, first, _, _ in ROWS if section == page]

    assert here == HEADINGS[page].split("; ")


def test_every_name_of_repid_is_on_the_page_and_no_other() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert [name for name in NAMES if name not in NAMED] == []
    assert [name for name in NAMED if name not in NAMES] == []
    assert len([first for _, first, _, _ in ROWS if first.startswith("`")]) == len(NAMED)


def test_every_row_says_what_became_of_it() -> None:
    told = re.compile(r"same\b|differs: .|not here: .")

    assert [first for _, first, said, _ in ROWS if told.match(said) is None] == []


def test_what_the_page_calls_the_same_or_different_is_here() -> None:
    here = [name for name, said in NAMED.items() if not said.startswith("not here")]

    assert len(here) > 150
    assert [name for name in here if not is_there(RENAMED.get(name, name))] == []


def test_what_the_page_calls_not_here_is_not_here() -> None:
    absent = [name for name, said in NAMED.items() if said.startswith("not here")]

    assert len(absent) > 30
    assert [name for name in absent if is_there(name)] == []


def test_every_row_names_tests_that_exist_and_are_expected_to_pass() -> None:
    places = (ROOT / "tests", ROOT / "django_repid" / "testing")
    text = "\n".join(path.read_text("utf-8") for where in places for path in where.rglob("*.py"))
    found = re.findall(r"((?:^ *@[^\n]*\n)*)^ *(?:async )?def (test_\w+)", text, re.MULTILINE)
    there = {name: marks for marks, name in found}
    named = {first: re.findall(r"`(test_\w+)`", tests) for _, first, _, tests in ROWS}
    tests = {name for names in named.values() for name in names}

    assert [first for first, names in named.items() if not names] == []
    assert sorted(tests - there.keys()) == []
    assert [name for name in tests if "xfail" in there[name] or "skip" in there[name]] == []
