import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_repid import RepidError
from django_repid.core.codec import (
    VERSION,
    decode_headers,
    decode_parameters,
    encode_headers,
    encode_parameters,
)
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

LEAST = Parameters(timestamp=AT)
MOST = Parameters(
    execution_timeout=timedelta(seconds=30),
    result=ResultProperties("my-result", timedelta(days=1)),
    retries=RetriesProperties(3),
    delay=DelayProperties(AT + timedelta(minutes=1, microseconds=1)),
    timestamp=AT,
    ttl=timedelta(seconds=90),
)
FOR_EVER = Parameters(timestamp=AT, result=ResultProperties("r", None))

FORMS = pytest.mark.parametrize(
    ("text", "parameters"), [(V1_LEAST, LEAST), (V1_MOST, MOST), (V1_RESULT_FOR_EVER, FOR_EVER)]
)

FIRST, LAST = (datetime.fromisoformat(f"{year}-01-01") for year in (1970, 2500))
MOMENTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))
SPANS = st.timedeltas(timedelta(seconds=1), timedelta(days=36500))
PARAMETERS = st.builds(
    Parameters,
    execution_timeout=SPANS,
    result=st.none() | st.builds(ResultProperties, st.text(min_size=1), st.none() | SPANS),
    retries=st.builds(RetriesProperties, st.integers(0, 2**31), st.integers(0, 2**31)),
    delay=st.builds(DelayProperties, st.none() | MOMENTS, st.none() | MOMENTS),
    timestamp=MOMENTS,
    ttl=st.none() | SPANS,
)


@FORMS
def test_version_1_is_written_as_it_always_was(text, parameters):
    assert encode_parameters(parameters) == text


@FORMS
def test_version_1_is_read_as_it_always_was(text, parameters):
    assert decode_parameters(text) == parameters


@given(PARAMETERS)
def test_parameters_survive_the_way_to_text_and_back(parameters):
    next_time = parameters.delay.next_execution_time
    back = decode_parameters(
        encode_parameters(parameters),
        tries=parameters.retries.already_tried,
        run_at=None
        if next_time is None
        else (next_time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1),
    )
    assert back == parameters


@given(PARAMETERS)
def test_the_text_is_ascii_on_one_line(parameters):
    text = encode_parameters(parameters)
    assert text.isascii()
    assert "\n" not in text


def test_the_tries_are_no_part_of_the_text():
    tried = Parameters(timestamp=AT, retries=RetriesProperties(3, already_tried=2))
    fresh = Parameters(timestamp=AT, retries=RetriesProperties(3))
    assert encode_parameters(tried) == encode_parameters(fresh)


def test_the_next_execution_is_what_the_store_says():
    read = decode_parameters(V1_LEAST, tries=2, run_at=1700000000000001)
    assert read.retries.already_tried == 2
    assert read.delay.next_execution_time == AT + timedelta(microseconds=1)


def test_a_key_that_this_version_does_not_know_is_ignored():
    text = json.dumps({**json.loads(V1_MOST), "colour": "blue", "nested": {"v": 9}})
    assert decode_parameters(text) == MOST


def test_a_newer_version_is_refused_with_both_numbers_and_what_to_do():
    text = json.dumps({"v": VERSION + 1, "at": 0})
    with pytest.raises(RepidError, match=rf"format {VERSION + 1}.*up to {VERSION}.*Upgrade"):
        decode_parameters(text)


@given(st.dictionaries(st.text(), st.text(), max_size=5))
def test_headers_survive_the_way_to_text_and_back(headers):
    text = encode_headers(headers)
    assert text.isascii()
    assert decode_headers(text) == headers


def test_no_headers_take_no_room():
    assert encode_headers({}) == ""
    assert decode_headers("") == {}
