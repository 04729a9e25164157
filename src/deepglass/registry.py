"""Name -> class by file name: the folder's listing is the registry.

A module is imported when its name is first asked for, so listing costs nothing. The class of a file is the one
that its module names in `__all__`'s first place, or the only class that it defines as a subclass of the base.
`my_module:Molecule` names a class outside the package.
"""

from __future__ import annotations

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
        base: the name of the base class, which lives in the folder's `base.py`.
        noun: what one of them is called in messages.
    """

    def __init__(self, package: str, base: str, noun: str) -> None:
        self.package = package
        self.noun = noun
        self._base_name = base
        self._known: dict[str, type[T]] = {}

    def names(self) -> list[str]:
        """All names, in alphabetical order, without importing any."""
        folder = Path(__file__).parent.joinpath(*self.package.split(".")[1:])
        return sorted(p.stem for p in folder.glob("*.py") if p.stem not in ("__init__", "base") and p.stem[0] != "_")

    def __iter__(self) -> Iterator[tuple[str, type[T]]]:
        return ((name, self.get(name)) for name in self.names())

    def get(self, name: str, *, where: str = "") -> type[T]:
        """The class of that name.

        Raises:
            SpecError: `unknown-name`, with the near miss.
        """
        if name not in self._known:
            self._known[name] = self._outside(name, where) if ":" in name else self._inside(name, where)
        return self._known[name]

    def name_of(self, cls: type) -> str:
        """The name under which `get` finds a class again."""
        inside = cls.__module__.rpartition(".")
        return inside[2] if inside[0] == self.package else f"{cls.__module__}:{cls.__qualname__}"

    def _inside(self, name: str, where: str) -> type[T]:
        if name not in self.names():
            place = f"{where}: " if where else ""
            raise SpecError("unknown-name", f"{place}no {self.noun} {name!r}{near_miss(name, self.names())}")
        module = importlib.import_module(f"{self.package}.{name}")
        base = getattr(importlib.import_module(f"{self.package}.base"), self._base_name)
        found = [
            c
            for _, c in inspect.getmembers(module, inspect.isclass)
            if c.__module__ == module.__name__ and issubclass(c, base) and not c.__name__.startswith("_")
        ]
        assert len(found) == 1, f"{module.__name__} must define exactly one {self._base_name}, not {found}"
        return cast("type[T]", found[0])

    def _outside(self, name: str, where: str) -> type[T]:
        module_name, _, class_name = name.partition(":")
        try:
            found: type[T] = getattr(importlib.import_module(module_name), class_name)
            return found
        except (ImportError, AttributeError) as error:
            place = f"{where}: " if where else ""
            raise SpecError("unknown-name", f"{place}cannot import {name!r} ({error})") from error
