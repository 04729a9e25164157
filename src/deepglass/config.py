"""Settings <-> constructor signatures: the signature is the schema.

`construct(Cls, settings, where)` validates a mapping against the parameters of a constructor with pydantic and calls
it. Types and ranges stand in the annotations (`deepglass.constraints`); checks over several parameters are
`ValueError`s of the constructor. An error carries the path of the setting, such as `inputs.age.kind`.
"""

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import BeforeValidator, ConfigDict, Field, Strict, TypeAdapter, ValidationError, WithJsonSchema
from typing_extensions import TypedDict, is_typeddict

from deepglass.constraints import FunctionName
from deepglass.errors import SourceError, SpecError, near_miss

T = TypeVar("T")
SECTION = ConfigDict(extra="forbid", arbitrary_types_allowed=True)  # of a section of a spec
STRICT = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


def construct(
    cls: Callable[..., T],
    settings: Mapping[str, Any],
    where: str,
    beside: Sequence[str] = (),
    *,
    all_fields: bool = False,
    **given: Any,
) -> T:
    """Call `cls` with validated settings.

    Args:
        where: the path of the settings, for messages.
        beside: keys of the same mapping that are no arguments of `cls`, such as the `kind` of a feature; for hints.
        all_fields: whether learned parameters (`name_`) are settings too.
        given: arguments that are not settings.

    Raises:
        SpecError: `unknown-key` or `bad-value`, with the path of the setting.
    """
    values = validated(cls, settings, where, beside, tuple(given), all_fields)
    try:
        return cls(**given, **values)
    except ValueError as error:
        text = str(error.errors()[0]["ctx"]["error"] if isinstance(error, ValidationError) else error)
        separator = "." if text.partition(":")[0] in settings else ": "  # a text that begins with a setting's name
        raise SpecError("bad-value", f"{where}{separator}{text}") from error
    except SpecError as error:  # of something that does not know its path, such as an activation
        text = error.message
        if text.startswith(where):
            raise
        raise SpecError(error.code, f"{where}: {text}") from error


def validated(
    cls: Callable[..., Any],
    settings: Mapping[str, Any],
    where: str,
    beside: Sequence[str] = (),
    given: Sequence[str] = (),
    all_fields: bool = False,
) -> dict[str, Any]:
    """The settings of a constructor, checked and converted; arguments and errors as of `construct`.

    Args:
        given: parameters that are not settings.
        all_fields: whether learned parameters are settings too.
    """
    if not isinstance(settings, Mapping):
        raise SpecError("bad-value", f"{where}: expected settings {{key: value}}, got {settings!r}")
    types = setting_types(cls, frozenset(given), all_fields)
    for key in settings:
        if key not in types:
            raise SpecError("unknown-key", f"{where}: no setting {key!r}{near_miss(str(key), [*beside, *types])}")
    try:
        return _validator(cls, frozenset(given), all_fields).validate_python(dict(settings))
    except ValidationError as error:
        raise _spec_error(error, types, settings, where) from error


def restore(kind: type[T], content: Any, where: str, finite: bool = True) -> T:
    """Parsed JSON as an object of a type, checked: a text is no number, and a list fits a tuple.

    Args:
        kind: a class, by its fields, learned ones (`name_`) included; or a TypedDict, dict or list, with their items.
        where: the place of the content in its file, for messages.
        finite: whether all numbers must be finite.

    Raises:
        SpecError: `unknown-key` or `bad-value`, with the path of the field.
    """
    if finite and (place := _non_finite(content, where)):
        raise SpecError("bad-value", f"{place}: expected a finite number")
    if get_origin(kind) is None and not is_typeddict(kind):
        if isinstance(content, Mapping):  # a field without a usable type was a tuple, as each list of a frozen class
            types = setting_types(kind, all_fields=True)  # type: ignore[arg-type]
            content = {k: tuple(v) if isinstance(v, list) and types.get(k) is Any else v for k, v in content.items()}
        return construct(kind, content, where, all_fields=True)
    try:
        return _stored_type(kind).validate_python(content)  # type: ignore[no-any-return, arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        raise SpecError("bad-value", f"{where}{path}: {first['msg']}, got {str(first['input'])[:100]!r}") from error


def restore_record(kind: type[T], content: Any, where: str) -> T:
    """What a run recorded, as `restore` makes it; its numbers may be infinite.

    Raises:
        SourceError: `unreadable-file`, with the path of the field.
    """
    try:
        return restore(kind, content, where, finite=False)
    except SpecError as error:
        raise SourceError("unreadable-file", error.message) from error


def _non_finite(content: Any, where: str) -> str:
    """The place of a number that is not finite; empty without one."""
    if isinstance(content, float) and not math.isfinite(content):
        return where
    if isinstance(content, Mapping):
        return next(filter(None, (_non_finite(value, f"{where}.{key}") for key, value in content.items())), "")
    if isinstance(content, list | tuple):
        return next(filter(None, (_non_finite(value, f"{where}[{i}]") for i, value in enumerate(content))), "")
    return ""


@cache
def _stored_type(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind, config=None if is_typeddict(kind) else ConfigDict(strict=True))


def settings_schema(cls: Callable[..., Any], given: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON schema of the settings of a constructor.

    Args:
        given: parameters that are not settings.
    """
    return _validator(cls, frozenset(given)).json_schema()


@cache
def setting_types(
    cls: Callable[..., Any], given: frozenset[str] = frozenset(), all_fields: bool = False
) -> dict[str, Any]:
    """Annotations of a constructor's settings: all parameters except `given` and learned ones (`name_`).

    Args:
        all_fields: learned ones too.
    """
    try:
        fields = dataclasses.is_dataclass(cls) or hasattr(cls, "_fields")  # of a dataclass or named tuple
        owner = cls if fields or not inspect.isclass(cls) else cls.__init__
        hints = typing.get_type_hints(owner, include_extras=True)
    except NameError:  # an annotation that only the type checker can see
        hints = {}
    names = [n for n in _parameters(cls) if n not in given and (all_fields or n[-1] != "_")]
    return {name: hints.get(name, Any) for name in names}


def _parameters(cls: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    signature = inspect.signature(cls)
    return {n: p for n, p in signature.parameters.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}


@cache
def _validator(cls: Callable[..., Any], given: frozenset[str], all_fields: bool = False) -> TypeAdapter[dict[str, Any]]:
    parameters = _parameters(cls)
    fields: dict[str, Any] = {}
    for name, hint in setting_types(cls, given, all_fields).items():
        default = parameters[name].default
        if default is inspect.Parameter.empty:
            fields[name] = _strict(hint)
        else:
            plain = default is None or isinstance(default, bool | int | float | str | tuple)
            extra = Field(json_schema_extra={"default": list(default) if isinstance(default, tuple) else default})
            fields[name] = NotRequired[Annotated[_strict(hint), extra] if plain else _strict(hint)]
    make: Any = TypedDict  # mypy takes calls of it for declarations
    settings = make(getattr(cls, "__name__", "Settings"), fields)
    settings.__pydantic_config__ = STRICT
    return TypeAdapter(settings)


def _strict(hint: Any) -> Any:
    """A hint for YAML values: a list fits a tuple, 3.0 fits an integer, and a text fits no number."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is int:
        return Annotated[int, BeforeValidator(_whole)]
    if origin is Annotated and args[0] is int:
        return Annotated[(int, *hint.__metadata__, BeforeValidator(_whole))]
    if origin is Annotated:
        return Annotated[(_strict(args[0]), *hint.__metadata__)]
    if origin in (Union, types.UnionType):
        return Union[tuple(map(_strict, args))]  # noqa: UP007
    if origin is tuple:
        items: Any = tuple(a if a is Ellipsis else _strict(a) for a in args)
        return Annotated[tuple[items], Strict(False)]
    if origin is Sequence:
        item: Any = _strict(args[0])
        return Annotated[tuple[item, ...], Strict(False)]
    if origin is list:
        return list[_strict(args[0])]  # type: ignore[misc]
    if origin in (dict, Mapping) and args:
        key: Any = Annotated[args[0], Strict(False)] if args[0] in (int, float) else args[0]  # a text in JSON
        value: Any = _strict(args[1])
        return origin[key, value]
    if origin is Callable:
        return Annotated[hint, WithJsonSchema({})]
    return hint


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _spec_error(error: ValidationError, types: Mapping[str, Any], settings: Mapping[str, Any], where: str) -> SpecError:
    """The first problem: its path, the expected and the actual value, and the near miss."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    if name not in settings:
        return SpecError("bad-value", f"{where}: the setting {name!r} is missing; expected {describe(types[name])}")
    hint, value, path = types[name], settings[name], f"{where}.{name}"
    if len(first["loc"]) > 1 and isinstance(index := first["loc"][1], int) and index < len(value):
        items = get_args(_bare(hint))
        hint, value, path = items[0 if items[-1] is Ellipsis else index], value[index], f"{path}[{index}]"
    words = [str(choice) for choice in choices_of(hint)]
    hint_text = near_miss(value, words) if words and isinstance(value, str) else ""
    return SpecError("bad-value", f"{path}: expected {describe(hint)}, got {value!r}{hint_text}")


def describe(hint: Any) -> str:
    """The values that a setting takes, such as `a whole number above 0 or one of auto`."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return "module:function" if hint == FunctionName else describe(args[0]) + _range(hint.__metadata__)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(a) for a in args if a is not type(None))
    if origin is Literal:
        return "one of " + ", ".join(str(a) for a in args)
    if origin is tuple and args[-1] is not Ellipsis:
        return f"a list of {len(args)}, each {describe(args[0])}"
    if hint is Any or dataclasses.is_dataclass(hint):
        return "any value" if hint is Any else "settings {key: value}"
    if origin in (Mapping, dict) and args[1] is not Any:
        return f"settings {{key: {describe(args[1])}}}"
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    names |= {tuple: "a list", Sequence: "a list", Mapping: "settings {key: value}", dict: "settings {key: value}"}
    return names.get(origin or hint, getattr(origin or hint, "__name__", str(hint)))


def _range(constraints: Sequence[Any]) -> str:
    """` above 0`, ` of at least 1`, ` from 0 to 1`."""
    kinds: Any = (Ge | Gt, Le | Lt, Len)
    low, high, length = (next((c for c in constraints if isinstance(c, kind)), None) for kind in kinds)
    if length is not None:
        return f" of at least {length.min_length}"
    top = "" if high is None else f"below {_bound(high.lt)}" if isinstance(high, Lt) else f"{high.le}"
    if isinstance(low, Gt):
        joined = f" and {top}" if isinstance(high, Lt) else f" and at most {top}"
        return f" above {low.gt}" + (joined if top else "")
    if isinstance(low, Ge):
        return f" from {low.ge} to {top}" if top else f" of at least {low.ge}"
    return f" {top}" if isinstance(high, Lt) else f" of at most {top}" if top else ""


def _bound(value: Any) -> str:
    return "2**63" if value == 2**63 else str(value)


def _bare(hint: Any) -> Any:
    """A hint without constraints; of a union the option that is a list."""
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    bare = [get_args(o)[0] if get_origin(o) is Annotated else o for o in options]
    return next((o for o in bare if get_origin(o) in (tuple, list, Sequence)), bare[0])


def options_of(hint: Any) -> Iterator[Any]:
    """The options of a union without constraints, one by one; of any other hint itself."""
    origin = get_origin(hint)
    if origin not in (Annotated, Union, types.UnionType):
        yield hint
        return
    for option in get_args(hint)[: 1 if origin is Annotated else None]:
        yield from options_of(option)


def choices_of(hint: Any) -> list[Any]:
    """The values of a `Literal`, also as options of a union."""
    return [value for option in options_of(hint) if get_origin(option) is Literal for value in get_args(option)]
