"""Which arguments are secret, and texts without them."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import pytest
from pydantic import BaseModel, SecretStr

from django_repid import Config, Router, Secret
from django_repid.core.redaction import (
    ALL_SECRET,
    HIDDEN,
    Secrets,
    hide,
    hide_arguments,
    is_secret_name,
    without_secrets,
)
from tests.security import postponed

NAMES = Config.SECRET_ARGUMENTS


class Card(BaseModel):
    holder: str
    number: Annotated[str, Secret]


@dataclass
class Order:
    cards: "list[Card]"


class Typed(TypedDict):
    code: Annotated[int, Secret()]


class Recursive(BaseModel):
    inner: "Recursive | None" = None


class PaymentSecret(Secret):
    """A mark of one's own."""


def marked(a: Annotated[str, Secret]): ...
def by_object(a: Annotated[str, Secret()]): ...
def by_child(a: Annotated[str, PaymentSecret]): ...
def inside(a: list[Annotated[str, Secret]]): ...
def optional(a: Annotated[str, Secret] | None = None): ...
def in_a_model(a: Card): ...
def in_a_dataclass(a: dict[str, Order]): ...
def in_a_typed_dict(a: Typed): ...
def of_pydantic(a: SecretStr | None): ...
def as_text(a: "Annotated[str, Secret]"): ...
def only_for_type_checkers(a: "Nowhere[Secret]"): ...  # type: ignore[name-defined]  # noqa: F821
def last(x: int, *, a: Annotated[str, Secret]): ...


@pytest.mark.parametrize(
    "fn",
    [
        *[marked, by_object, by_child, inside, optional, in_a_model, in_a_dataclass],
        *[in_a_typed_dict, of_pydantic, as_text, only_for_type_checkers, last],
    ],
)
def test_a_mark_is_found_wherever_an_annotation_has_it(fn: Any) -> None:
    assert Secrets.of(fn) == Secrets(named=frozenset("a"))


def literal(a: Literal["Secret"], b: Annotated[str, "Secret"], c: Recursive, d=Secret): ...
def bare(a, b=1): ...
def hidden(a: "Nowhere"): ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("fn", [literal, bare, hidden, print, len])
def test_what_is_no_mark_is_none(fn: Any) -> None:
    assert Secrets.of(fn) == Secrets()


def test_postponed_annotations_are_evaluated_one_by_one() -> None:
    assert Secrets.of(postponed.named).named == {"pin"}
    assert Secrets.of(postponed.beside_a_hidden_one).named == {"pin", "code"}


def test_a_mark_on_the_rest_makes_all_of_it_secret() -> None:
    def fn(a: int, **rest: Annotated[str, Secret]): ...

    secrets = Secrets.of(fn)

    assert "a" not in secrets
    assert "anything" in secrets


def test_a_mark_on_what_is_returned_makes_the_result_secret() -> None:
    def fn() -> Annotated[str, Secret]: ...  # type: ignore[empty-body]  # a signature

    assert Secrets.of(fn).result


def test_an_actor_knows_its_secrets() -> None:
    router = Router()
    router.actor(marked)

    assert router.actors["marked"].secrets.named == {"a"}


def test_of_several_actors_what_is_secret_to_one_is_secret() -> None:
    rest = Secrets(frozenset("a"), spared=frozenset("xy"))
    both = Secrets.together([Secrets(frozenset("b")), rest, Secrets(spared=frozenset("xz"))])

    assert both.named == {"a", "b"}
    assert both.spared == frozenset("x")
    assert Secrets.together([]) == Secrets()


@pytest.mark.parametrize(
    "name",
    [
        *["password", "PASSWORD", "user_password", "userPassword", "new_password2", "passwords"],
        *["X-Api-Key", "apikey", "API_KEY", "access_token", "csrftoken", "tokens", "client.secret"],
        *["Authorization", "Proxy-Authorization", "Set-Cookie", "cookies", "credentials"],
        *["aws_secret_access_key", "private-key", "SECRET_KEY", "passphrase"],
    ],
)
def test_a_name_is_secret_by_its_end(name: str) -> None:
    assert is_secret_name(name, NAMES)


@pytest.mark.parametrize(
    "name",
    [
        *["password_changed_at", "token_count", "secretary", "key", "user", "", "_", "author"],
        *["pass", "primary_key", "cookie_banner", "keys", "s", "1"],
    ],
)
def test_another_name_is_not(name: str) -> None:
    assert not is_secret_name(name, NAMES)


def test_secrets_are_hidden_by_name_at_any_depth_and_by_mark_at_the_top() -> None:
    value = {
        "user": "ada",
        "password": "hunter2",
        "pin": 1234,
        "options": [{"api_key": ["hunter2"], "pin": 5}, {"deep": {"Token": {"hunter2": 1}}}],
        "secret": None,
    }

    shown = without_secrets(value, NAMES, Secrets(frozenset({"pin"})))

    assert shown == {
        "user": "ada",
        "password": HIDDEN,
        "pin": HIDDEN,
        "options": [{"api_key": HIDDEN, "pin": 5}, {"deep": {"Token": HIDDEN}}],
        "secret": HIDDEN,
    }
    assert value["password"] == "hunter2"


def test_where_nothing_is_known_all_is_hidden() -> None:
    assert without_secrets({"a": 1, "b": {"c": 2}}, (), ALL_SECRET) == {"a": HIDDEN, "b": HIDDEN}


def test_a_text_that_repeats_a_secret_is_cleaned() -> None:
    payload = json.dumps({"password": 'hunter"2', "n": {"tokens": ["abc", 98765]}, "user": "ada"})
    text = """ada: hunter"2 'hunter"2' "hunter\\"2" https://x/?t=abc 98765"""

    assert hide_arguments(text, payload, NAMES, ()) == (
        f"""ada: {HIDDEN} '{HIDDEN}' "{HIDDEN}" https://x/?t={HIDDEN} {HIDDEN}"""
    )


@pytest.mark.parametrize("payload", ["", "{", "[" * 100_000, "null", '{"password": true}'])
def test_a_text_is_left_alone_where_there_is_no_secret_to_find(payload: str) -> None:
    assert hide_arguments("true story", payload, NAMES, ()) == "true story"


def test_of_too_many_secrets_the_whole_text_is_hidden() -> None:
    assert hide("some text", {str(n) for n in range(5000)}) == HIDDEN
