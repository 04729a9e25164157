"""Registries: the classes of a folder by file name, without a list that must be maintained.

A module is imported when its name is first looked up. A file defines exactly one public subclass of the base class.

`my_module:Molecule` names a class outside the package. Names come from files too, and importing a module runs its code,
so such a name resolves only to a subclass of the base class that exists in this process, because the user imported,
defined or registered it, or to one of a module that the user has allowed by name (`allow_modules`).
"""

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from deepglass.errors import SpecError, near_miss
from deepglass.own_modules import copy_of, import_own, own_line

T = TypeVar("T")
C = TypeVar("C", bound=type)
Modules = str | Iterable[str]  # dotted names of Python modules, or one

_MAX_NAME = 100  # characters of a file's name that is looked for

_allowed_modules: set[str] = set()
_registered: dict[str, type] = {}
_functions: dict[str, Callable[..., Any]] = {}  # that the user has given as such
_registries: "list[Registry[Any]]" = []


def allow_modules(modules: Modules) -> None:
    """Allow modules outside the package to be imported for the rest of the process when a spec or run names them.

    Args:
        modules: dotted names; a package allows its submodules.
    """
    _allowed_modules.update([modules] if isinstance(modules, str) else modules)


def check_allowed(module: str, where: str) -> None:
    """Raise an error unless the user has allowed the module.

    Args:
        where: what names the module, for messages.

    Raises:
        SpecError: `unknown-name`, which says how to allow it.
    """
    if is_allowed(module):
        return
    if not all(part.isidentifier() for part in module.split(".")):
        raise SpecError("unknown-name", f"{where}: {module!r} is not the name of a Python module")
    if module == "__main__":
        text = "a class of a script or notebook exists only there: define it, or move it to a file and train again"
        raise SpecError("unknown-name", f"{where}: {text}")
    copy = f" (the run has a copy of it: code/{file.name})" if (file := copy_of(module)) else ""
    raise SpecError(
        "unknown-name",
        f"{where}: the module {module!r} is outside of deepglass and is not imported because a file names it; if you "
        f"trust its code{copy}, allow it with --allow-code {module} "
        f"(in Python: allow_code={module!r})",
    )


def is_allowed(module: str) -> bool:
    """Whether the user has allowed a module, or a package that it is in."""
    parts = module.split(".")
    return any(".".join(parts[: n + 1]) in _allowed_modules for n in range(len(parts)))


def register(cls: C) -> C:
    """Make a class outside the package known under `module:Class`, so that a spec or run may name it; a decorator.

    Args:
        cls: a subclass of `Feature`, `Output`, `Trunk`, `Objective` or another base class of a registry.

    Raises:
        SpecError: `bad-value` for any other class.
    """
    if not any(issubclass(cls, registry.base()) for registry in _registries):
        raise SpecError("bad-value", f"register: expected a subclass of a base class such as Feature, got {cls!r}")
    _registered[_external_name(cls)] = cls
    return cls


def own_class(name: str, base: type, noun: str, where: str) -> type:
    """The class `module:Class` of a module that the user has allowed.

    Args:
        noun: what it is, such as "feature kind", for messages.
        where: what names it, for messages.

    Raises:
        SpecError: `unknown-name` for a module that is not allowed or cannot be imported, and for what is no final
            subclass of the base class.
    """
    return _checked(_own_object(name, where, inspect.isclass), base, name, noun, where)


def function_name(function: Callable[..., Any], where: str) -> str:
    """The name `module:function` of a function that the user gives as such; specs and runs hold the name.

    Raises:
        SpecError: `bad-value` for a function that no other program can import by its name.
    """
    name = _external_name(function)
    if "<" in name:
        text = "a lambda and a function inside of another have no name that can be imported; define it in a module"
        raise SpecError("bad-value", f"{where}: {text}")
    _functions[name] = function
    return name


def own_function(name: str, noun: str, where: str) -> Callable[..., Any]:
    """The function `module:function` that the user has given, or one of a module that the user has allowed.

    Args:
        noun, where: as of `own_class`.

    Raises:
        SpecError: `unknown-name`, as of `own_class`.
    """
    if name in _functions:
        return _functions[name]
    function = _own_object(name, where, inspect.isroutine)
    if inspect.isclass(function) or not callable(function):
        raise SpecError("unknown-name", f"{where}: {name!r} is no {noun}; expected a function")
    return cast("Callable[..., Any]", function)


def _own_object(name: str, where: str, is_wanted: Callable[[Any], bool]) -> Any:
    """What `module:name` names; `is_wanted` says which names of the module an error lists."""
    module, _, own_name = name.partition(":")
    check_allowed(module, f"{where}: {name!r}")
    try:
        content = import_own(module)
    except Exception as error:  # of the user's code
        reason = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        place = f", {line}" if (line := own_line(error)) else ""
        raise SpecError("unknown-name", f"{where}: cannot import {name!r} ({reason}{place})") from error
    if (value := getattr(content, own_name, None)) is None:
        names = [n for n, c in inspect.getmembers(content, is_wanted) if c.__module__ == module]
        reason = f"{content.__file__} has no {own_name!r}{near_miss(own_name, names)}"
        raise SpecError("unknown-name", f"{where}: cannot import {name!r} ({reason})")
    return value


def _checked(cls: Any, base: type, name: str, noun: str, where: str) -> type:
    """A class, if it is a final subclass of the base class."""
    if inspect.isclass(cls) and issubclass(cls, base):
        if not inspect.isabstract(cls):
            return cls
        methods = ", ".join(sorted(getattr(cls, "__abstractmethods__", ())))
        missing = f", which lacks the methods {methods}"
    else:
        missing = ""
    raise SpecError("unknown-name", f"{where}: {name!r} is no {noun}; expected a subclass of {base.__name__}{missing}")


def _external_name(value: Any) -> str:
    return f"{value.__module__}:{value.__qualname__}"


def _subclasses(base: type) -> Iterator[type]:
    cls: type
    for cls in base.__subclasses__():
        yield cls
        yield from _subclasses(cls)


def names_in(package: str) -> list[str]:
    """Names of the classes in a folder of the package in alphabetical order, without importing any.

    Args:
        package: dotted name of the folder, such as `deepglass.features`.
    """
    return list(_files_of(package))


@cache
def _files_of(package: str) -> tuple[str, ...]:
    """As `names_in`; a folder is listed once a process, though thousands of columns ask for its kinds."""
    folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
    names = (p.stem for p in folder.glob("*.py"))
    return tuple(sorted(name for name in names if name not in ("__init__", "base") and name[0] != "_"))


class Registry(Generic[T]):
    """The classes of one folder, by file name.

    Args:
        package: dotted name of the folder, such as `deepglass.features`.
        base: name of the base class, defined in the folder's `base.py`.
        noun: for messages, such as "feature kind".
    """

    def __init__(self, package: str, base: str, noun: str) -> None:
        self.package, self.noun, self._base_name = package, noun, base
        self._classes: dict[str, type[T]] = {}
        _registries.append(self)

    def base(self) -> type[T]:
        """The base class."""
        return cast("type[T]", getattr(importlib.import_module(f"{self.package}.base"), self._base_name))

    def names(self) -> list[str]:
        """All names in alphabetical order, without importing any."""
        return names_in(self.package)

    def __iter__(self) -> Iterator[tuple[str, type[T]]]:
        return ((name, self.get(name)) for name in self.names())

    def get(self, name: str, *, where: str = "") -> type[T]:
        """The class with a name.

        Args:
            where: path in the spec, for messages.

        Raises:
            SpecError: `unknown-name`, with the near miss, or for a module outside the package that is not allowed.
        """
        if not isinstance(name, str):
            raise SpecError("unknown-name", f"{where or self.noun}: expected the name of a {self.noun}, got {name!r}")
        if ":" in name:
            return self._external(name, where or self.noun)
        if name not in self._classes:
            self._classes[name] = self._internal(name, f"{where}: " if where else "")
        return self._classes[name]

    def name_of(self, cls: type) -> str:
        """The name with which `get` returns a class."""
        package, _, name = cls.__module__.rpartition(".")
        return name if package == self.package else _external_name(cls)

    def _internal(self, name: str, place: str) -> type[T]:
        if name not in self.names():
            hint = near_miss(name, self.names()) or ("" if self.names() else "; expected module:Class")
            if name.isidentifier() and len(name) < _MAX_NAME and Path(f"{name}.py").is_file():
                hint = f"; a class in {name}.py is named {name}:CLASS"
            raise SpecError("unknown-name", f"{place}no {self.noun} {name!r}{hint}")
        module = importlib.import_module(f"{self.package}.{name}")
        base = self.base()
        classes = [
            c
            for _, c in inspect.getmembers(module, inspect.isclass)
            if c.__module__ == module.__name__ and issubclass(c, base) and not c.__name__.startswith("_")
        ]
        assert len(classes) == 1, f"{module.__name__} must define exactly one {self._base_name}, not {classes}"
        return cast("type[T]", classes[0])

    def _external(self, name: str, where: str) -> type[T]:
        base = self.base()
        existing = {_external_name(cls): cls for cls in _subclasses(base)} | _registered  # the latest of a name
        if name in existing:
            return cast("type[T]", _checked(existing[name], base, name, self.noun, where))
        return cast("type[T]", own_class(name, base, self.noun, where))
