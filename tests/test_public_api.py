"""The public names: they resolve, they are documented, and every module can be imported alone."""

from __future__ import annotations

import ast
import dataclasses
import graphlib
import importlib
import inspect
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

import blackbox_xai as bx

ROOT = Path(__file__).parents[1]
PUBLIC = sorted(set(bx.__all__) - {"__version__"})


def modules() -> dict[str, Path]:
    """Return names and files of all modules of the package but ``__main__``, which runs at once."""
    found = {}
    for top, prefix in (("blackbox_xai", "blackbox_xai"), ("adapters", "blackbox_xai.adapters")):
        for path in (ROOT / top).glob("**/*.py"):
            parts = path.relative_to(ROOT / top).with_suffix("").parts
            if not (top == "blackbox_xai" and parts[0] == "adapters"):
                found[".".join((prefix, *(part for part in parts if part != "__init__")))] = path
    return {name: found[name] for name in sorted(found) if name != "blackbox_xai.__main__"}


def sections(documented: Any) -> set[str]:
    """Return the headings of a docstring in numpy format."""
    return set(re.findall(r"^(\w[\w ]*)\n-{3,}$", inspect.getdoc(documented) or "", re.MULTILINE))


def is_record(documented: Any) -> bool:
    """Tell whether this is what functions return and users do not make themselves."""
    return dataclasses.is_dataclass(documented) and any(
        field.default is field.default_factory is dataclasses.MISSING
        for field in dataclasses.fields(documented)
    )


def issubclass_of_builtin(documented: Any) -> bool:
    """Tell whether this is a list or the like with methods of ours, made from an iterable."""
    return inspect.isclass(documented) and issubclass(documented, list | dict | tuple)


def type_checking_names() -> dict[str, str]:
    """Return ``{name: module}`` as type checkers read ``blackbox_xai/__init__.py``."""
    tree = ast.parse((ROOT / "blackbox_xai" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    names = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, "only `from x import y as y` is a public name"
            names[alias.name] = str(node.module)
    return names


def test_type_checkers_see_the_same_names_as_users() -> None:
    assert type_checking_names() == bx._HOME
    assert len(bx.__all__) == len(set(bx.__all__))
    assert dir(bx) == sorted(bx.__all__)


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Shaply'"):
        _ = bx.Shaply


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_listed_where_it_lives(name: str) -> None:
    assert name in importlib.import_module(bx._HOME[name]).__all__


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_documented(name: str) -> None:
    documented = getattr(bx, name)
    if inspect.isclass(documented) and issubclass(documented, BaseException):
        assert inspect.getdoc(documented)  # examples of errors are with what raises them
        return
    found = sections(documented)
    if is_record(documented):
        assert found & {"Parameters", "Attributes"}
        return  # what returns it shows it
    assert "Examples" in found
    assert ">>> " in inspect.getdoc(documented)
    if not issubclass_of_builtin(documented) and inspect.signature(documented).parameters:
        assert "Parameters" in found
    if inspect.isfunction(documented):
        assert "Returns" in found


@pytest.mark.parametrize("name", PUBLIC)
def test_public_methods_are_documented(name: str) -> None:
    documented = getattr(bx, name)
    if not inspect.isclass(documented):
        return
    for method, function in inspect.getmembers(documented, inspect.isfunction):
        ours = function.__module__.startswith("blackbox_xai")
        if ours and not method.startswith("_"):
            assert inspect.getdoc(function), f"{name}.{method}"


@pytest.mark.parametrize("module", modules())
def test_all_names_what_is_there(module: str) -> None:
    loaded = importlib.import_module(module)
    named = getattr(loaded, "__all__", None)
    is_package = hasattr(loaded, "__path__")
    assert named is not None or is_package, "a module lists its names in __all__"
    for name in named or ():
        assert hasattr(loaded, name), name


def imported_on_load(tree: ast.Module, known: Collection[str]) -> set[str]:
    """Return what a module imports while it is loaded: not in functions, not for types only."""
    found = set()
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else str(node.module) for name in names}
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            waiting += [
                child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)
            ]
    return found


def packages(module: str) -> set[str]:
    """Return the packages a module is in; they are loaded before it."""
    parts = module.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts))}


def load_order(sources: dict[str, str]) -> list[str]:
    """Return an order in which modules can be loaded whichever is asked for first.

    Loading a module loads its packages too. A cycle raises ``graphlib.CycleError``.
    """
    graph = {}
    for module, source in sources.items():
        wanted = imported_on_load(ast.parse(source), sources) & set(sources)
        inside = packages(module) | {module}
        # A package that loads its own modules is not in their way, unless they ask it for a name.
        graph[module] = wanted | {p for name in wanted for p in packages(name)} - inside
    return list(graphlib.TopologicalSorter(graph).static_order())


def test_no_circular_import() -> None:
    """Whichever module is loaded first, nothing is asked of a module that is half loaded."""
    sources = {name: path.read_text(encoding="utf-8") for name, path in modules().items()}
    assert set(load_order(sources)) == set(modules())


def test_circular_imports_would_be_found() -> None:
    with pytest.raises(graphlib.CycleError):
        load_order({"p": "", "p.a": "from p.b import f", "p.b": "import p.a"})
    with pytest.raises(graphlib.CycleError):  # through the package of the module that is imported
        load_order({"p": "", "p.a": "from p.q.c import f", "p.q": "import p.a", "p.q.c": ""})
    with pytest.raises(graphlib.CycleError):  # a module asks its own package for a name
        load_order({"p": "from p.a import f\ng = 1", "p.a": "from p import g"})
    assert load_order({"p": "from p import a", "p.a": "from p import b", "p.b": ""})
    order = load_order({"p": "", "p.a": "def f():\n    import p.b", "p.b": "from p import a"})
    assert order.index("p.a") < order.index("p.b")
