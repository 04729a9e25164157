"""Registries: the classes of a folder by file name, without a list that must be maintained.

A module is imported when its name is first looked up. A file defines exactly one public subclass of the base class.
`my_module:Molecule` names a class outside the package.
"""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar, cast

from deepglass.errors import SpecError, near_miss

T = TypeVar("T")


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

    def names(self) -> list[str]:
        """All names in alphabetical order, without importing any."""
        folder = Path(__file__).parent.joinpath(*self.package.split(".")[1:])
        return sorted(p.stem for p in folder.glob("*.py") if p.stem not in ("__init__", "base") and p.stem[0] != "_")

    def __iter__(self) -> Iterator[tuple[str, type[T]]]:
        return ((name, self.get(name)) for name in self.names())

    def get(self, name: str, *, where: str = "") -> type[T]:
        """The class with a name.

        Args:
            where: path in the spec, for messages.

        Raises:
            SpecError: `unknown-name`, with the near miss.
        """
        if name not in self._classes:
            place = f"{where}: " if where else ""
            self._classes[name] = self._external(name, place) if ":" in name else self._internal(name, place)
        return self._classes[name]

    def name_of(self, cls: type) -> str:
        """The name with which `get` returns a class."""
        package, _, name = cls.__module__.rpartition(".")
        return name if package == self.package else f"{cls.__module__}:{cls.__qualname__}"

    def _internal(self, name: str, place: str) -> type[T]:
        if name not in self.names():
            hint = near_miss(name, self.names()) or ("" if self.names() else "; expected module:Class")
            raise SpecError("unknown-name", f"{place}no {self.noun} {name!r}{hint}")
        module = importlib.import_module(f"{self.package}.{name}")
        base = getattr(importlib.import_module(f"{self.package}.base"), self._base_name)
        classes = [
            c
            for _, c in inspect.getmembers(module, inspect.isclass)
            if c.__module__ == module.__name__ and issubclass(c, base) and not c.__name__.startswith("_")
        ]
        assert len(classes) == 1, f"{module.__name__} must define exactly one {self._base_name}, not {classes}"
        return cast("type[T]", classes[0])

    def _external(self, name: str, place: str) -> type[T]:
        module_name, _, class_name = name.partition(":")
        try:
            return cast("type[T]", getattr(importlib.import_module(module_name), class_name))
        except (ImportError, AttributeError) as error:
            raise SpecError("unknown-name", f"{place}cannot import {name!r} ({error})") from error
