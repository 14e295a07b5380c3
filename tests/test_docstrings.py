"""The examples in docstrings run as they stand, and every public name has an example."""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import transfernas

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PUBLIC = {name: each for name, each in vars(transfernas).items() if inspect.isclass(each) or inspect.isroutine(each)}
# Rooms in which some public names have no example yet.
OPEN = ("transfernas.learning", "transfernas.integrations", "transfernas.define_by_run", "transfernas.insight")
REFERENCE = ("docs/reference/api.md", "docs/reference/configuration.md")
NEEDS = {
    "transfernas.integrations.optuna": "optuna",
    "transfernas.integrations.studies": "optuna",
    "transfernas.integrations.ray": "ray",
    "transfernas.integrations.configspace": "ConfigSpace",
}
# The code before an example that uses names of the reader's program.
BEFORE = {
    "transfernas.agent.Agent.beliefs": """
        agent = Agent([Problem(SearchSpace("cnn", [Choice("filters", (16, 32))]), "digits")])
    """,
    "transfernas.define_by_run.search.DefineByRunSearch": """
        from transfernas.spaces.domain import NumericDomain
    """,
    "transfernas.integrations.optuna.TransferSampler.expected_best": """
        sampler = TransferSampler()
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0) ** 2, n_trials=12)
    """,
    "transfernas.integrations.configspace": "from ConfigSpace import ConfigurationSpace",
    "transfernas.define_by_run.surrogate_proposer.SurrogateProposer": """
        from transfernas.learning.randomness import Purpose, generator
        from transfernas.learning.scores import Score
        space = SearchSpace("run", [Choice("lr", NumericDomain(1e-4, 1.0, log=True).actions)])
    """,
}


def blocks(docstring: str | None) -> list[str]:
    return [textwrap.dedent(block) for block in re.findall(r"```python\n(.*?)```", docstring or "", re.DOTALL)]


def docstrings(node: ast.AST, path: str) -> Iterator[tuple[str, str | None]]:
    """Yields the paths of everything that a module defines, with the docstrings."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.ClassDef, ast.FunctionDef)):
            yield f"{path}.{child.name}", ast.get_docstring(child)
            yield from docstrings(child, f"{path}.{child.name}")


def examples() -> Iterator[Any]:
    for file in sorted((SOURCE / "transfernas").rglob("*.py")):
        module = ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        tree = ast.parse(file.read_text(encoding="utf8"))
        for path, docstring in [(module, ast.get_docstring(tree)), *docstrings(tree, module)]:
            for code in blocks(docstring):
                slow = "Agent(" in code or path in BEFORE or module in NEEDS  # compiled code takes seconds
                marks = [pytest.mark.thorough] if slow else []
                yield pytest.param(module, path, code, id=path.removeprefix("transfernas."), marks=marks)


@pytest.mark.parametrize(("module", "path", "code"), list(examples()))
def test_the_example_of_a_docstring_runs(
    module: str, path: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if module in NEEDS:
        pytest.importorskip(NEEDS[module])
    monkeypatch.chdir(tmp_path)
    names = {**PUBLIC, **vars(importlib.import_module(module)), "__name__": "__main__"}
    exec(compile(textwrap.dedent(BEFORE.get(path, "")) + "\n" + code, path, "exec"), names)


def listed_names() -> list[str]:
    """Returns the public names of the package, and those of the reference."""
    listed = [name for page in REFERENCE for name in re.findall(r"^::: (\S+)", (ROOT / page).read_text(), re.MULTILINE)]
    public = {*listed, *(f"transfernas.{name}" for name in PUBLIC)}
    return sorted(name for name in public if not (SOURCE / name.replace(".", "/")).with_suffix(".py").is_file())


@pytest.mark.parametrize("name", listed_names())
def test_a_public_name_has_an_example(name: str) -> None:
    module, _, last = name.rpartition(".")
    if module in NEEDS:
        pytest.importorskip(NEEDS[module])
    named = getattr(importlib.import_module(module), last)
    if named.__module__.startswith(OPEN):
        pytest.skip(f"{named.__module__} has names without an example")
    assert blocks(inspect.getdoc(named))
