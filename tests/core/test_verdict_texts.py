"""What is kept of an exception: always, in any text, and never too much of it."""

import pytest

from django_repid import default_retry_policy_factory
from django_repid.core import clock
from django_repid.core.codec import Spec
from django_repid.core.outcome import Bench, Outcome
from django_repid.core.verdict import judge
from tests.core.kit import MOMENT, stored

MESSAGE = stored(spec=Spec.write(clock.to_us(MOMENT), result_id="r1"))


def raised(exception):
    try:
        raise exception
    except BaseException as error:
        return error


def end_of(exception, limit=64 * 1024):
    outcome = Outcome(success=False, exception=exception, started_when=1_000, finished_when=9_000)
    bench = Bench(worker="w1", now=77, traceback_limit=limit)
    return judge(MESSAGE, outcome, default_retry_policy_factory(), bench)


@pytest.mark.parametrize(
    ("exception", "reason"),
    [
        (ValueError("boom"), "ValueError: boom"),
        (ValueError(), "ValueError: "),
        (ValueError("first\nsecond"), "ValueError: first"),
        (ValueError("\n\n  first\r\nsecond"), "ValueError: first"),
        (ValueError("one\u2028two"), "ValueError: one"),
        (KeyError("a"), "KeyError: 'a'"),
        (ExceptionGroup("both", [ValueError("x")]), "ExceptionGroup: both (1 sub-exception)"),
        (ValueError("x" * 500), ("ValueError: " + "x" * 500)[:200]),
    ],
)
def test_the_reason_of_a_dead_letter_is_one_short_line(exception, reason):
    assert end_of(exception).dead_reason == reason


def test_a_failure_keeps_the_whole_traceback_and_says_where_and_when():
    failure = end_of(raised(ValueError("boom"))).failure
    assert (failure.exception, failure.text, failure.worker) == ("ValueError", "boom", "w1")
    assert (failure.at, failure.duration_us) == (77, 8)
    assert failure.traceback.startswith("Traceback (most recent call last)")
    assert failure.traceback.endswith("ValueError: boom\n")
    assert "raise exception" in failure.traceback


def test_the_end_of_a_traceback_that_is_too_long_is_kept():
    traceback = end_of(raised(ValueError("x" * 5000 + "the end")), limit=1000).failure.traceback
    assert traceback.startswith("…")
    assert traceback.endswith("the end\n")
    assert len(traceback) <= 1002


@pytest.mark.parametrize("character", ["x", "é", "😀", "\x00", "\ud800"], ids=ascii)
def test_the_limit_of_a_traceback_is_meant_in_bytes_of_what_is_stored(character):
    """Contract, section 7: `TRACEBACK_LIMIT_BYTES`."""
    traceback = end_of(raised(ValueError(character * 5000)), limit=1000).failure.traceback
    assert len(traceback.encode()) <= 1000 + len("…\n".encode())


def test_the_text_of_a_failed_bucket_is_capped_too():
    assert len(end_of(ValueError("x" * 5000), limit=1000).result.bucket.data) == 1000


@pytest.mark.parametrize("bad", ["\x00", "\ud800"], ids=ascii)
def test_text_that_a_database_refuses_is_escaped_wherever_it_is_kept(bad):
    end = end_of(raised(ValueError(f"before{bad}after")))
    kept = [
        end.dead_reason,
        end.failure.text,
        end.failure.traceback,
        end.result.bucket.data,
    ]
    for text in kept:
        assert bad not in text
        assert "before\\" in text
        assert "after" in text
        text.encode()


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def test_an_exception_that_cannot_say_what_it_is_is_recorded_all_the_same():
    """Contract, section 10: "so that a failure can always be recorded"."""
    end = end_of(raised(Mute()))
    assert end.failure.exception == "Mute"
    assert end.dead_reason.startswith("Mute")


def fail_at_one_place(kind=ValueError, text="a"):
    try:
        raise kind(text)
    except Exception as error:
        return end_of(error).failure.fingerprint


def fail_elsewhere():
    try:
        raise ValueError("a")
    except Exception as error:
        return end_of(error).failure.fingerprint


def test_failures_with_one_cause_have_one_fingerprint():
    assert fail_at_one_place(text="a") == fail_at_one_place(text="b")
    assert fail_at_one_place() != fail_at_one_place(kind=KeyError)
    assert fail_at_one_place() != fail_elsewhere()


def test_an_exception_that_was_never_raised_has_a_fingerprint_too():
    assert len(end_of(ValueError("a")).failure.fingerprint) == 16
