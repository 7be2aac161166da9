"""The grammar of searching jobs."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_repid.core import clock
from django_repid.insight.contents import matches, sieve
from django_repid.insight.search import KEYS, Argument, Search, moment, read
from django_repid.insight.state import JobState

NOW = clock.to_us(datetime(2026, 11, 24, 15, 30, tzinfo=UTC))
BERLIN = ZoneInfo("Europe/Berlin")

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,12}\*?", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1).filter(
    lambda text: len(text) < 30
)
paths = st.from_regex(r'[^\s"=]{1,12}', fullmatch=True)
searches = st.builds(
    Search,
    actor=st.just("") | names,
    queue=st.just("") | names,
    state=st.none() | st.sampled_from(JobState),
    error=st.just("") | texts,
    id=st.just("") | st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
    since=st.sampled_from(["", "14:00", "2h", "+30m", "2026-11-24", "2026-11-24 14:00"]),
    until=st.sampled_from(["", "7d", "2026-11-24T14:00:00+01:00"]),
    args=st.lists(st.builds(Argument, paths, texts), max_size=3).map(tuple),
    words=st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,9}", fullmatch=True), max_size=2).map(tuple),
)


@given(searches)
def test_a_search_reads_back_from_its_own_text(search: Search) -> None:
    found = read(search.text)
    assert found.problems == ()
    assert found.search == search


@given(st.text(max_size=80))
def test_any_text_is_read_or_told_about(text: str) -> None:
    found = read(text)

    assert found.problems or found.search.text or not text.strip() or found.search == Search()
    assert read(found.search.text).search == found.search


def test_terms_and_words_are_told_apart() -> None:
    text = 'actor:charge_card state:failed args.order_id=90003 args.who.name="Eve B" a4f5 since:2h'

    search = read(text).search

    assert (search.actor, search.state, search.since) == ("charge_card", JobState.FAILED, "2h")
    assert search.args == (Argument("order_id", "90003"), Argument("who.name", "Eve B"))
    assert search.words == ("a4f5",)
    assert search.by_content


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("actr:x", "actr: is no key; actor: is one."),
        ("colour:x", "there are actor:, queue:, state:"),
        ("actor=x", "actor= is no key; actor: is one."),
        ("state:nope", "'nope' is no state; there are waiting,"),
        ("since:yesterday", "'yesterday' is no moment"),
        ("since:25:00", "'25:00' is no moment"),
        ("actor:a actor:b", "actor: is given twice"),
        ("actor:", "actor: has no value"),
        ('error:"open', "A quotation mark is left open"),
        ("args=3", "Which argument?"),
        ("args.=3", "Which argument?"),
        ("ü", "can be neither an id nor an actor's name"),
        ("queue:a/b", "can be no name"),
        ("http://x", "http: is no key"),
        ("x y:" * 300, "at most 1000 characters"),
        ("a " * 30, "at most 20 terms"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, says: str) -> None:
    assert says in " ".join(read(text).problems)


@pytest.mark.parametrize("key", KEYS)
def test_each_term_can_be_taken_away(key: str) -> None:
    search = read("actor:a queue:b state:done error:c id:d since:2h until:1h args.x=1 word").search

    assert f"{key}:" not in search.without(key).text
    assert len(search.without(key).terms()) == len(search.terms()) - 1
    assert "args.x" not in search.without("args0").text
    assert "word" not in search.without("words0").text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14:00", datetime(2026, 11, 24, 14, tzinfo=BERLIN)),
        ("23:10", datetime(2026, 11, 23, 23, 10, tzinfo=BERLIN)),  # it has not been today yet
        ("2h", datetime(2026, 11, 24, 13, 30, tzinfo=UTC)),
        ("+30m", datetime(2026, 11, 24, 16, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 17, 15, 30, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=BERLIN)),
        ("2026-11-01 10:00", datetime(2026, 11, 1, 10, tzinfo=BERLIN)),
        ("2026-11-01T10:00Z", datetime(2026, 11, 1, 10, tzinfo=UTC)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert clock.from_us(moment(text, NOW, BERLIN)) == expected


@pytest.mark.parametrize("text", ["99:99", "999999d+", "tomorrow", "2026-13-01", "999999d" * 2, ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no moment"):
        moment(text, NOW, UTC)


PAYLOAD = (
    '{"order_id":90003,"price":19.9,"paid":true,"note":null,"name":"Eve \\"B\\"",'
    '"tags":["a",{"k":"v"}],'
    '"token":"hunter2","a.b":{"c":1}}'
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("order_id", "90003"),
        ("price", "19.9"),
        ("paid", "true"),
        ("note", "null"),
        ("name", 'Eve "B"'),
        ("tags.0", "a"),
        ("tags.1.k", "v"),
        ("a.b.c", "1"),
    ],
)
def test_an_arguments_value_is_found(path: str, value: str) -> None:
    assert matches("nobody", PAYLOAD, [Argument(path, value)])
    assert not matches("nobody", PAYLOAD, [Argument(path, f"{value}x")])
    assert sieve(value) in PAYLOAD


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("token", "hunter2"),
        ("token", "********"),
        ("order", "90003"),
        ("order_id", "9000"),
        ("tags", "a"),
        ("tags.9", "a"),
        ("order_id.x", "90003"),
    ],
)
def test_secrets_and_other_places_are_not_found(path: str, value: str) -> None:
    assert not matches("nobody", PAYLOAD, [Argument(path, value)])


@pytest.mark.parametrize("payload", [None, "", "[1]", "{", "[" * 100_000])
def test_what_is_no_object_has_no_arguments(payload: str | None) -> None:
    assert not matches("nobody", payload, [Argument("0", "1")])
