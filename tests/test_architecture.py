"""Imports go one way: a floor stands only on those named here (docs/project/architecture.md)."""

import ast
from pathlib import Path

import pytest

import transfernas
import transfernas_bench

LIBRARY, LABORATORY = Path(transfernas.__file__).parent, Path(transfernas_bench.__file__).parent
FLOORS = {
    LIBRARY: {
        "arrays": "",
        "files": "",
        "interrupts": "",
        "locks": "",
        "remote": "locks",
        "runtime": "remote",
        "helper": "remote runtime",
        "spaces": "arrays",
        "policy": "arrays spaces",
        "learning": "arrays locks remote runtime spaces policy",
        "searcher": "locks spaces",
        "ledger": "",
        "tensor_checks": "learning",
        "archive_tensors": "spaces learning tensor_checks",
        "tensors": "spaces policy learning archive_tensors tensor_checks",
        "checkpoint": "files spaces policy learning ledger archive_tensors tensor_checks tensors",
        "agent": "spaces learning searcher ledger checkpoint",
        "baselines": "spaces searcher",
        "threads": "locks",
        "plans": "spaces learning",
        "surrogate_proposer": "spaces learning plans threads",
        "evidence": "spaces learning",
        "unforeseen": "spaces plans",
        "source": "spaces learning agent evidence",
        "open_space": "spaces plans evidence unforeseen source",
        "trials": "spaces learning plans",
        "open_learner": "spaces learning agent plans source open_space trials",
        "planning": "spaces learning plans surrogate_proposer open_space",
        "open_search": "spaces learning agent plans evidence source surrogate_proposer open_space trials open_learner "
        "planning",
        "integrations": "locks spaces learning searcher ledger checkpoint agent plans evidence open_search",
        "cli": "interrupts spaces learning tensors checkpoint agent integrations",
    },
    LABORATORY: {
        "download": "transfernas.files",
        "optuna_searcher": "transfernas.spaces transfernas.searcher transfernas.baselines",
        "benchmarks": "download transfernas.files transfernas.runtime transfernas.spaces transfernas.searcher",
        "experiments": "optuna_searcher benchmarks transfernas.files transfernas.interrupts transfernas.spaces "
        "transfernas.policy transfernas.learning transfernas.searcher transfernas.checkpoint transfernas.agent "
        "transfernas.baselines",
        "figures": "experiments transfernas.files",
        "report": "experiments transfernas.files transfernas.cli",
        "cli": "benchmarks experiments figures report transfernas.interrupts transfernas.learning transfernas.cli",
    },
}


def modules(package: Path) -> list[Path]:
    return [path for path in package.rglob("*.py") if path != package / "__init__.py"]


def room_of(package: Path, path: Path) -> str:
    return path.relative_to(package).parts[0].removesuffix(".py")


def imported_rooms(package: Path, path: Path) -> set[str]:
    """The rooms of the package that a module imports from, and those of the other package as `package.room`."""
    depth = len(path.relative_to(package).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            first, _, rest = node.module.partition(".")
            if first.startswith("transfernas"):  # a package's own modules are imported by relative names
                assert first != package.name and rest, path
                found.add(f"{first}.{rest.split('.')[0]}")
        elif isinstance(node, ast.ImportFrom):
            assert node.level < depth, path
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("transfernas") for alias in node.names), path
    return found


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
def test_a_module_is_short_enough_to_be_read(package: Path) -> None:
    for path in modules(package):
        assert len(path.read_text(encoding="utf8").splitlines()) <= 400, path


def test_the_library_knows_nothing_of_the_laboratory() -> None:
    for path in [*modules(LIBRARY), LIBRARY / "__init__.py"]:
        assert LABORATORY.name not in path.read_text(encoding="utf8"), path
