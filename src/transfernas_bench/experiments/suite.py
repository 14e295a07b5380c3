"""The transfer suite: scenarios of targets with sources, in a development half and a held-out half.

The development half is for the choice of methods and settings. The held-out half is run once, for the report. A target
belongs to the same half in all kinds of scenarios.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from transfernas.spaces.condition import Action
from transfernas.spaces.space import SearchSpace

from ..benchmarks import hpobench, hpolib, nasbench101, nasbench201, nasbench_graph
from ..benchmarks.nasbench101 import CellTable
from ..benchmarks.tabular import TabularProblem

DEVELOPMENT, HELD_OUT = HALVES = ("development", "held-out")
LEAVE_ONE_OUT, SAME_TASK, OTHER_TASKS, ACROSS, ADVERSARIAL, UNRELATED = KINDS = (
    *("leave one out", "sub-space, same task", "sub-space, other tasks", "across spaces", "adversarial", "unrelated"),
)

CELLS = "nasbench101"
"""Name of the benchmark whose data come from a file of the user."""

_SIX = "nasbench101-6-vertices"
_TO_HPOBENCH = MappingProxyType({"init_lr": "learning_rate_init", "n_units_1": "width"})
_TO_HPOLIB = MappingProxyType({new: old for old, new in _TO_HPOBENCH.items()})


class RegretScale(NamedTuple):
    """Scale of normalised regrets.

    Attributes:
        best: Best value of all configurations.
        median: Median value of all configurations.
    """

    best: float
    median: float

    @classmethod
    def of(cls, benchmark: TabularProblem) -> "RegretScale":
        """Returns the scale of a benchmark, from its noise-free values."""
        values = benchmark.every_value()
        return cls(float(values.max()), float(np.median(values)))

    def regret(self, values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Returns normalised regrets: 0 for the best configuration, 1 for the median configuration."""
        return (self.best - values) / (self.best - self.median)


@dataclass(frozen=True, slots=True)
class TaskRef:
    """A benchmark of the suite that is not loaded yet.

    Attributes:
        benchmark: Name of the benchmark.
        task: Name of the task.
        part: A sub-space; None for the whole space.
        negated: Whether the rewards are negated.
    """

    benchmark: str
    task: str
    part: SearchSpace | None = None
    negated: bool = False

    @property
    def name(self) -> str:
        """Name of the space and the task."""
        return f"{self.space_name} {self.task}"

    @property
    def space_name(self) -> str:
        """Name of the space, after "minus" if the rewards are negated."""
        sign = "minus " if self.negated else ""
        return f"{sign}{self.benchmark if self.part is None else self.part.name}"

    @property
    def needs_cells(self) -> bool:
        """Whether the benchmark needs the table of NAS-Bench-101."""
        return self.benchmark in (CELLS, _SIX)

    def load(self, cells: CellTable | None = None) -> TabularProblem:
        """Returns the benchmark; the first load of a table takes a few seconds.

        Args:
            cells: Table of NAS-Bench-101, for this benchmark alone.

        Raises:
            ValueError: The table of NAS-Bench-101 is needed and missing.
            ModuleNotFoundError: The extra `bench` is not installed.
        """
        found = _BENCHMARKS[self.benchmark].load(self.task, self.part, cells)
        return found.negated() if self.negated else found


@dataclass(frozen=True, slots=True)
class TransferScenario:
    """A target with the sources to learn from before.

    Attributes:
        name: Unique name, which can be that of a folder.
        kind: A member of `KINDS`.
        half: A member of `HALVES`.
        sources: Source problems.
        target: Target problem.
        rename: Mapping from states of the sources to states of the target with the same meaning.
        fill: Mapping from choices that the sources lack to the actions with which a source configuration has the same
            meaning on the target.
    """

    name: str
    kind: str
    half: str
    sources: tuple[TaskRef, ...]
    target: TaskRef
    rename: Mapping[str, str] = field(default_factory=dict, hash=False)
    fill: Mapping[str, Action] = field(default_factory=dict, hash=False)


def all_scenarios() -> tuple[TransferScenario, ...]:
    """Returns every scenario of the suite, without loading a table."""
    return tuple(
        TransferScenario(
            f"{row.benchmark}-{task}-{row.rule.name}", row.kind, half, task_refs, target, row.rename, row.fill
        )
        for row in _suite()
        for half, tasks in zip(HALVES, (row.development, row.held_out), strict=True)
        for task in tasks.split()
        for target in [TaskRef(row.benchmark, task)]
        for task_refs in [row.rule.sources(target)]
    )


def load_one_each(scenarios: Iterable[TransferScenario], cells: CellTable | None = None) -> None:
    """Loads a problem of each benchmark that scenarios need, so that a missing package is an error before the run.

    Raises:
        ValueError: The table of NAS-Bench-101 is needed and missing.
        ModuleNotFoundError: The extra `bench` is not installed.
    """
    task_refs = [task_ref for scenario in scenarios for task_ref in (scenario.target, *scenario.sources)]
    for task_ref in {task_ref.benchmark: task_ref for task_ref in task_refs}.values():
        task_ref.load(cells)


class _SourceRule(NamedTuple):
    """Rule for the sources: the end of the scenario's name, and the function from the target to the sources."""

    name: str
    sources: Callable[[TaskRef], tuple[TaskRef, ...]]


class _SuiteRow(NamedTuple):
    """Scenarios of a kind on a benchmark, with the tasks of each half."""

    kind: str
    benchmark: str
    rule: _SourceRule
    development: str
    held_out: str
    rename: Mapping[str, str] = MappingProxyType({})
    fill: Mapping[str, Action] = MappingProxyType({})


def _suite() -> tuple[_SuiteRow, ...]:
    """Returns a row for each kind and benchmark: the tasks of the development half, then those of the held-out half."""
    others, negated = _SourceRule("other-tasks", _other_tasks), _SourceRule("adversarial", _negated)
    parts, parts_of_others = (
        _SourceRule("sub-spaces", _sub_spaces),
        _SourceRule("sub-spaces-other-tasks", _sub_spaces_elsewhere),
    )
    return (
        _SuiteRow(LEAVE_ONE_OUT, "nasbench201", others, "cifar10", "cifar100 imagenet16-120"),
        _SuiteRow(LEAVE_ONE_OUT, "nasbench_graph", others, "cora arxiv photo physics", "citeseer pubmed cs computers"),
        _SuiteRow(
            *(LEAVE_ONE_OUT, "hpolib", others),
            *("naval_propulsion slice_localization", "parkinsons_telemonitoring protein_structure"),
        ),
        _SuiteRow(
            *(LEAVE_ONE_OUT, "hpobench", others),
            *("car phoneme vehicle australian", "kc1 segment blood_transfusion credit_g"),
        ),
        _SuiteRow(SAME_TASK, "nasbench201", parts, "cifar10", "cifar100 imagenet16-120"),
        _SuiteRow(SAME_TASK, "nasbench_graph", parts, "cora", "citeseer"),
        _SuiteRow(SAME_TASK, _SIX, parts, "cifar10", "", fill=_no_edges(_SIX_VERTICES)),
        _SuiteRow(SAME_TASK, CELLS, parts, "", "cifar10", fill=_no_edges(nasbench101.cell_space())),
        _SuiteRow(OTHER_TASKS, "nasbench201", parts_of_others, "cifar10", "cifar100 imagenet16-120"),
        _SuiteRow(OTHER_TASKS, "nasbench_graph", parts_of_others, "photo", "cs"),
        _SuiteRow(ACROSS, "nasbench_graph", _every("nasbench_graph"), "", "proteins"),
        _SuiteRow(ACROSS, "hpobench", _every("hpolib"), "phoneme vehicle car australian", "segment kc1", _TO_HPOBENCH),
        _SuiteRow(
            *(ACROSS, "hpolib", _every("hpobench")),
            *("naval_propulsion slice_localization", "protein_structure", _TO_HPOLIB),
        ),
        _SuiteRow(ADVERSARIAL, "nasbench201", negated, "cifar10", "imagenet16-120"),
        _SuiteRow(ADVERSARIAL, "nasbench_graph", negated, "cora", "citeseer"),
        _SuiteRow(ADVERSARIAL, "hpobench", negated, "phoneme", "segment"),
        _SuiteRow(UNRELATED, "hpobench", _every("nasbench201"), "vehicle", "credit_g"),
    )


def _other_tasks(target: TaskRef) -> tuple[TaskRef, ...]:
    """Returns the other tasks of the target's benchmark."""
    return tuple(TaskRef(target.benchmark, task) for task in _BENCHMARKS[target.benchmark].tasks if task != target.task)


def _negated(target: TaskRef) -> tuple[TaskRef, ...]:
    """Returns the other tasks of the target's benchmark with negated rewards."""
    return tuple(TaskRef(task_ref.benchmark, task_ref.task, negated=True) for task_ref in _other_tasks(target))


def _sub_spaces(target: TaskRef) -> tuple[TaskRef, ...]:
    """Returns the task of the target on two sub-spaces."""
    spaces = _BENCHMARKS[target.benchmark].sub_spaces
    return tuple(TaskRef(target.benchmark, target.task, space) for space in spaces)


def _sub_spaces_elsewhere(target: TaskRef) -> tuple[TaskRef, ...]:
    """Returns two other tasks, each on two sub-spaces."""
    task_refs = _other_tasks(target)[:2]
    return tuple(
        TaskRef(task_ref.benchmark, task_ref.task, part.part) for task_ref in task_refs for part in _sub_spaces(target)
    )


def _every(benchmark: str) -> _SourceRule:
    return _SourceRule(
        f"from-{benchmark}", lambda target: tuple(TaskRef(benchmark, t) for t in _BENCHMARKS[benchmark].tasks)
    )


class _Benchmark(NamedTuple):
    """Function that loads a benchmark, the tasks of sources, and two sub-spaces."""

    load: Callable[[str, SearchSpace | None, CellTable | None], TabularProblem]
    tasks: tuple[str, ...]
    sub_spaces: tuple[SearchSpace, ...] = ()


def _cell_problem(space: SearchSpace | None, cells: CellTable | None) -> TabularProblem:
    if cells is None:
        raise ValueError("NAS-Bench-101 needs its table: get it by transfernas data nasbench101")
    return nasbench101.cell_problem(cells, space)


def _no_edges(space: SearchSpace) -> Mapping[str, Action]:
    """Returns the actions without edges: a cell of fewer vertices has no edges at the other vertices."""
    return MappingProxyType({choice.name: 0 for choice in space.choices if choice.actions == (0, 1)})


_SIX_VERTICES = nasbench101.cell_space(6, name="nasbench101 6 vertices")
_GRAPHS = tuple(task for task in nasbench_graph.TASKS if task != "proteins")  # "proteins" has another space
_BENCHMARKS: Mapping[str, _Benchmark] = MappingProxyType(
    {
        "nasbench201": _Benchmark(
            lambda task, part, cells: nasbench201.tabular_problem(task, part),
            nasbench201.TASKS,
            nasbench201.sub_spaces(),
        ),
        "nasbench_graph": _Benchmark(
            lambda task, part, cells: nasbench_graph.tabular_problem(task, part), _GRAPHS, nasbench_graph.sub_spaces()
        ),
        "hpolib": _Benchmark(lambda task, part, cells: hpolib.tabular_problem(task, part), hpolib.TASKS),
        "hpobench": _Benchmark(lambda task, part, cells: hpobench.tabular_problem(task, part), hpobench.TASKS),
        CELLS: _Benchmark(
            lambda task, part, cells: _cell_problem(part, cells), (nasbench101.TASK,), nasbench101.sub_spaces()
        ),
        _SIX: _Benchmark(
            lambda task, part, cells: _cell_problem(part or _SIX_VERTICES, cells),
            (nasbench101.TASK,),
            nasbench101.sub_spaces(5),
        ),
    }
)
