import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_repid import RepidError
from django_repid.core.codec import VERSION, Spec, decode_headers, encode_headers
from django_repid.core.message import (
    DelayProperties,
    Parameters,
    ResultProperties,
    RetriesProperties,
)

AT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)

# Written by version 1, never to be changed: workers of two releases read each other's messages.
V1_LEAST = '{"v":1,"at":1700000000000000}'
V1_MOST = (
    '{"v":1,"at":1700000000000000,"timeout":30000000,"retries":3,"ttl":90000000,'
    '"until":1700000060000001,"result":["my-result",86400000000]}'
)
V1_RESULT_FOR_EVER = '{"v":1,"at":1700000000000000,"result":["r",null]}'

US = 1_700_000_000_000_000
LEAST = Spec.write(US)
MOST = Spec.write(
    US,
    timeout=30_000_000,
    retries=3,
    ttl=90_000_000,
    until=US + 60_000_001,
    result_id="my-result",
    result_ttl=86_400_000_000,
)
FOR_EVER = Spec.write(US, result_id="r")

FORMS = pytest.mark.parametrize(
    ("text", "spec"), [(V1_LEAST, LEAST), (V1_MOST, MOST), (V1_RESULT_FOR_EVER, FOR_EVER)]
)

MOMENTS = st.integers(0, 16_000_000_000_000_000)
SPANS = st.integers(1_000_000, 3_000_000_000_000_000)


@st.composite
def specs(draw):
    result_id = draw(st.none() | st.text(min_size=1))
    return Spec.write(
        draw(MOMENTS),
        timeout=draw(SPANS),
        retries=draw(st.integers(0, 2**31)),
        ttl=draw(st.none() | SPANS),
        until=draw(st.none() | MOMENTS),
        result_id=result_id,
        result_ttl=None if result_id is None else draw(st.none() | SPANS),
    )


@FORMS
def test_version_1_is_written_as_it_always_was(text, spec):
    assert spec.text == text


@FORMS
def test_version_1_is_read_as_it_always_was(text, spec):
    assert Spec.read(text) == spec


@given(specs())
def test_a_spec_survives_the_way_to_text_and_back(spec):
    assert Spec.read(spec.text) == spec


@given(specs())
def test_the_text_is_ascii_on_one_line(spec):
    assert spec.text.isascii()
    assert "\n" not in spec.text


def test_parameters_say_in_datetimes_what_a_spec_says_in_numbers():
    assert Parameters.of(MOST, tries=2, run_at=US + 1) == Parameters(
        execution_timeout=timedelta(seconds=30),
        result=ResultProperties("my-result", timedelta(days=1)),
        retries=RetriesProperties(3, already_tried=2),
        delay=DelayProperties(
            AT + timedelta(minutes=1, microseconds=1),
            next_execution_time=AT + timedelta(microseconds=1),
        ),
        timestamp=AT,
        ttl=timedelta(seconds=90),
    )


def test_parameters_of_a_spec_that_says_nothing_are_the_defaults():
    assert Parameters.of(LEAST) == Parameters(timestamp=AT)


def test_a_key_that_this_version_does_not_know_is_ignored():
    text = json.dumps({**json.loads(V1_MOST), "colour": "blue", "nested": {"v": 9}})
    read = Spec.read(text)
    assert (read.retries, read.until, read.result_id) == (3, US + 60_000_001, "my-result")


def test_a_newer_version_is_refused_with_both_numbers_and_what_to_do():
    text = json.dumps({"v": VERSION + 1, "at": 0})
    with pytest.raises(RepidError, match=rf"format {VERSION + 1}.*up to {VERSION}.*Upgrade"):
        Spec.read(text)


@given(st.dictionaries(st.text(), st.text(), max_size=5))
def test_headers_survive_the_way_to_text_and_back(headers):
    text = encode_headers(headers)
    assert text.isascii()
    assert decode_headers(text) == headers


def test_no_headers_take_no_room():
    assert encode_headers({}) == ""
    assert decode_headers("") == {}
