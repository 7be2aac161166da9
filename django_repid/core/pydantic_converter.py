"""The converter that validates with pydantic. The only file that imports it."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, Required

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict

from django_repid.core.annotations import evaluated_signature
from django_repid.core.arguments import Arguments, serialize_result
from django_repid.core.config import Config
from django_repid.core.errors import ArgsInvalid, ConfigurationError, ResultInvalid
from django_repid.core.redaction import NO_MARKS, Secrets, hide_arguments, readable_place

_KINDS = inspect.Parameter


class PydanticConverter:
    """Validates arguments and results against the annotations of the actor.

    Parameters without an annotation take anything, and so do those whose annotation names what
    cannot be found at run time. Aliases and defaults of a pydantic `Field` hold. Unknown names are
    an error, unless the actor takes `**kwargs`. `*args` cannot be validated by name and is refused:
    `BasicConverter` takes it.

    Raises:
        ConfigurationError: at registration: an annotation that pydantic cannot read.

    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        try:
            signature = evaluated_signature(fn, strictly=True)
            self._inputs = _input_adapter(fn.__name__, signature)
            self._rest = _rest_adapter(signature)
            self._output = _output_adapter(signature.return_annotation)
        except ConfigurationError:
            raise
        except Exception as error:  # evaluating an annotation can raise anything
            message = (
                f"pydantic cannot read the annotations of actor function {fn.__qualname__}: "
                f"{error} Correct them, or register it with converter=BasicConverter."
            )
            raise ConfigurationError(message) from error
        self._secrets = Secrets.of(fn)
        self._names = frozenset(signature.parameters)
        self._positional = [
            p for p in signature.parameters.values() if p.kind is _KINDS.POSITIONAL_ONLY
        ]

    def convert_inputs(self, data: str) -> Arguments:
        """See `ConverterT`."""
        try:
            loaded = self._inputs.validate_json(data or "{}")
            if self._rest is not None:
                rest = {name: loaded[name] for name in loaded.keys() - self._names}
                loaded.update(self._rest.validate_python(rest))
        except ValidationError as error:
            found = hide_arguments(
                _explain(error, self._secrets), data, Config.SECRET_ARGUMENTS, self._secrets
            )
            message = f"The arguments do not fit the actor: {found}"
            # pydantic's own text, which a traceback would repeat, shows what was given. So below.
            raise ArgsInvalid(message) from None
        return [loaded.pop(p.name, p.default) for p in self._positional], loaded

    def convert_outputs(self, data: Any) -> str:
        """See `ConverterT`."""
        if self._output is None:
            return serialize_result(data)
        try:
            plain = self._output.dump_python(self._output.validate_python(data), mode="json")
        except (PydanticSerializationError, UnicodeDecodeError) as error:
            message = f"What the actor returned cannot be stored as a result: {error}"
            raise ResultInvalid(message) from error
        except ValidationError as error:
            found = _explain(error, NO_MARKS)
            message = f"What the actor returned is not what it is annotated with: {found}"
            raise ResultInvalid(message) from None
        return serialize_result(plain)


def _input_adapter(name: str, signature: inspect.Signature) -> TypeAdapter[dict[str, Any]]:
    # A TypedDict, since its keys may be any name, "schema" and "_x" included, and since what was
    # not given stays out of it, so that Python applies the default.
    fields: dict[str, Any] = {}
    extra: Literal["allow", "forbid"] = "forbid"
    for parameter in signature.parameters.values():
        if parameter.kind is _KINDS.VAR_KEYWORD:
            extra = "allow"
            continue
        if parameter.kind is _KINDS.VAR_POSITIONAL:
            message = (
                f"Actor function {name} takes *{parameter.name}, which cannot be validated by "
                "name: register it with converter=BasicConverter."
            )
            raise ConfigurationError(message)
        fields[parameter.name] = _field(parameter)
    made: Any = TypedDict  # to the type checker a form of syntax, here made at run time
    typed = made(f"{name}_arguments", fields)
    # By name besides an alias: that is how `Job.of` sends it.
    typed.__pydantic_config__ = ConfigDict(extra=extra, populate_by_name=True)
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(typed)
    return adapter


def _field(parameter: inspect.Parameter) -> Any:
    annotation: Any = Any if parameter.annotation is _KINDS.empty else parameter.annotation
    fields = [one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, FieldInfo)]
    if isinstance(parameter.default, FieldInfo):  # def actor(n: int = Field(alias="number"))
        fields = [parameter.default]
        annotation = Annotated[annotation, parameter.default]
    elif parameter.default is not _KINDS.empty:
        return NotRequired[annotation]
    # What a Field has as its default pydantic fills in.
    filled = any(not field.is_required() for field in fields)
    return NotRequired[annotation] if filled else Required[annotation]


def _rest_adapter(signature: inspect.Signature) -> TypeAdapter[dict[str, Any]] | None:
    """Return the validator of what goes into `**kwargs`; None where anything may."""
    for parameter in signature.parameters.values():
        if parameter.kind is _KINDS.VAR_KEYWORD and parameter.annotation is not _KINDS.empty:
            return TypeAdapter(dict[str, parameter.annotation])  # type: ignore[name-defined]  # at run time
    return None


def _output_adapter(annotation: Any) -> TypeAdapter[Any] | None:
    """Return the validator of the return annotation; None where there is nothing to check."""
    if annotation in (inspect.Signature.empty, None, Any):
        return None
    return TypeAdapter(annotation)


def _explain(error: ValidationError, secrets: Secrets) -> str:
    """Return pydantic's findings in one line, without the values (they may be secret)."""
    return "; ".join(
        _finding(finding["loc"], finding["type"], finding["msg"], secrets)
        for finding in error.errors(include_url=False, include_input=False)
    )


def _finding(place: tuple[int | str, ...], kind: str, text: str, secrets: Secrets) -> str:
    where, is_secret = readable_place(place, Config.SECRET_ARGUMENTS, secrets)
    # Some texts say what was given.
    return f"{where or 'value'}: {kind if is_secret else text}"
