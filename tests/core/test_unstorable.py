import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_repid import default_serializer
from django_repid.core.serializer import escaped, unstorable

# Made of what could confuse: backslashes, the letters of escapes, NUL, halves of surrogate pairs.
PARTS = ["\\", "u", "0000", "d83d", "udc00", "\x00", "\ud83d", "\ude00", "\udc00", "😀", "a", '"']
TRICKY = st.lists(st.sampled_from(PARTS), max_size=8).map("".join)
ANY_TEXT = st.text(st.characters(exclude_categories=()))


def is_bad(text):
    return any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text)


@pytest.mark.parametrize(
    ("value", "bad"),
    [
        ("", None),
        ("plain", None),
        ("é ٣ 漢", None),
        ("😀", None),
        ("a\x00b", "a NUL character"),
        ("\ud83d", "a lone surrogate"),
        ("x\ude00", "a lone surrogate"),
        ("\ude00\ud83d", "a lone surrogate"),
        ("\ud83d\ud83d\ude00", "a lone surrogate"),
        ("😀\ude00", "a lone surrogate"),
        ("\ud83dx\ude00", "a lone surrogate"),
        ("\\u0000", None),
        ("\\\\u0000", None),
        ("\\\x00", "a NUL character"),
        ("\\ud83d", None),
        ("\\udc00", None),
        ("\\\ud83d", "a lone surrogate"),
        ("\ud83d\\ude00", "a lone surrogate"),
        ("\\ud83d\ude00", "a lone surrogate"),
        ("\\\\ud83d\ude00", "a lone surrogate"),
        ("\x01\x1f\x7f", None),
    ],
    ids=ascii,
)
def test_nul_and_lone_surrogates_are_found_in_json_text(value, bad):
    assert unstorable(default_serializer({"text": value})) == bad
    assert unstorable(default_serializer({value: 1})) == bad


@given(TRICKY)
@example("\\ud83d\udc00")
def test_json_text_is_refused_exactly_if_its_reader_would_meet_something_bad(value):
    text = default_serializer([value])
    assert (unstorable(text) is not None) is is_bad(json.loads(text)[0])


@given(ANY_TEXT)
def test_raw_json_text_is_refused_exactly_if_its_reader_would_meet_something_bad(value):
    text = json.dumps([value], ensure_ascii=False)
    assert (unstorable(text) is not None) is is_bad(value)


@pytest.mark.parametrize(
    ("raw", "bad"), [("a\x00", "a NUL character"), ("é\ud800", "a lone surrogate"), ("é", None)]
)
def test_raw_text_is_looked_at_as_well(raw, bad):
    assert unstorable(raw) == bad


@pytest.mark.parametrize("escape", ["\\uD83D", "\\ud83D", "\\uDBFF", "\\uDC00", "\\udFfF"])
def test_escapes_count_in_capitals_too(escape):
    assert unstorable(f'{{"text":"{escape}"}}') == "a lone surrogate"


@given(ANY_TEXT | TRICKY)
def test_escaped_text_can_be_stored_and_clean_text_stays_as_it_is(text):
    made = escaped(text)
    assert not is_bad(made)
    made.encode()
    if not is_bad(text):
        assert made == text


def test_escaped_text_still_shows_what_was_there():
    assert escaped("a\x00b\ud800c") == "a\\x00b\\ud800c"
