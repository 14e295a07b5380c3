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
REFERENCE = ("docs/reference/api.md", "docs/reference/configuration.md")
NEEDS = {
    "transfernas.integrations.optuna": "optuna",
    "transfernas.integrations.optuna.sampler": "optuna",
    "transfernas.integrations.optuna.visualization": "plotly",
    "transfernas.integrations.studies": "optuna",
    "transfernas.integrations.ray": "ray",
    "transfernas.integrations.ray_callback": "ray",
    "transfernas.integrations.optuna.trials": "optuna",
    "transfernas.integrations.ray_spaces": "ray",
    "transfernas.integrations.configspace": "ConfigSpace",
}
# Examples that do not run here.
NOT_RUN = {"transfernas.integrations.ray.TransferSearch": "a Tuner starts a cluster; test_ray.py runs one"}
TOLD_AGENT = """
    space = SearchSpace("cnn", [Choice("filters", (16, 32))])
    agent = Agent([Problem(space, "faces")])
    agent.tell(agent.ask(), reward=0.5)
    agent = agent.transfer_to([Problem(space, "digits")])
    agent.tell(agent.ask(), reward=0.6)
"""
STUDY = """
    import optuna
    study = optuna.create_study(study_name="digits")
    study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0) ** 2, n_trials=3)
"""
BELIEVED_STUDY = """
    import optuna
    study = optuna.create_study(study_name="digits", sampler=TransferSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("learning rate", 0.0, 1.0) ** 2, n_trials=9)
"""
# The code before an example that uses names of the reader's program.
BEFORE = {
    "transfernas.agent.Agent.beliefs": TOLD_AGENT,
    "transfernas.agent.Agent.expected_best": TOLD_AGENT,
    "transfernas.define_by_run.source.resolve_fill": "from transfernas.spaces.domain import CategoricalDomain",
    "transfernas.define_by_run.search.DefineByRunSearch": """
        from transfernas.spaces.domain import NumericDomain
    """,
    "transfernas.define_by_run.surrogate_proposer.SurrogateProposer": """
        from transfernas.learning.randomness import Purpose, generator
        from transfernas.learning.scores import Score
        from transfernas.spaces.domain import NumericDomain
        space = SearchSpace("run", [Choice("lr", NumericDomain(1e-4, 1.0, log=True).actions)])
    """,
    "transfernas.insight.attention.DecisionAttention": TOLD_AGENT,
    "transfernas.insight.attention.with_values": TOLD_AGENT,
    "transfernas.insight.beliefs.Beliefs": TOLD_AGENT,
    "transfernas.insight.beliefs.ExpectedConfig": TOLD_AGENT,
    "transfernas.insight.beliefs.ParameterBeliefs": TOLD_AGENT,
    "transfernas.insight.beliefs.SourceValues": TOLD_AGENT,
    "transfernas.insight.likeness.TaskLikeness": TOLD_AGENT,
    "transfernas.insight.plane.EmbeddingMap": TOLD_AGENT,
    "transfernas.insight.plane.space_map": TOLD_AGENT,
    "transfernas.insight.plane.task_map": TOLD_AGENT,
    "transfernas.insight.progress.SearchRecord": TOLD_AGENT,
    "transfernas.insight.progress.SearchTrial": TOLD_AGENT,
    "transfernas.insight.progress.old_against_new": TOLD_AGENT,
    "transfernas.insight.progress.gains": TOLD_AGENT,
    "transfernas.insight.progress.record_of": TOLD_AGENT,
    "transfernas.learning.expected_best.ExpectedBest": TOLD_AGENT,
    "transfernas.insight.transfer_log.transfer_line": TOLD_AGENT,
    "transfernas.spaces.grid.bins_of_names": "from transfernas.spaces.domain import NumericDomain",
    "transfernas.integrations.configspace": "from ConfigSpace import ConfigurationSpace",
    "transfernas.integrations.configspace.ConfigSpaceAdapter": "from ConfigSpace import ConfigurationSpace",
    "transfernas.integrations.configspace.from_configspace": "from ConfigSpace import ConfigurationSpace",
    "transfernas.integrations.optuna.sampler.TransferSampler": """
        Agent([Problem(SearchSpace("optuna", [Choice("kind", ("a", "b"))]), "digits")]).save("agent.safetensors")
        objective = lambda trial: float(trial.suggest_categorical("kind", ("a", "b")) == "a")
    """,
    "transfernas.integrations.optuna.sampler.TransferSampler.expected_best": """
        sampler = TransferSampler()
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0) ** 2, n_trials=12)
    """,
    "transfernas.integrations.optuna.trials.endings": STUDY,
    "transfernas.integrations.optuna.trials.score_of": STUDY,
    **{
        f"transfernas.integrations.optuna.visualization{name}": BELIEVED_STUDY
        for name in (
            "",
            ".plot_attention",
            ".plot_expected_best",
            ".plot_likeness",
            ".plot_optimization_history",
            ".plot_param_importances",
            ".plot_spaces",
            ".plot_tasks",
            ".plot_values",
        )
    },
    "transfernas.integrations.ray.TransferSearch.proposers": "from ray import tune",
    "transfernas.integrations.ray_callback.ProposerCallback": """
        from ray import tune
        from transfernas.integrations.ray import TransferSearch
    """,
    "transfernas.integrations.ray_spaces.domains_of": "from ray import tune",
    "transfernas.integrations.studies.LearningReport": STUDY,
    "transfernas.integrations.studies.NothingToLearnError": STUDY,
    "transfernas.integrations.studies.StudySummary": STUDY,
    "transfernas.integrations.studies.learn_from_studies": """
        for name in ("digits", "faces"):
            study = optuna.create_study(study_name=name, storage="sqlite:///old.db")
            study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0) ** 2, n_trials=2)
    """,
    "transfernas.integrations.studies.problem_of": STUDY
    + """
    agent = Agent([Problem(SearchSpace("optuna", [Choice("kind", ("a", "b"))]), "faces")])
    """,
    "transfernas.integrations.transfer_log.search_line": """
        agent = Agent([Problem(SearchSpace("networks", [Choice("kind", ("a", "b"))]), "faces")])
        search = DefineByRunSearch("networks", "digits", source=agent)
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
    if path in NOT_RUN:
        pytest.skip(NOT_RUN[path])
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
    assert blocks(inspect.getdoc(named))
