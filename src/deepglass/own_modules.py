"""Python modules of the user: files in the current folder, and the copies of them that runs keep.

A module that the user has allowed (`registry.check_allowed`) is looked up among the installed ones, then in the current
folder, then among the copies of the runs that were opened. With it come the modules beside it that it imports; no other
file of these folders can be imported. A file is compiled from its source, never from a cache that a stranger may have
put beside it.
"""

import ast
import importlib
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from traceback import walk_tb
from types import CodeType, ModuleType
from typing import Any

from deepglass.errors import SourceError
from deepglass.files import read_file

_INIT = "__init__.py"
_MAX_FILES = 200  # that belong to one module
_PACKAGE = Path(__file__).resolve().parent

_files: dict[str, Path] = {}  # module -> file, for imports
_copies: dict[str, Path] = {}  # module -> copy of its file in a run that was opened


class _SourceLoader(SourceFileLoader):
    """Compiles a module from the file that one reads."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _Finder(MetaPathFinder):
    """Finds the files that were offered for imports, behind all that Python finds by itself."""

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if (file := _files.get(fullname)) is None:
            return None
        folder = [str(file.parent)] if file.name == _INIT else []  # copies of a package lie beside each other
        loader = _SourceLoader(fullname, str(file))
        return spec_from_file_location(
            fullname, file, loader=loader, submodule_search_locations=folder if _is_package(file) else None
        )


_FINDER = _Finder()


def import_own(module: str) -> ModuleType:
    """Import a module that the user has allowed.

    Raises:
        ImportError: where there is no such module; and whatever its code raises.
    """
    if module not in sys.modules:
        files = files_of(module, partial(_file_in, Path.cwd()))
        if not files and not _is_elsewhere(module):
            files = files_of(module, _copies.get)
        _files.update(files)
        if _FINDER not in sys.meta_path:
            sys.meta_path.append(_FINDER)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        text = f"no module {module!r} is installed or in the current folder {Path.cwd()}"
        raise ModuleNotFoundError(text, name=error.name) from error


def is_own(module: str) -> bool:
    """Whether a module was imported from a file of the user: neither from deepglass nor from an installed package."""
    file = Path(getattr(sys.modules.get(module), "__file__", None) or "")
    is_installed = any(map(file.resolve().is_relative_to, (_PACKAGE, *_installed_folders())))
    return file.suffix == ".py" and module != "__main__" and not is_installed


def own_line(error: BaseException) -> str:
    """The line of a module from a file that was offered, if it raised an exception; "" for any other.

    Returns:
        Such as `molecules.py, line 12, in encode`.
    """
    for frame, line in reversed([*walk_tb(error.__traceback__)]):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(_PACKAGE):
            return ""
        if file in _files.values():
            return f"{file.name}, line {line}, in {frame.f_code.co_name}"
    return ""


def own_files(modules: Iterable[str]) -> dict[str, Path]:
    """Module -> file, of imported modules of the user and those beside them that they import."""
    files: dict[str, Path] = {}
    for module in filter(is_own, modules):
        file = Path(str(sys.modules[module].__file__))
        if file == _copies.get(module):
            files |= files_of(module, _copies.get)
        else:
            root = file.parents[module.count(".") + _is_package(file)]
            files |= files_of(module, partial(_file_in, root))
    return files


def files_of(module: str, locate: Callable[[str], Path | None]) -> dict[str, Path]:
    """Module -> file, of a module and those that it imports; {} if it is not there.

    Args:
        locate: the file of a module, if it has one.
    """
    files: dict[str, Path] = {}
    pending = [module]
    while pending and len(files) < _MAX_FILES:
        name = pending.pop()
        if name not in files and (file := locate(name)) is not None:
            files[name] = file
            pending += [*_parents(name), *_imports(name, file)]
    return files


def copy_name(module: str, file: Path) -> str:
    """The name of the copy of a module's file: `molecules.py`, and `atoms.__init__.py` for a package."""
    return f"{module}.{_INIT}" if _is_package(file) else f"{module}.py"


def copied_module(file: Path) -> str:
    """The module of a copy."""
    return file.name.removesuffix(f".{_INIT}") if file.name.endswith(f".{_INIT}") else file.stem


def offer_copies(copies: Mapping[str, Path]) -> None:
    """Offer the copies of a run, for modules that the user allows and that are nowhere else."""
    for module, file in copies.items():
        _copies.setdefault(module, file)


def copy_of(module: str) -> Path | None:
    """The copy of a module in a run that was opened."""
    return _copies.get(module)


def other_version(module: str, copy: Path) -> Path | None:
    """The file that is imported for a module instead of a copy, if it has another content."""
    file = Path(getattr(sys.modules.get(module), "__file__", None) or "")
    if not file.is_file():
        file = _file_in(Path.cwd(), module) or _copies.get(module, copy)
    try:
        return None if file == copy or read_file(file) == read_file(copy) else file
    except SourceError:
        return file


@cache
def _installed_folders() -> list[Path]:
    """The folders of the standard library and of installed packages."""
    return [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]


def _is_package(file: Path) -> bool:
    return file.name == _INIT or file.name.endswith(f".{_INIT}")


def _is_elsewhere(module: str) -> bool:
    """Whether Python finds a module, or the package that it is in, without the copies of runs."""
    name = module.partition(".")[0]
    if name in sys.modules:
        return _files.get(name) is None or _files[name] != _copies.get(name)
    return PathFinder.find_spec(name) is not None


def _file_in(folder: Path, module: str) -> Path | None:
    """The file of a module below a folder; None for what Python finds elsewhere."""
    first, *others = module.split(".")
    path = folder.joinpath(first, *others)
    file = next((f for f in (path / _INIT, path.with_name(f"{path.name}.py")) if f.is_file()), None)
    if file is None or first in sys.stdlib_module_names:
        return None
    spec = PathFinder.find_spec(first)
    elsewhere = spec is not None and spec.origin and not Path(spec.origin).resolve().is_relative_to(folder.resolve())
    return None if elsewhere else file


def _parents(module: str) -> Iterator[str]:
    while module := module.rpartition(".")[0]:
        yield module


def _imports(module: str, file: Path) -> Iterator[str]:
    """The modules that a file may import, by its import statements."""
    try:
        tree = ast.parse(read_file(file))
    except (SyntaxError, ValueError, SourceError):  # the import says what is wrong
        return
    package = module if _is_package(file) else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            name = ".".join(filter(None, (base, node.module)))
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)
