"""Which failures are tried again: `retry_on`, `give_up_on`, `RetryAfter`."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from django_repid import ArgsInvalid, ConfigurationError, RetryAfter, Router, RouterDefaults
from django_repid.core import clock
from django_repid.core.codec import Spec
from django_repid.core.message import MessageState
from django_repid.core.outcome import Bench, Outcome
from django_repid.core.verdict import judge
from django_repid.worker.wire import pack_outcome, unpack_outcome
from tests.core.kit import MOMENT, stored

NOW = clock.to_us(MOMENT)
BENCH = Bench(worker="w1", now=NOW)
READY, DEAD = MessageState.READY, MessageState.DEAD


def job(): ...


class Busy(ConnectionError):
    """Of a user's own."""


def retryable(**terms):
    defaults = terms.pop("defaults", None)
    router = Router(defaults=defaults)
    router.actor(**terms)(job)
    return router.actors["job"].retryable


def end_of(exception, terms, *, through_a_process=False, retries=3, tries=0):
    outcome = Outcome(success=False, exception=exception, started_when=1, finished_when=2)
    if through_a_process:
        packed = json.loads(json.dumps(pack_outcome(outcome, retryable(**terms))))
        outcome = unpack_outcome(packed)
    spec = Spec.write(NOW, retries=retries, result_id="r1")
    return judge(
        stored(spec=spec, tries=tries),
        outcome,
        lambda retry_number=1: timedelta(seconds=7),
        BENCH,
        retryable=retryable(**terms),
    )


ONLY = {"retry_on": (ConnectionError, TimeoutError)}
NEVER = {"give_up_on": [LookupError]}
BOTH = {"retry_on": OSError, "give_up_on": FileNotFoundError}
TABLE = [
    (ValueError(), {}, READY),
    (Busy(), ONLY, READY),
    (TimeoutError("late"), ONLY, READY),
    (ValueError(), ONLY, DEAD),
    (SystemExit(1), ONLY, DEAD),
    (KeyError("x"), NEVER, DEAD),
    (ValueError(), NEVER, READY),
    (SystemExit(1), {"give_up_on": SystemExit}, DEAD),
    (TimeoutError("late"), {"give_up_on": TimeoutError}, DEAD),
    (Busy(), BOTH, READY),
    (FileNotFoundError(), BOTH, DEAD),
    (ValueError(), BOTH, DEAD),
    (ExceptionGroup("both", [Busy()]), ONLY, DEAD),
    (ArgsInvalid("no"), {"retry_on": Exception}, DEAD),
    (RetryAfter(5), ONLY, READY),
    (RetryAfter(5), {"give_up_on": Exception}, READY),
]


@pytest.mark.parametrize("through_a_process", [False, True])
@pytest.mark.parametrize(("exception", "terms", "state"), TABLE, ids=repr)
def test_what_is_tried_again_is_what_the_actor_says(exception, terms, state, through_a_process):
    end = end_of(exception, terms, through_a_process=through_a_process)
    assert (end.state, end.tries) == (state, 1)
    assert end.failure is not None
    assert end.failure.exception == type(exception).__name__
    if state is DEAD:
        assert end.result is not None
        assert end.result.bucket.exception == type(exception).__name__


def test_what_an_actor_says_goes_before_its_routers_word_each_for_itself():
    defaults = RouterDefaults(retry_on=OSError, give_up_on=FileNotFoundError)
    end = end_of(ValueError(), {"defaults": defaults})
    assert end.state is DEAD
    assert end_of(ValueError(), {"defaults": defaults, "retry_on": Exception}).state is READY
    missing = FileNotFoundError()
    assert end_of(missing, {"defaults": defaults, "retry_on": Exception}).state is DEAD
    assert end_of(missing, {"defaults": defaults, "give_up_on": ()}).state is READY


@pytest.mark.parametrize("term", ["retry_on", "give_up_on"])
@pytest.mark.parametrize(
    "given", [5, "OSError", OSError("x"), int, [OSError, None], {OSError}, lambda: OSError]
)
def test_what_is_no_exception_class_is_refused_at_registration(term, given):
    router = Router()
    with pytest.raises(ConfigurationError, match=f"{term} takes an exception class"):
        router.actor(**{term: given})(job)
    assert router.actors == {}
    with pytest.raises(ConfigurationError, match=f"{term} takes an exception class"):
        RouterDefaults(**{term: given})


def test_retrying_nothing_at_all_is_said_by_retries():
    with pytest.raises(ConfigurationError, match="retries=0"):
        Router().actor(retry_on=())(job)


def test_a_failure_that_no_try_can_mend_is_refused_in_retry_on():
    with pytest.raises(ConfigurationError, match="cannot mend ArgsInvalid"):
        Router().actor(retry_on=[OSError, ArgsInvalid])(job)


MOMENT_LATER = datetime(2024, 5, 17, 13, 0, 0, 123_456, tzinfo=UTC)


@pytest.mark.parametrize("through_a_process", [False, True])
@pytest.mark.parametrize(
    ("delay", "run_at"),
    [
        (90, NOW + 90_000_000),
        (timedelta(milliseconds=1), NOW + 1000),
        (0, NOW),
        (MOMENT_LATER, clock.to_us(MOMENT_LATER)),
        (MOMENT - timedelta(days=1), NOW),
    ],
)
def test_the_next_try_is_exactly_when_the_actor_says(delay, run_at, through_a_process):
    end = end_of(RetryAfter(delay), {}, through_a_process=through_a_process)
    assert (end.state, end.run_at, end.tries) == (READY, run_at, 1)
    assert end.failure is not None
    assert end.failure.exception == "RetryAfter"


def test_without_tries_left_retry_after_is_the_end():
    end = end_of(RetryAfter(90, message="429 from the bank"), {}, tries=3)
    assert (end.state, end.tries, end.run_at) == (DEAD, 4, NOW)
    assert end.dead_reason == "RetryAfter: 429 from the bank"
