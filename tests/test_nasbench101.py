"""NAS-Bench-101: cells, their hashes, the table, the problems over it."""

import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbench101_table import KNOWN, MISSING, TABLE, Arrays, Cell, batch, few_arrays, padded
from transfernas import Choice, Problem, RegularizedEvolution, SearchSpace
from transfernas.spaces.condition import Action, Config
from transfernas_bench.benchmarks.cell_hash import enumerate_cells, fast_hash, graph_hash, labelled_codes
from transfernas_bench.benchmarks.cells import OPERATIONS, prune, unpack
from transfernas_bench.benchmarks.nasbench101 import (
    CellProblem,
    CellTable,
    cell_problem,
    cell_space,
    load_cells,
    mutate_cell,
    sub_spaces,
)

BY_VERTICES = {2: 1, 3: 6, 4: 84, 5: 2_441, 6: 62_010, 7: 359_082}


# A cell of the public table whose hash is known: conv3x3, maxpool3x3, conv3x3, conv3x3, conv1x1.
KNOWN_HASH = "00005c142e6f48ac74fdcf73e3439874"


@pytest.fixture
def few(tmp_path: Path) -> CellTable:
    np.savez(tmp_path / "few.npz", **few_arrays())  # type: ignore[arg-type]
    return load_cells(tmp_path / "few.npz")


@pytest.fixture(scope="module")
def table_path() -> Path:
    if not TABLE.exists():
        pytest.skip(MISSING)
    return TABLE


@pytest.fixture(scope="module")
def table(table_path: Path) -> CellTable:
    return load_cells(table_path)


@pytest.fixture(scope="module")
def official(table_path: Path) -> list[str]:
    with np.load(table_path) as file:
        return [text.decode() for text in file["hash"].tolist()]


def config_of(space: SearchSpace, action_indices: np.ndarray) -> dict[str, Action]:
    return {c.name: c.actions[position] for c, position in zip(space.choices, action_indices.tolist(), strict=True)}


def random_taken(space: SearchSpace, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers([len(c.actions) for c in space.choices], size=(count, 26))


def plain_cell(config: Config) -> Cell:
    """The cell that a configuration means, by the names of its choices."""
    adjacency, ops = np.zeros((7, 7), np.uint8), np.zeros(7, np.uint8)
    ops[0], ops[6] = 1, 5
    for name, action in config.items():
        kind, where = name.split()
        if kind == "edge":
            x, y = where.split("-")
            adjacency[int(x) - 1, int(y) - 1] = int(action == 1)
        else:
            ops[int(where) - 1] = {"conv3x3-bn-relu": 2, "conv1x1-bn-relu": 3, "maxpool3x3": 4}[str(action)]
    return adjacency, ops


def plain_prune(adjacency: np.ndarray, ops: np.ndarray) -> Cell | None:
    """Pruning by the definition, on one cell."""
    output = ops.tolist().index(5)

    def reach(start: int, edges: np.ndarray) -> set[int]:
        found, frontier = {start}, [start]
        while frontier:
            for vertex in np.flatnonzero(edges[frontier.pop()]).tolist():
                if vertex not in found:
                    found.add(vertex)
                    frontier.append(vertex)
        return found

    kept = sorted(reach(0, adjacency) & reach(output, adjacency.T))
    if len(kept) < 2:
        return None
    small = adjacency[np.ix_(kept, kept)]
    edges = list(zip(*(axis.tolist() for axis in np.nonzero(small)), strict=True))
    return padded(edges, ops[kept].tolist())


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Any cell of 2 to 7 vertices, with any number of edges."""
    vertices = draw(st.integers(2, 7))
    pairs = [(x, y) for y in range(vertices) for x in range(y)]
    there = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    inner = draw(st.lists(st.integers(2, 4), min_size=vertices - 2, max_size=vertices - 2))
    return padded([pair for pair, use in zip(pairs, there, strict=True) if use], [1, *inner, 5])


@given(cells())
def test_pruning_is_what_it_says(cell: Cell) -> None:
    pruned, expected = prune(*batch(cell)), plain_prune(*cell)
    assert pruned.valid.tolist() == [expected is not None]
    adjacency, ops = expected or (np.zeros((7, 7), np.uint8), np.zeros(7, np.uint8))
    np.testing.assert_array_equal(pruned.adjacency[0], adjacency)
    np.testing.assert_array_equal(pruned.ops[0], ops)


@given(cells(), st.randoms(use_true_random=False))
def test_hashes_do_not_depend_on_the_order_of_vertices(cell: Cell, random: Random) -> None:
    pruned = plain_prune(*cell)
    if pruned is None:
        return
    adjacency, ops = pruned
    order: list[int] = []
    while len(order) < (ops > 0).sum():  # a random topological order: the input comes first, the output last
        ready = [
            v
            for v in range(int((ops > 0).sum()))
            if v not in order and adjacency[:, v].sum() == adjacency[order, v].sum()
        ]
        order.append(random.choice(ready))
    place = {vertex: position for position, vertex in enumerate(order)}
    edges = [(place[x], place[y]) for x, y in zip(*(axis.tolist() for axis in np.nonzero(adjacency)), strict=True)]
    other = padded(edges, ops[order].tolist())
    assert graph_hash(*other) == graph_hash(*pruned)
    first, second = fast_hash(*batch(pruned, other)).tolist()
    assert first == second


def test_the_official_hash_of_a_known_cell() -> None:
    assert graph_hash(*KNOWN) == KNOWN_HASH


@pytest.mark.thorough
def test_the_official_hash_of_every_kind_of_row(table: CellTable, official: list[str]) -> None:
    for row in np.random.default_rng(0).choice(len(official), 3_000, replace=False).tolist():
        assert graph_hash(table.adjacency[row], table.ops[row]) == official[row]


@pytest.mark.thorough
def test_no_two_cells_share_a_fast_hash(table: CellTable) -> None:
    assert len(np.unique(fast_hash(table.adjacency, table.ops))) == len(table.test)


@pytest.mark.thorough
def test_equal_fast_hashes_are_equal_official_ones(table: CellTable, official: list[str]) -> None:
    codes = np.random.default_rng(0).choice(labelled_codes(), 3_000, replace=False)
    pruned = prune(*unpack(codes))
    for index, row in enumerate(table.code_rows(codes).tolist()):
        assert graph_hash(pruned.adjacency[index], pruned.ops[index]) == official[row]


@pytest.mark.slow
def test_the_enumeration_has_every_cell_once() -> None:
    told: list[tuple[int, int]] = []
    _, ops = enumerate_cells(progress=lambda done, total: told.append((done, total)))
    assert Counter((ops > 0).sum(axis=1).tolist()) == BY_VERTICES
    assert told[-1] == (1_293_208, 1_293_208)  # pruned graphs in topological order, times labellings


@pytest.mark.slow
def test_the_enumeration_is_the_table(table: CellTable) -> None:
    assert sorted(table.rows(*enumerate_cells()).tolist()) == list(range(423_624))


@pytest.mark.parametrize(
    ("adjacency", "ops", "text"),
    [
        (KNOWN[0].T.copy(), KNOWN[1], "adjacency of cell 1 is not upper triangular"),
        (2 * KNOWN[0], KNOWN[1], "adjacency of cell 1 is not upper triangular, of 0 and 1"),
        (KNOWN[0], np.array([1, 2, 2, 2, 2, 2, 2], np.uint8), r"ops of cell 1 is \[1, 2, 2, 2, 2, 2, 2\]"),
        (KNOWN[0], np.array([1, 2, 5, 2, 2, 2, 5], np.uint8), "ops of cell 1"),
        (KNOWN[0], np.array([1, 2, 5, 2, 0, 0, 0], np.uint8), "ops of cell 1"),
        (KNOWN[0], np.array([1, 2, 0, 2, 2, 2, 5], np.uint8), "has an edge at a vertex that is unused in ops"),
    ],
)
def test_what_is_no_cell_is_refused(adjacency: np.ndarray, ops: np.ndarray, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        prune(*batch(KNOWN, (adjacency, ops)))


def test_the_chains_of_the_paper() -> None:
    edges = [f"{x}-{y}" for y in range(1, 8) for x in range(1, y)]  # 1-2, 1-3, 2-3, 1-4, ..., 6-7
    whole = cell_space()
    assert [c.name for c in whole.choices] == [f"edge {e}" for e in edges] + [f"operation {v}" for v in range(2, 7)]
    assert all(c.actions == ((0, 1) if "edge" in c.name else OPERATIONS) for c in whole.choices)
    for space, other in zip(sub_spaces(), ("conv1x1-bn-relu", "maxpool3x3"), strict=True):
        names = [c.name for c in whole.choices if "6" not in c.name]
        assert [c.name for c in space.choices] == names
        assert len(names) == 15 + 4
        assert {c.actions for c in space.choices if "operation" in c.name} == {("conv3x3-bn-relu", other)}
    assert len({space.name for space in (whole, *sub_spaces())}) == 3


@pytest.mark.thorough
def test_random_cells_find_their_rows(table: CellTable, official: list[str]) -> None:
    problem = cell_problem(table)
    space, row_of = problem.problem.space, {text: row for row, text in enumerate(official)}
    action_indices = random_taken(space, 2_000)
    plain = [plain_cell(config_of(space, row)) for row in action_indices]
    pruned = [plain_prune(*cell) for cell in plain]
    rows = [row_of[graph_hash(*cell)] if cell is not None and cell[0].sum() <= 9 else -1 for cell in pruned]
    assert 100 < rows.count(-1) < 1_900
    assert table.rows(*batch(*plain)).tolist() == rows
    np.testing.assert_array_equal(problem.valid(action_indices), np.array(rows) >= 0)
    good = np.array([row for row in rows if row >= 0])
    np.testing.assert_array_equal(problem.value(action_indices[np.array(rows) >= 0]), table.validation.means[good])
    np.testing.assert_array_equal(problem.test(action_indices[np.array(rows) >= 0]), table.test[good])


def test_sub_spaces_find_the_same_cells(table: CellTable) -> None:
    for space in sub_spaces():
        part = cell_problem(table, space)
        action_indices = np.random.default_rng(0).integers(2, size=(300, 19))
        action_indices = action_indices[part.valid(action_indices)]
        cells_meant = [plain_cell(config_of(space, row)) for row in action_indices]
        assert len(cells_meant) > 30
        assert part.index.rows(action_indices).tolist() == table.rows(*batch(*cells_meant)).tolist()


def test_the_surrogate_is_what_it_should_be(table: CellTable) -> None:
    if table.name != "NAS-Bench-101 surrogate":
        pytest.skip("the table is not the surrogate")
    assert table.complete
    assert Counter((table.ops > 0).sum(axis=1).tolist()) == BY_VERTICES
    best = [cell_problem(table, space).best_test for space in (cell_space(), *sub_spaces())]
    assert [round(value, 4) for value in best] == [0.9431, 0.9418, 0.9423]
    assert best[0] == table.test.max() == table.best_test()
    assert table.validation.means.max() == pytest.approx(0.94969, abs=5e-6)


def known_config() -> dict[str, Action]:
    adjacency, ops = KNOWN
    there = {f"edge {x + 1}-{y + 1}": int(adjacency[x, y]) for y in range(7) for x in range(y)}
    return there | {f"operation {v}": OPERATIONS[int(ops[v - 1]) - 2] for v in range(2, 7)}


def known_taken(problem: CellProblem) -> np.ndarray:
    config = known_config()
    return np.array([[c.index(config[c.name]) for c in problem.problem.space.choices]])


def test_a_reward_is_one_of_the_runs_and_a_value_their_mean(few: CellTable) -> None:
    problem, rng = cell_problem(few, seed=3), np.random.default_rng(0)
    action_indices = known_taken(problem)
    runs = {0.0, *np.array([0.05, 0.1], np.float32).tolist()}
    assert {float(problem.reward(action_indices, rng)[0]) for _ in range(40)} == runs
    assert problem.value(action_indices)[0] == pytest.approx(0.05)
    assert problem.test(action_indices)[0] == pytest.approx(0.15)
    assert problem.problem.objective is not None and problem.problem.valid is not None
    drawn = [problem.problem.objective(known_config()) for _ in range(40)]
    assert set(drawn) == runs
    again = cell_problem(few, seed=3).problem.objective
    assert again is not None and [again(known_config()) for _ in range(40)] == drawn
    assert problem.problem.valid(known_config()) is True


def test_a_key_is_of_the_graph(few: CellTable) -> None:
    assert cell_problem(few).problem.key is None  # the paper's searches may repeat
    key = cell_problem(few, each_network_once=True).problem.key
    assert key is not None
    space = cell_space()
    nothing = {choice.name: choice.actions[0] for choice in space.choices}
    one = {**nothing, "edge 1-2": 1, "edge 2-7": 1, "operation 2": "maxpool3x3"}
    moved = {**nothing, "edge 1-5": 1, "edge 5-7": 1, "operation 5": "maxpool3x3"}
    dangling = {**one, "edge 1-3": 1, "operation 3": "conv1x1-bn-relu"}
    other = {**one, "operation 2": "conv1x1-bn-relu"}
    longer = {**one, "edge 2-7": 0, "edge 2-3": 1, "edge 3-7": 1}
    assert key(one) == key(moved) == key(dangling)
    assert len({key(one), key(other), key(longer)}) == 3


def test_what_is_not_in_the_table_is_invalid(few: CellTable) -> None:
    problem = cell_problem(few)
    assert few.name == "NAS-Bench-101" and not few.complete
    action_indices = np.concatenate([known_taken(problem), np.zeros((1, 26), int), np.ones((1, 26), int)])
    assert problem.valid(action_indices).tolist() == [True, False, False]
    absent = {**known_config(), "operation 2": "maxpool3x3"}
    assert problem.problem.valid is not None and problem.problem.objective is not None
    assert not problem.problem.valid(absent)
    with pytest.raises(ValueError, match="configuration 1 of 3 is not a cell of the table"):
        problem.value(action_indices)
    with pytest.raises(ValueError, match="evaluate only what valid accepts"):
        problem.problem.objective(absent)
    assert few.best_test(3) == pytest.approx(0.6)
    assert few.best_test(3, ("conv1x1-bn-relu",)) == pytest.approx(0.45)


def test_accuracies_that_are_not_real_make_a_surrogate(tmp_path: Path) -> None:
    for real, name in (([True] * 4, "NAS-Bench-101"), ([True, False, True, True], "NAS-Bench-101 surrogate")):
        np.savez(tmp_path / "t.npz", **few_arrays(), is_real=np.array(real))  # type: ignore[arg-type]
        assert load_cells(tmp_path / "t.npz").name == name
    np.savez(tmp_path / "t.npz", **few_arrays(), verified=np.zeros(4, bool))  # type: ignore[arg-type]
    assert load_cells(tmp_path / "t.npz").name == "NAS-Bench-101, unverified file"


def changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: arrays | {name: change(arrays[name])}


def put(name: str, where: int | tuple[int, ...], value: object) -> Callable[[Arrays], Arrays]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[where] = value
        return array

    return changed(name, change)


def without(name: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {key: array for key, array in arrays.items() if key != name}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (without("val_acc"), "array val_acc is missing; it has hash, num_vertices"),
        (changed("ops", lambda ops: ops.astype(np.int64)), r"array ops is int64 \[4, 7\]; it should be uint8 \[N, 7\]"),
        (changed("test_acc", lambda runs: runs[:, :2]), r"array test_acc is float32 \[4, 2\]"),
        (changed("ops", lambda ops: ops[:3]), "array ops has 3 rows, and hash 4"),
        (changed("hash", lambda text: text[0]), r"array hash is \|S32 \[\]; it should be S32 \[N\]"),
        (changed("hash", lambda text: text.astype(object)), "array hash cannot be read: Object arrays"),
        (changed("num_vertices", lambda count: count[:3]), "array num_vertices has 3 rows, and hash 4"),
        (put("num_vertices", 1, 3), r"array num_vertices has 3 in row 1, where ops has \[1, 5, 0"),
        (put("val_acc", (2, 1), 92.0), "array val_acc has values that are not in"),
        (put("test_acc", (0, 0), np.nan), "array test_acc has values that are not in"),
        (put("adjacency", (0, 3, 2), 1), "adjacency of cell 0 is not upper triangular"),
        (put("adjacency", (2, 1, 2), 0), "adjacency of cell 2 has parts on no path"),
        (put("adjacency", (0, 0, 6), 1), "adjacency of cell 0 has 10 edges; NAS-Bench-101 has at most 9"),
        (put("ops", (1, 1), 6), "ops of cell 1"),
        (put("ops", (2, 1), 4), "cells [23] and [23] are the same cell"),
        (put("hash", 0, b"0" * 32), f"array hash has '{'0' * 32}' in row 0.*{KNOWN_HASH}"),
        (lambda arrays: {name: array[:0] for name, array in arrays.items()}, "array hash is empty"),
        (lambda arrays: arrays | {"is_real": np.ones(4)}, r"array is_real is float64 \[4\]; it should be bool"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, change: Callable[[Arrays], Arrays], text: str) -> None:
    np.savez(tmp_path / "t.npz", **change(few_arrays()))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"t.npz is not a table of NAS-Bench-101: .*" + text):
        load_cells(tmp_path / "t.npz")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no table")
    np.save(tmp_path / "one.npy", np.ones(3))
    np.savez(tmp_path / "whole.npz", **few_arrays())  # type: ignore[arg-type]
    whole = (tmp_path / "whole.npz").read_bytes()
    for length in (0, len(whole) // 2, len(whole) - 100, len(whole) - 1):
        (tmp_path / f"{length}.npz").write_bytes(whole[:length])
    files = [path for path in tmp_path.iterdir() if path.name != "whole.npz"]
    assert len(files) == 6
    for path in files:
        with pytest.raises(ValueError, match=rf"{path.name} is not a table of .*: it is damaged or is not"):
            load_cells(path)
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("hash.npy", b"no array")
    with pytest.raises(ValueError, match="array hash cannot be read"):
        load_cells(tmp_path / "text.npz")
    with pytest.raises(FileNotFoundError):
        load_cells(tmp_path / "none.npz")


def test_a_damaged_table_never_gives_other_arrays(tmp_path: Path, few: CellTable) -> None:
    path = tmp_path / "t.npz"
    np.savez_compressed(path, **few_arrays())  # type: ignore[arg-type]
    content, found = path.read_bytes(), 0
    for place in range(0, len(content), 5):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            loaded = load_cells(path)
        except ValueError as error:
            assert str(path) in str(error)
            found += 1
            continue
        for name in ("adjacency", "ops", "test"):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(few, name))
        np.testing.assert_array_equal(loaded.validation.runs, few.validation.runs)
    assert found > len(content) / 5 / 3


def test_mutations_have_the_papers_rates() -> None:
    problem, parent, rng = Problem(cell_space(), "t"), known_config(), np.random.default_rng(0)
    moved: Counter[tuple[str, Action]] = Counter()
    draws = 8_000
    for _ in range(draws):
        child = mutate_cell(problem, parent, rng)
        problem.space.validate(child)
        (difference,) = child.items() - parent.items()
        moved[difference] += 1
    edges = [count for (name, _), count in moved.items() if name.startswith("edge")]
    operations = [count for (name, _), count in moved.items() if name.startswith("operation")]
    assert (len(edges), len(operations)) == (21, 5 * 2)
    assert sum(edges) == pytest.approx(draws / 2, abs=4 * np.sqrt(draws / 4))
    for count, expected in [(c, draws / 42) for c in edges] + [(c, draws / 20) for c in operations]:
        assert count == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_evolution_takes_the_mutation(few: CellTable) -> None:
    problem = cell_problem(few, sub_spaces()[0]).problem
    free = Problem(problem.space, problem.task)
    searcher = RegularizedEvolution([free], population_size=1, sample_size=1, seed=0, mutation=mutate_cell)
    kinds, parent = Counter[str](), searcher.ask()
    searcher.tell(parent, 0.0)
    for _ in range(200):
        child = searcher.ask()
        ((name, _),) = child.config.items() - parent.config.items()
        kinds[name.split()[0]] += 1
        searcher.tell(child, 0.0)
        parent = child
    assert kinds["edge"] == pytest.approx(100, abs=30)  # a uniform choice would flip an edge 158 times


def test_a_single_operation_leaves_edges_to_mutate() -> None:
    problem, rng = Problem(cell_space(4, ("maxpool3x3",)), "t"), np.random.default_rng(0)
    parent = {c.name: c.actions[0] for c in problem.space.choices}
    for _ in range(20):
        ((name, action),) = mutate_cell(problem, parent, rng).items() - parent.items()
        assert name.startswith("edge") and action == 1


def test_no_cells_are_looked_up_as_none(few: CellTable) -> None:
    problem, nothing = cell_problem(few), np.zeros((0, 26), np.int32)
    for found in (problem.value(nothing), problem.reward(nothing, np.random.default_rng(0)), problem.valid(nothing)):
        assert found.shape == (0,)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda cells: cell_space(8), "a cell of NAS-Bench-101 has 2 to 7 vertices, not 8"),
        (lambda cells: cell_space(7, ("conv7x7",)), "NAS-Bench-101 has no operation 'conv7x7'; it has"),
        (
            lambda cells: cell_problem(cells, SearchSpace("x", [Choice("edge 1-2", (0, 1))])),
            '"x" is not a space of',
        ),
        (lambda cells: cell_problem(cells, seed=-1), "seed must be a whole number"),
        (lambda cells: cells.best_test(1), "no cell of at most 1 vertices"),
        (
            lambda cells: mutate_cell(
                Problem(SearchSpace("x", [Choice("a", (0, 1))]), "t"), {"a": 0}, np.random.default_rng(0)
            ),
            'search space "x" has no edges',
        ),
    ],
)
def test_wrong_names_are_refused(few: CellTable, call: Callable[[CellTable], object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call(few)
