import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_repid import InvalidJob
from django_repid.core.names import check_actor_name, check_id, check_queue_name

FIRST = set(string.ascii_letters + "_")
LATER = FIRST | set(string.digits + "-.")
IN_IDS = set(string.ascii_letters + string.digits + "_-")

NAMES = st.text(st.sampled_from(sorted(LATER | set(" é/٣\n"))), max_size=70)
IDS = st.text(st.sampled_from(sorted(IN_IDS | set(". é٣\n"))), max_size=140)


@pytest.mark.parametrize("name", ["a", "_", "A1", "add_hello", "shop.mail-2", "_.-"])
def test_a_name_of_letters_digits_and_signs_is_taken_as_it_is(name):
    assert check_actor_name(name) == name
    assert check_queue_name(name) == name


@pytest.mark.parametrize("name", ["", "1a", "-a", ".a", "a b", "a\n", "é", "aé", "a/b", "a\x00"])
def test_any_other_name_is_refused(name):
    with pytest.raises(InvalidJob):
        check_actor_name(name)
    with pytest.raises(InvalidJob):
        check_queue_name(name)


@pytest.mark.parametrize("id_", ["a", "0", "-", "_", "Zz09_-"])
def test_an_id_may_start_with_any_of_its_characters(id_):
    assert check_id(id_) == id_


@pytest.mark.parametrize("id_", ["", "a.b", "a b", "a\n", "ä", "٣", "a:b"])
def test_any_other_id_is_refused(id_):
    with pytest.raises(InvalidJob):
        check_id(id_)


@pytest.mark.parametrize(
    ("check", "length"), [(check_actor_name, 255), (check_queue_name, 64), (check_id, 128)]
)
def test_a_name_may_be_as_long_as_its_column_and_no_longer(check, length):
    assert check("a" * length) == "a" * length
    with pytest.raises(InvalidJob, match=f"at most {length} characters"):
        check("a" * (length + 1))


@pytest.mark.parametrize("check", [check_actor_name, check_queue_name, check_id])
@pytest.mark.parametrize("value", [None, 1, b"a", ["a"]])
def test_only_text_can_be_a_name(check, value):
    with pytest.raises(InvalidJob, match=f"must be a str, not {type(value).__name__}"):
        check(value)


@pytest.mark.parametrize(
    ("check", "what"),
    [(check_actor_name, "name"), (check_queue_name, "queue"), (check_id, "id_")],
)
def test_the_error_says_which_argument_what_it_got_and_what_it_wants(check, what):
    with pytest.raises(InvalidJob, match=rf"^{what} 'no good!' is not valid: .*letter"):
        check("no good!")


@given(NAMES)
def test_names_are_taken_exactly_as_the_grammar_says(name):
    fits = bool(name) and name[0] in FIRST and set(name) <= LATER and len(name) <= 64
    assert _is_taken(check_queue_name, name) is fits


@given(IDS)
def test_ids_are_taken_exactly_as_the_grammar_says(id_):
    fits = bool(id_) and set(id_) <= IN_IDS and len(id_) <= 128
    assert _is_taken(check_id, id_) is fits


def _is_taken(check, value):
    try:
        return check(value) == value
    except InvalidJob:
        return False
