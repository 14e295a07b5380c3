"""Imports go one way: a floor stands only on those named here (docs/project/architecture.md)."""

import ast
from pathlib import Path

import transfernas

PACKAGE = Path(transfernas.__file__).parent
STANDS_ON = {
    "arrays": "",
    "fields": "",
    "files": "",
    "interrupts": "",
    "locks": "",
    "remote": "locks",
    "runtime": "remote",
    "helper": "remote runtime",
    "terminal": "",
    "spaces": "arrays",
    "policy": "arrays fields spaces",
    "learning": "arrays fields locks remote runtime spaces policy",
    "searcher": "locks spaces",
    "ledger": "",
    "tensor_checks": "learning",
    "archive_tensors": "spaces learning tensor_checks",
    "tensors": "spaces policy learning archive_tensors tensor_checks",
    "checkpoint": "fields files spaces policy learning ledger archive_tensors tensor_checks tensors",
    "agent": "spaces learning searcher ledger checkpoint",
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
    "download": "files",
    "baselines": "spaces searcher",
    "benchmarks": "arrays files runtime download spaces searcher",
    "experiments": "arrays fields files interrupts spaces policy learning searcher checkpoint agent baselines "
    "benchmarks",
    "figures": "files experiments",
    "report": "files experiments terminal",
    "cli": "fields interrupts spaces learning tensors checkpoint agent integrations benchmarks experiments figures "
    "report terminal",
}


def imported_rooms(path: Path) -> set[str]:
    """The rooms of the package that a module imports from."""
    depth = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level < depth and not (node.level == 0 and node.module and "transfernas" in node.module), path
    return found


def test_no_import_goes_up() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path == PACKAGE / "__init__.py":
            continue
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        assert imported_rooms(path) - {room} <= set(STANDS_ON[room].split()), path


def test_the_floors_have_no_cycle() -> None:
    built: set[str] = set()
    for room, below in STANDS_ON.items():
        assert set(below.split()) <= built, room
        built.add(room)
