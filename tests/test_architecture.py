"""Imports go one way: a floor stands only on those named here (docs/project/architecture.md)."""

import ast
import functools
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import transfernas
import transfernas_bench

LIBRARY, LABORATORY = Path(transfernas.__file__).parent, Path(transfernas_bench.__file__).parent
FLOORS = {
    LIBRARY: {
        "arrays": "",
        "extras": "",
        "fields": "",
        "files": "",
        "notebook": "",
        "version": "",
        "processes": "files",
        "spaces": "arrays notebook",
        "policy": "arrays fields spaces",
        "learning": "arrays fields processes spaces policy",
        "searcher": "processes spaces",
        "checkpoint": "fields files spaces policy learning",
        "insight": "notebook processes spaces policy learning",
        "agent": "spaces learning searcher checkpoint insight",
        "baselines": "spaces searcher",
        "define_by_run": "processes spaces learning checkpoint agent",
        "integrations": "extras notebook processes spaces learning searcher checkpoint insight agent define_by_run",
        "plot_parts": "extras insight",
        "plots": "extras insight plot_parts",
        "cli": "extras fields files version processes spaces learning checkpoint insight agent integrations plots",
        "__main__": "cli",
    },
    LABORATORY: {
        "download": "transfernas.extras",
        "optuna_searcher": "transfernas.extras transfernas.spaces transfernas.searcher transfernas.baselines",
        "benchmarks": "download transfernas.extras transfernas.processes transfernas.spaces transfernas.searcher "
        "transfernas.files",
        "experiments": "optuna_searcher benchmarks transfernas.extras transfernas.fields transfernas.files "
        "transfernas.processes transfernas.spaces transfernas.policy transfernas.learning transfernas.searcher "
        "transfernas.checkpoint "
        "transfernas.agent transfernas.integrations transfernas.baselines",
        "figures": "experiments transfernas.extras transfernas.files",
        "listing": "transfernas.cli",
        "report": "experiments listing transfernas.files transfernas.spaces transfernas.cli",
        "number_report": "benchmarks experiments listing transfernas.spaces transfernas.cli",
        "cli": "benchmarks experiments figures report number_report transfernas.fields transfernas.processes "
        "transfernas.spaces transfernas.learning transfernas.plots transfernas.cli",
    },
}


def modules(package: Path) -> list[Path]:
    return [path for path in package.rglob("*.py") if path != package / "__init__.py"]


@functools.cache
def imports_of(path: Path) -> list[ast.Import | ast.ImportFrom]:
    tree = ast.walk(ast.parse(path.read_text(encoding="utf8")))
    return [node for node in tree if isinstance(node, ast.Import | ast.ImportFrom)]


def room_of(package: Path, path: Path) -> str:
    return path.relative_to(package).parts[0].removesuffix(".py")


def imported_rooms(package: Path, path: Path) -> set[str]:
    """The rooms of the package that a module imports from, and those of the other package as `package.min_shapes`."""
    depth = len(path.relative_to(package).parts)
    found = set()
    for node in imports_of(path):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            first, _, rest = node.module.partition(".")
            if first.startswith("transfernas"):  # a package's own modules are imported by relative names
                assert first != package.name and rest, path
                found.add(f"{first}.{rest.split('.')[0]}")
        elif isinstance(node, ast.ImportFrom):
            assert node.level < depth, path
        else:
            assert not any(alias.name.startswith("transfernas") for alias in node.names), path
    return found


def imported_packages(path: Path) -> set[str]:
    """The top-level names of what a module imports by absolute names."""
    found = set()
    for node in imports_of(path):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def imported_modules(package: Path, path: Path) -> set[Path]:
    """The modules of the package that a module imports from."""
    found = set()
    for node in imports_of(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            place = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            named = (f"{alias.name}.py" for alias in node.names)
            found |= {place.with_suffix(".py"), *(place / name for name in ("__init__.py", *named))}
    return {module for module in found - {path, package / "__init__.py"} if module.exists()}


@pytest.mark.parametrize("package", FLOORS, ids=lambda package: package.name)
def test_no_import_goes_up(package: Path) -> None:
    for path in modules(package):
        room = room_of(package, path)
        assert imported_rooms(package, path) - {room} <= set(FLOORS[package][room].split()), path


@pytest.mark.parametrize("package", FLOORS, ids=lambda package: package.name)
def test_the_floors_have_no_cycle(package: Path) -> None:
    built = {f"{LIBRARY.name}.{room}" for room in FLOORS[LIBRARY]} if package == LABORATORY else set()
    for room, below in FLOORS[package].items():
        assert set(below.split()) <= built, room
        built.add(room)


@pytest.mark.parametrize("package", FLOORS, ids=lambda package: package.name)
def test_no_modules_import_each_other(package: Path) -> None:
    graph = {path: imported_modules(package, path) for path in modules(package)}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them


@pytest.mark.parametrize("package", FLOORS, ids=lambda package: package.name)
def test_a_module_is_short_enough_to_be_read(package: Path) -> None:
    for path in modules(package):
        assert len(path.read_text(encoding="utf8").splitlines()) <= 400, path


def test_a_search_needs_eight_packages_and_no_more() -> None:
    project = tomllib.loads((LIBRARY.parents[1] / "pyproject.toml").read_text(encoding="utf8"))["project"]
    needed = {each.split(">=")[0] for each in project["dependencies"]}
    with_extras = {"integrations", "plot_parts", "plots", "cli"}
    core = [path for path in modules(LIBRARY) if room_of(LIBRARY, path) not in with_extras]
    imported = set().union(*(imported_packages(path) for path in core)) - sys.stdlib_module_names
    imported_by_jax = {"flatbuffers"}  # in jax.export
    assert imported == needed - imported_by_jax and len(imported) <= 8


def test_the_library_knows_nothing_of_the_laboratory() -> None:
    for path in [*modules(LIBRARY), LIBRARY / "__init__.py"]:
        assert LABORATORY.name not in path.read_text(encoding="utf8"), path


def test_a_test_module_is_imported_by_no_other() -> None:
    tests = Path(__file__).parent
    for path in tests.rglob("*.py"):
        assert not [name for name in imported_packages(path) if name.startswith("test_")], path
