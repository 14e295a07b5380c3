"""`transfernas inspect`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import errors_as_lines, refused
from .storages import open_studies, reading
from .terminal import PlainTable, plain, say

if TYPE_CHECKING:
    from ..checkpoint.snapshot import Snapshot
    from ..learning.config import TrainingConfig
    from ..spaces.problem import Problem
    from ..spaces.space import SearchSpace


@errors_as_lines()
def inspect(
    path: Annotated[Path, typer.Argument(metavar="AGENT", help="An agent's file.")],
    against: Annotated[
        str | None,
        typer.Option(
            metavar="AGENT|STUDY",
            help="Another agent's file, or a study of the storage: what the agent knows of its problems, before a "
            "single trial.",
        ),
    ] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the study is, as in sqlite:///studies.db.")
    ] = None,
    space: Annotated[str | None, typer.Option(metavar="NAME", help="The name of the study's space.")] = None,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name of its task; the study's own name by default.")
    ] = None,
) -> None:
    """Show what is in an agent's file: what it learned from, what it knows, its hyperparameters."""
    # Imported here, so that `transfernas --help` answers at once.
    from rich.console import Console

    from ..checkpoint.snapshot import read_snapshot
    from ..spaces.vocabulary import transfer_report

    for option, value in (("--storage", storage), ("--space", space), ("--task", task)):
        if value is not None and (against is None or storage is None):
            raise refused("is about a study: --against STUDY --storage URL", option)
    console, snapshot = Console(), read_snapshot(path)
    problems = None if against is None else _problems(against, storage, space, task)
    for line in _lines(path, snapshot):
        say(console, plain(line))
    console.print(_learned_from(snapshot), _spaces(snapshot))
    if problems is not None:
        report = transfer_report(snapshot.learner.vocabulary, problems)
        say(console, f"Of {against}:\n{report}")


def _problems(against: str, storage: str | None, space: str | None, task: str | None) -> tuple["Problem", ...]:
    """Returns the problems of an agent's file, or that of a study.

    Raises:
        CheckpointError, OSError, ValueError, typer.BadParameter: there is none.
    """
    from ..checkpoint.snapshot import read_snapshot

    if storage is None:
        if not Path(against).exists():
            raise refused(f"there is no file {against}; if it is a study, say where: --storage URL", "--against")
        return read_snapshot(Path(against)).learner.encoding.problems
    from ..integrations.optuna import SPACE
    from ..integrations.studies import problem_of

    with reading(storage):
        (study,) = open_studies(storage, (against,)).studies
        return (problem_of(study, space=SPACE if space is None else space, task=task),)


def _lines(path: Path, snapshot: "Snapshot") -> list[str]:
    import jax

    from ..checkpoint.tensors import bytes_of

    learner = snapshot.learner
    leaves = jax.tree.leaves(learner.state.policy)
    parameters = sum(leaf[0].size for leaf in leaves)
    what = "an agent" if learner.replicas == 1 else f"{learner.replicas} replicas of an experiment"
    policies = "" if learner.policies == 1 else f", {learner.policies} policies each: transferred and new"
    names, sizes = learner.vocabulary, bytes_of(learner)
    sizes["names and the rest"] = path.stat().st_size - sum(sizes.values())
    parts = ", ".join(f"{part} {_kib(size)}" for part, size in sizes.items())
    return [
        f"{path}: {what}, seed {learner.seed}; {learner.learned:,} trials told, {len(snapshot.open_trials)} open",
        f"Network: {learner.config.network.kind}, {parameters:,} parameters{policies}",
        f"Knows {len(names.states) - 1} states, {len(names.actions)} actions with spaces, {len(names.tasks)} tasks",
        f"Hyperparameters: {differences(learner.config)}",
        f"Takes {_kib(path.stat().st_size)}: {parts}",
    ]


def _kib(size: int) -> str:
    return f"{size / 1024:,.0f} KiB"


def differences(config: "TrainingConfig") -> str:
    """Returns the default or the paper's settings, whichever are nearer, and how the configuration differs from it."""
    from ..fields import flat
    from ..learning.config import TrainingConfig

    found, differing = flat(config), dict[str, list[str]]()
    for name, base in (("TrainingConfig()", TrainingConfig()), ("TrainingConfig.paper()", TrainingConfig.paper())):
        its = flat(base)
        differing[name] = [f"{path}={value}" for path, value in found.items() if path not in its or its[path] != value]
    nearer = min(differing, key=lambda name: len(differing[name]))
    return f"{nearer} with {', '.join(differing[nearer])}" if differing[nearer] else nearer


def _learned_from(snapshot: "Snapshot") -> PlainTable:
    from ..learning.learner import update_archive

    learner = update_archive(snapshot.learner)
    kept = {entry.name: entry.count.tolist() for entry in learner.archive}
    table = PlainTable("space", "task", "trials", "kept", title="Learned from", title_justify="left")
    for past in learner.provenance:
        table.row(past.space, past.task, _range(past.trials), _range(kept.get((past.space, past.task), [0])))
    return table


def _range(counts: Sequence[int]) -> str:
    """Returns a number of each replica as text."""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _spaces(snapshot: "Snapshot") -> PlainTable:
    table = PlainTable("space", "tasks", "choices", "configurations", title="Searches now", title_justify="left")
    problems = snapshot.learner.encoding.problems
    for space in {problem.space.name: problem.space for problem in problems}.values():
        tasks = ", ".join(problem.task for problem in problems if problem.space.name == space.name)
        table.row(space.name, tasks, f"{len(space.choices):,}", _size(space))
    return table


def _size(space: "SearchSpace") -> str:
    try:
        return f"{space.size:,}"
    except ValueError:  # its conditions read too many choices at once to be counted
        return "?"
