import pytest

from django_repid import (
    BasicConverter,
    Config,
    ConfigurationError,
    DefaultConverter,
    PydanticConverter,
    Router,
    RouterDefaults,
)
from tests.core.kit import blocking, run_script


def greet(n: int) -> str:
    return "hello " * n


@pytest.fixture(autouse=True)
def _no_converter(monkeypatch):
    monkeypatch.setattr(Config, "CONVERTER", None)


def test_where_pydantic_is_installed_the_default_is_its_converter():
    assert isinstance(DefaultConverter(greet), PydanticConverter)


def test_the_settings_can_name_another(monkeypatch):
    monkeypatch.setattr(Config, "CONVERTER", BasicConverter)
    assert isinstance(DefaultConverter(greet), BasicConverter)


def test_an_actors_own_converter_goes_before_its_routers_and_that_before_the_default():
    router = Router(defaults=RouterDefaults(converter=BasicConverter))
    router.actor(name="routers")(greet)
    router.actor(name="own", converter=PydanticConverter)(greet)
    Router.actor(other := Router(), name="default")(greet)
    assert isinstance(router.actors["routers"].converter, BasicConverter)
    assert isinstance(router.actors["own"].converter, PydanticConverter)
    assert isinstance(other.actors["default"].converter, PydanticConverter)


def test_without_pydantic_the_default_is_the_basic_one_and_pydantics_says_what_to_install():
    printed = run_script(
        blocking("pydantic")
        + """
from django_repid import BasicConverter, ConfigurationError, DefaultConverter, PydanticConverter

def greet(n: int): ...

print(type(DefaultConverter(greet)) is BasicConverter)
try:
    PydanticConverter(greet)
except ConfigurationError as error:
    print(error)
"""
    )
    assert printed.splitlines() == [
        "True",
        "PydanticConverter needs pydantic: pip install 'django-repid[pydantic]'.",
    ]


class Opaque:
    """No type that pydantic knows."""


def test_an_actor_that_its_converter_cannot_read_is_not_registered():
    router = Router()
    with pytest.raises(ConfigurationError):

        @router.actor
        def fn(value: Opaque): ...

    assert router.actors == {}
