"""The transfer suite: which scenarios there are, what they hold, and what regrets are measured by."""

import re
from collections.abc import Mapping

import numpy as np
import pytest
from typer.testing import CliRunner

from nasbench101_table import MISSING, TABLE
from transfernas import Choice, Problem, SearchSpace
from transfernas.cli.app import app
from transfernas_bench.benchmarks import hpobench, hpolib, nasbench101, nasbench201, nasbench_graph
from transfernas_bench.benchmarks.cells import OPERATIONS
from transfernas_bench.benchmarks.nasbench101 import CellProblem, load_cells
from transfernas_bench.benchmarks.number_problems import PROBLEMS, NumberProblem
from transfernas_bench.benchmarks.tabular import ProductIndex, Table, TabularProblem, every_config
from transfernas_bench.experiments.runner import Restricted
from transfernas_bench.experiments.suite import (
    ACROSS,
    ADVERSARIAL,
    DEVELOPMENT,
    HALVES,
    HELD_OUT,
    KINDS,
    LEAVE_ONE_OUT,
    OTHER_TASKS,
    SAME_TASK,
    UNRELATED,
    RegretScale,
    TaskRef,
    TransferScenario,
    all_scenarios,
)

SCENARIOS = all_scenarios()
SUITES: dict[str, Mapping[str, TransferScenario | NumberProblem]] = {
    "tables": {each.name: each for each in SCENARIOS},
    "numbers": PROBLEMS,
}
WHOLE = {
    "nasbench201": nasbench201.cell_space(),
    "nasbench_graph": nasbench_graph.cell_space(),
    "hpolib": hpolib.mlp_space(),
    "hpobench": hpobench.mlp_space(),
}


def of_kind(kind: str, half: str | None = None) -> list[TransferScenario]:
    return [scenario for scenario in SCENARIOS if scenario.kind == kind and half in (None, scenario.half)]


def test_every_kind_is_in_both_halves_and_no_target_is() -> None:
    halves: dict[TaskRef, set[str]] = {}
    for scenario in SCENARIOS:
        halves.setdefault(scenario.target, set()).add(scenario.half)
    assert all(len(found) == 1 for found in halves.values())
    for kind in KINDS:
        assert {scenario.half for scenario in of_kind(kind)} == set(HALVES), kind
        targets = [scenario.target for scenario in of_kind(kind)]
        assert len(set(targets)) == len(targets) or kind == ACROSS, kind


def test_how_many_scenarios_there_are() -> None:
    counts = {kind: len(of_kind(kind)) for kind in KINDS}
    assert counts == {LEAVE_ONE_OUT: 23, SAME_TASK: 7, OTHER_TASKS: 5, ACROSS: 10, ADVERSARIAL: 6, UNRELATED: 2}
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS) == 53
    assert all(scenario.name.replace("-", "").replace("_", "").isalnum() for scenario in SCENARIOS)  # fit for a folder


def test_the_targets_of_each_half_are_those_that_were_said_before() -> None:
    def tasks(benchmark: str, half: str) -> set[str]:
        return {s.target.task for s in SCENARIOS if s.target.benchmark == benchmark and s.half == half}

    assert tasks("nasbench201", DEVELOPMENT) == {"cifar10"}
    assert tasks("nasbench_graph", DEVELOPMENT) == {"cora", "arxiv", "photo", "physics"}
    assert tasks("hpolib", DEVELOPMENT) == {"naval_propulsion", "slice_localization"}
    assert tasks("hpobench", DEVELOPMENT) == {"car", "phoneme", "vehicle", "australian"}
    assert tasks("hpobench", HELD_OUT) == {"kc1", "segment", "blood_transfusion", "credit_g"}
    assert tasks("nasbench_graph", HELD_OUT) == {"citeseer", "pubmed", "cs", "computers", "proteins"}


@pytest.mark.parametrize("kind", [LEAVE_ONE_OUT, OTHER_TASKS, ADVERSARIAL])
def test_sources_are_the_other_tasks_of_the_benchmark(kind: str) -> None:
    for scenario in of_kind(kind):
        assert scenario.target.task not in {task_ref.task for task_ref in scenario.sources}, scenario.name
        assert {task_ref.benchmark for task_ref in scenario.sources} == {scenario.target.benchmark}
        assert all(task_ref.negated == (kind == ADVERSARIAL) for task_ref in scenario.sources)
        assert len(scenario.sources) == len(set(scenario.sources)) >= 2
        assert "proteins" not in {task_ref.task for task_ref in scenario.sources}


def test_sub_spaces_are_smaller_and_of_names_of_their_own() -> None:
    for scenario in of_kind(SAME_TASK) + of_kind(OTHER_TASKS):
        names = {task_ref.part.name for task_ref in scenario.sources if task_ref.part is not None}
        assert len(names) == 2
        assert scenario.target.part is None
        same = {task_ref.task for task_ref in scenario.sources} == {scenario.target.task}
        assert same == (scenario.kind == SAME_TASK)


def test_other_spaces_share_no_task_but_names() -> None:
    for scenario in of_kind(ACROSS) + of_kind(UNRELATED):
        assert scenario.target.task not in {task_ref.task for task_ref in scenario.sources}
        theirs, ours = (
            {choice.name for choice in WHOLE[p.benchmark].choices} for p in (scenario.sources[0], scenario.target)
        )
        assert len({task_ref.benchmark for task_ref in scenario.sources}) == 1
        assert set(scenario.rename) <= theirs - ours
        assert set(scenario.rename.values()) <= ours - theirs
        if scenario.kind == UNRELATED:
            assert not theirs & ours and not scenario.rename
        for old, new in scenario.rename.items():
            kinds = [
                {type(action) for action in WHOLE[p.benchmark][name].actions}
                for p, name in ((scenario.sources[0], old), (scenario.target, new))
            ]
            assert kinds[0] == kinds[1]


@pytest.mark.thorough
def test_loaded_sub_spaces_are_parts_of_the_target() -> None:
    for name in ("nasbench201-cifar10-sub-spaces", "nasbench_graph-photo-sub-spaces-other-tasks"):
        scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)
        whole = scenario.target.load().problem.space
        for task_ref in scenario.sources:
            part = task_ref.load().problem
            assert part.task == task_ref.task and part.space.size < whole.size
            for choice in part.space.choices:
                assert set(choice.actions) <= set(whole[choice.name].actions)


def made_up() -> TabularProblem:
    space = SearchSpace("s", [Choice("a", (0, 1, 2)), Choice("b", (0, 1))])
    runs = [[value - 0.5, value + 0.5] for value in (1.0, 5.0, 2.0, 6.0, 3.0, 9.0)]
    objective = lambda config: config["a"] + 0.5  # noqa: E731
    return TabularProblem(Problem(space, "t", objective), ProductIndex(space, ((0, 2, 4), (0, 1))), Table.of(runs))


def test_regrets_run_from_the_best_to_the_median_configuration() -> None:
    problem = made_up()
    np.testing.assert_array_equal(problem.every_value(), [1.0, 5.0, 2.0, 6.0, 3.0, 9.0])
    scale = RegretScale.of(problem)
    assert scale == (9.0, 4.0)
    np.testing.assert_allclose(scale.regret(np.array([[9.0, 4.0], [1.0, 6.5]])), [[0.0, 1.0], [1.6, 0.5]])


def test_a_negated_problem_is_its_opposite_in_all_but_its_rule() -> None:
    problem, action_indices = made_up(), np.array([[0, 1], [2, 1]])
    opposite = problem.negated()
    np.testing.assert_array_equal(opposite.value(action_indices), -problem.value(action_indices))
    draws = [each.reward(action_indices, np.random.default_rng(3)) for each in (problem, opposite)]
    np.testing.assert_array_equal(draws[1], -draws[0])
    assert opposite.problem.objective is not None and opposite.problem.objective({"a": 2, "b": 0}) == -2.5
    assert opposite.problem.name == problem.problem.name and not isinstance(opposite, Restricted)

    graph = nasbench_graph.tabular_problem("cora")
    against = TaskRef("nasbench_graph", "cora", negated=True).load()
    configs = every_config(graph.problem.space)[-40:]  # the last of a structure are skips alone, which is no cell
    assert isinstance(against, Restricted) and against.problem.valid is not None
    assert not against.problem.valid({"structure": "0000", **{f"operation {vertex}": "skip" for vertex in range(1, 5)}})
    valid = graph.valid(configs)
    assert 0 < valid.sum() < 40
    np.testing.assert_array_equal(against.valid(configs), valid)
    np.testing.assert_array_equal(against.value(configs[valid]), -graph.value(configs[valid]))


def test_the_values_of_graph_cells_leave_out_what_is_no_cell() -> None:
    graph = nasbench_graph.tabular_problem("arxiv")
    values = graph.every_value()
    assert len(values) == 59_040 and values.max() == graph.table.means.max()
    counts = np.bincount(graph.index.code_rows[graph.index.code_rows >= 0])
    assert np.median(values) == np.median(np.repeat(graph.table.means, counts))


@pytest.mark.thorough
@pytest.mark.skipif(not TABLE.exists(), reason=MISSING)
def test_the_values_of_cells_are_those_of_the_space_and_each_cell_once() -> None:
    cells = load_cells(TABLE)
    space = nasbench101.sub_spaces(4)[1]
    part = nasbench101.cell_problem(cells, space)
    action_indices = every_config(space)
    action_indices = action_indices[part.valid(action_indices)]
    rows = np.unique(part.index.rows(action_indices))
    assert len(rows) < len(action_indices)
    np.testing.assert_array_equal(np.sort(part.every_value()), np.sort(cells.validation.means[rows]))

    six = next(scenario for scenario in SCENARIOS if scenario.name == "nasbench101-6-vertices-cifar10-sub-spaces")
    target, sources = six.target.load(cells), [task_ref.load(cells) for task_ref in six.sources]
    assert isinstance(target, CellProblem) and target.problem.space.name == "nasbench101 6 vertices"
    assert [source.problem.space.name for source in sources] == [
        "nasbench101 5 vertices conv3x3 conv1x1",
        "nasbench101 5 vertices conv3x3 maxpool3x3",
    ]
    names = {choice.name for choice in target.problem.space.choices}
    for source in sources:
        assert {choice.name for choice in source.problem.space.choices} < names
        assert source.every_value().max() <= target.every_value().max()

    # A cell of five vertices is the same with six, whatever the operation of the sixth.
    source, edges = sources[0], {name: action for name, action in six.fill.items() if name in names}
    assert isinstance(source, CellProblem)
    some = every_config(source.problem.space)
    some = some[source.valid(some)][:: 1 + len(some) // 50]
    for action_indices, value in zip(some, source.value(some), strict=True):
        config = {
            c.name: c.actions[p] for c, p in zip(source.problem.space.choices, action_indices.tolist(), strict=True)
        }
        for operation in OPERATIONS:
            whole = {"operation 5": operation, **edges, **config}
            target.problem.space.validate(whole)
            assert target.table.means[target.index.row(whole)] == value


def test_a_table_that_is_not_there_is_asked_for() -> None:
    with pytest.raises(ValueError, match="transfernas data nasbench101"):
        TaskRef("nasbench101", "cifar10").load()


def test_the_command_lists_the_scenarios() -> None:
    done = CliRunner().invoke(app, ["compare", "--list"], env={"COLUMNS": "500"})
    assert done.exit_code == 0, done.output
    for scenario in SCENARIOS:
        assert (f" {scenario.name} " in done.output) == (scenario.half == DEVELOPMENT), scenario.name
    for text in ("minus hpobench: car, vehicle", "init_lr is learning_rate_init", "nasbench201 avg-pool: cifar10"):
        assert text in done.output
    held = CliRunner().invoke(app, ["compare", "--list", "--half", "held-out", "--kind", UNRELATED])
    assert re.search(r"^ +1 scenario +$", held.output, re.MULTILINE) and "credit_g" in held.output


@pytest.mark.parametrize("columns", [30, 80, 120, 200])
@pytest.mark.parametrize("suite", SUITES)
def test_a_list_cuts_nothing(columns: int, suite: str) -> None:
    done = CliRunner().invoke(app, ["compare", "--list", "--suite", suite], env={"COLUMNS": str(columns)})
    rows = [line.split("│")[1:-1] for line in done.output.splitlines() if line.startswith("│")]
    expected: dict[str, list[str]] = {}
    for name, each in SUITES[suite].items():
        if each.half == DEVELOPMENT:
            expected.setdefault(f"{each.kind} ({each.half})", []).append(f"  {name}")
    firsts = [row[0].rstrip()[1:] for row in rows if row[0].strip()]  # the others go on with the cells of a row
    assert firsts == [line for heading, names in expected.items() for line in (heading, *names)]
    assert "…" not in done.output
    assert max(map(len, done.output.splitlines())) <= max(columns, max(map(len, firsts)) + 4)


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_a_list_of_problems_has_their_texts_whole(columns: int) -> None:
    done = CliRunner().invoke(app, ["compare", "--list", "--suite", "numbers"], env={"COLUMNS": str(columns)})
    found = " ".join(line.split("│")[2].strip() for line in done.output.splitlines() if line.count("│") > 2)
    texts = [problem.text for problem in PROBLEMS.values() if problem.half == DEVELOPMENT]
    assert [text for text in texts if text in found] == (texts if columns >= 80 else [])
