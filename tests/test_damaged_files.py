"""Damaged and crafted files: one kind of error, no memory that the file does not bear out, and what loads works.

`python tests/fuzzing.py KIND COUNT SEED` tries as many more as you like.
"""

import io
import json
import sys
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents import fast_transferred_and_played
from fuzzing import KINDS, NUMPY, Entry, Parts, outcomes, put_together, some_record, take_apart
from nasbench101_table import few_arrays
from searchers import CONFIG, FAST, LEFT
from strategies import unchecked
from transfernas import (
    Agent,
    CheckpointError,
    Choice,
    DecoderConfig,
    Equal,
    In,
    Preferences,
    Problem,
    SearchSpace,
    TrainingConfig,
    UniformConfig,
)
from transfernas.fields import flat
from transfernas_bench.benchmarks.cell_table import load_cells
from transfernas_bench.experiments.trace import Trace

COUNTS = {"fast": 120, "paper": 50, "lstm": 30, "search": 50, "record": 200, "table": 200}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_file_is_refused_or_works(tmp_path: Path, kind: str) -> None:
    found = list(outcomes(kind, COUNTS[kind], 0, tmp_path))
    for outcome in found:
        if isinstance(outcome, Exception):
            raise outcome
    assert set(found) <= {"refused", "works"} and found.count("refused") > COUNTS[kind] / 2


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return fast_transferred_and_played().save(tmp_path_factory.mktemp("saved") / "agent").read_bytes()


@contextmanager
def little_memory(most: int) -> Iterator[None]:
    """Checks that a block allocates at most so many bytes.

    A thread that allocates while tracing ends can crash Python before 3.13, and other tests' agents may still compile.
    """
    for thread in threading.enumerate():
        if thread.name == "transfernas-compiler":
            thread.join()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most


def refused_within(path: Path, content: bytes, text: str) -> None:
    """Checks that a file is refused, and that this takes little memory."""
    path.write_bytes(content)
    with little_memory(20 * len(content) + (8 << 20)), unchecked(), pytest.raises(CheckpointError, match=text):
        Agent.load(path)


def set_room(at: int, value: int) -> Callable[[Parts], object]:
    return lambda parts: parts.header["min_shapes"].__setitem__(at, value)


def set_rooms(*values: int) -> Callable[[Parts], object]:
    return lambda parts: parts.header.update(min_shapes=list(values))


def set_config(part: str, **fields: object) -> Callable[[Parts], object]:
    """Changes fields of a part of the configuration, which is given by its path."""

    def change(parts: Parts) -> None:
        found = parts.header["config"]
        for name in part.split("."):
            found = found[name]
        found.update(fields)

    return change


def set_tensor(dtype: str, shape: list[int], size: int) -> Callable[[Parts], object]:
    return lambda parts: parts.tensors.update(baseline=Entry(dtype, shape, bytes(size)))


CRAFTED: dict[str, tuple[Callable[[Parts], object], str]] = {
    "states": (set_room(0, 1 << 20), "field capacity"),
    "names": (set_room(1, 1 << 20), "field capacity"),
    "tasks": (set_room(2, 1 << 20), "field capacity"),
    "choices": (set_room(3, 1 << 20), "is int32|MiB"),
    "steps": (set_room(4, 1 << 20), "queue.trials.actions is|positions"),
    "decisions": (set_room(5, 1 << 20), "MiB"),
    "actions": (set_room(6, 1 << 20), "MiB"),
    "terms": (set_room(7, 1 << 20), "MiB"),
    "literals": (set_room(8, 1 << 20), "MiB"),
    "all": (set_rooms(*[1 << 20] * 10), "MiB|capacity"),
    "some": (set_rooms(1, 1, 1, 1 << 9, 1, 1 << 9, 1 << 9, 1 << 9, 1 << 9, 1), "MiB"),
    "queue": (set_config("queue", size=10**6), "queue.reward is float64"),
    "warm_start": (
        set_config("transfer.bandit", warm_start=10**6),
        "warm_start.count holds|warm_start.action_indices is",
    ),
    "embedding": (set_config("network", embedding_size=10**9, heads=1), "policy.state is"),
    "layers": (set_config("network", layers=10**9), "policy.encoder.query_key_value is"),
    "hidden": (set_config("network", feed_forward=10**9), "policy.encoder.hidden is"),
    "capacity": (lambda parts: parts.header.update(capacity=[1 << 20] * 4), "policy.state is"),
    "updates": (
        set_config("rule", updates=10**30),
        "TrainingConfig.rule.updates must be a whole number of at most 1,000,",
    ),
    "best_of": (
        set_config("proposal.best_of", draws=10**30),
        "TrainingConfig.proposal.best_of.draws must be a whole number of at most 10,000,",
    ),
    "pairs": (set_config("rule", updates=1_000, pair_steps=10**9), "steps a trial"),
    "entropy": (
        set_config("rule", entropy_weight=1 << 63),
        "TrainingConfig.rule.entropy_weight must be a number of at most",
    ),
    "exploration": (
        set_config("transfer.bandit.exploration", logits=10**400),
        "exploration.logits must be a number of at most",
    ),
    "F8": (set_tensor("F8_E4M3", [2, 1], 2), r"the tensor baseline is F8_E4M3\[2, 1\], which no agent has"),
    "BF16": (set_tensor("BF16", [2, 1], 4), r"the tensor baseline is BF16\[2, 1\], which no agent has"),
    "dimensions": (set_tensor("F32", [1] * 1000, 4), r"the tensor baseline is F32\[1, 1, .*, which no agent has"),
    "nothing": (set_tensor("F32", [0, 1 << 62], 0), r"the tensor baseline is F32\[0, 4611686018427387904\], which"),
    "much of nothing": (set_tensor("F64", [0, 1 << 60], 0), "the tensor baseline is F64"),
    "no agent": (lambda parts: parts.metadata.update(version="9" * 5_000), "has format version 99999999999999999999;"),
}


@pytest.mark.parametrize(("change", "text"), CRAFTED.values(), ids=CRAFTED.keys())
def test_no_size_is_believed(tmp_path: Path, content: bytes, change: Callable[[Parts], object], text: str) -> None:
    parts = take_apart(content)
    change(parts)
    refused_within(tmp_path / "agent", put_together(parts), text)


def test_a_small_network_of_wide_tensors_is_not_drawn(tmp_path: Path, content: bytes) -> None:
    """The tensors that are there bear out the sizes; those that are missing would take 7 GB."""
    parts, wide = take_apart(content), 8_000
    set_config("network", embedding_size=wide, feed_forward=1, heads=1)(parts)
    for name, entry in list(parts.tensors.items()):
        if name in ("policy.state", "policy.action", "policy.task"):
            shape = [*entry.shape[:-1], wide]
            parts.tensors[name] = Entry("F32", shape, bytes(4 * int(np.prod(shape))))
        elif name.startswith("policy.encoder"):
            del parts.tensors[name]
    refused_within(tmp_path / "agent", put_together(parts), "the tensor policy.position is")


TRIALS = ["queue.trials", "replay", "warm_start"]


@pytest.mark.parametrize("part", TRIALS)
@pytest.mark.parametrize("what", ["task", "decisions", "actions", "length"])
def test_trials_are_trials_of_their_problems(tmp_path: Path, content: bytes, part: str, what: str) -> None:
    parts = take_apart(content)
    name = f"{part}.{what}"
    entry = parts.tensors[name]
    values = np.frombuffer(entry.data, NUMPY[entry.dtype]).astype("<i4").reshape(entry.shape)
    if what == "decisions":
        values[..., 1:] = values[..., :1]  # S again and again
    else:
        values[...] = {"task": 1 - values, "actions": 3, "length": 0}[what]
    parts.tensors[name] = entry._replace(dtype="I32", data=values.astype("<i4").tobytes())
    (tmp_path / "agent").write_bytes(put_together(parts))
    with (
        unchecked(),
        pytest.raises(CheckpointError, match=f"{part}.*holds (a trial that does|values that are) not"),
    ):
        Agent.load(tmp_path / "agent")


@pytest.mark.parametrize(("name", "value"), [("optimizer[0].nu", -1.0), ("optimizer[0].count", -1), ("trials", -1)])
def test_counts_and_squares_are_not_negative(tmp_path: Path, content: bytes, name: str, value: float) -> None:
    parts = take_apart(content)
    (full,) = [
        each for each in parts.tensors if each.startswith(name.split("[")[0]) and each.endswith(name.split(".")[-1])
    ]
    entry = parts.tensors[full]
    values = np.frombuffer(entry.data, NUMPY[entry.dtype]).astype("<f4" if entry.dtype == "F32" else "<i4")
    values[-1] = value
    parts.tensors[full] = entry._replace(dtype="F32" if entry.dtype == "F32" else "I32", data=values.tobytes())
    (tmp_path / "agent").write_bytes(put_together(parts))
    with pytest.raises(CheckpointError, match="holds values below 0"):
        Agent.load(tmp_path / "agent")


SMALL = TrainingConfig(network=DecoderConfig(embedding_size=4, feed_forward=8))
LARGEST: list[dict[str, Any]] = [
    {"rule.updates": 1_000, "rule.pair_steps": 1},
    {"proposal.best_of.draws": 10_000},
    {"rule": Preferences(learning_rate=10, entropy_weight=10**6, joint_entropy_weight=10**6, scale=10**6)},
    {"rule.pairs": 10**9, "rule.good_most": 10**9, "proposal.best_of.trials": 10**9, "transfer.bandit.control": 10**9},
    {"transfer.bandit.exploration.logits": 10**6, "proposal.max_candidates": 10**9, "network.number_length": 10**6},
    {"rule.adam_b1": 0.999999, "rule.adam_b2": 0.999999, "transfer.uniform": UniformConfig(trials=10**9)},
]


@pytest.mark.thorough
@pytest.mark.parametrize("fields", LARGEST, ids=str)
def test_the_largest_hyperparameters_work(fields: dict[str, Any]) -> None:
    agent = Agent([Problem(LEFT, "one")], SMALL.with_changes(fields))
    for reward in (1.0, 2.0):
        agent.tell(agent.ask(), reward)


@pytest.mark.parametrize("path", ["rule.learning_rate", "rule.entropy_weight", "network.logit_scale"])
def test_a_whole_number_is_the_number(path: str) -> None:
    config = SMALL.with_changes({path: 1})
    assert type(flat(config)[path]) is float and config == SMALL.with_changes({path: 1.0})


def test_spaces_whose_arrays_no_memory_holds_are_refused() -> None:
    pairs = [Choice(f"c{number}", (0, 1, 2)) for number in range(16)]
    condition = Equal("c0", 0) | Equal("c1", 0)
    for number in range(2, 16, 2):
        condition = condition & (Equal(f"c{number}", 0) | Equal(f"c{number + 1}", 0))  # type: ignore[assignment]
    late = [Choice(f"d{number}", (0, 1), when=condition) for number in range(20)]
    wide = Choice("wide", range(600))
    with pytest.raises(ValueError, match="the problems would take arrays of .* MiB, more than 64"):
        Agent([Problem(SearchSpace("large", [*pairs, *late, wide]), "one")], FAST)
    assert Agent([Problem(SearchSpace("small", [*pairs, *late[:2]]), "one")], CONFIG).problems


def calls(work: Callable[[], object]) -> int:
    """How many functions were called."""
    count = 0

    def called(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "work",
    [
        lambda n: Choice("many", range(n)),
        lambda n: Choice("many", [float(value) for value in range(n)] + [True, False, None]),
        lambda n: list(map(Choice("many", range(n)).index, range(n))),
        lambda n: list(map(Choice("many", range(n)).has, map(str, range(n)))),
        lambda n: SearchSpace(
            "s", [Choice("many", range(n)), Choice("b", (0, 1), when=In("many", tuple(range(n - 1))))]
        ),
    ],
)
def test_many_actions_cost_each_the_same(work: Callable[[int], object]) -> None:
    assert calls(lambda: work(2_000)) < 3 * calls(lambda: work(1_000))


def test_an_action_that_is_there_twice_is_found_among_many() -> None:
    for twice in (17, 39_999):
        with pytest.raises(ValueError, match=f'choice "many" has the action {twice} twice'):
            Choice("many", [*range(40_000), twice])
    assert Choice("many", [1, 1.0, True, "1", None]).index(1.0) == 1
    assert not Choice("many", [1]).has([1])  # type: ignore[arg-type]


def inflating(size: int, header: dict[str, Any]) -> bytes:
    """An array's file that says what it holds, and holds so many zeros."""
    text = json.dumps(header).replace('"', "'").replace("false", "False").replace("[", "(").replace("]", ",)")
    start = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
    return start + bytes(size)


@pytest.mark.parametrize("rows", [1 << 22, 4])
def test_a_table_that_inflates_is_not_read(tmp_path: Path, rows: int) -> None:
    path, packed = tmp_path / "t.npz", io.BytesIO()
    np.savez_compressed(packed, **few_arrays())  # type: ignore[arg-type]
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            if name != "val_acc.npy":
                target.writestr(name, source.read(name))
        said = {"descr": "<f4", "fortran_order": False, "shape": [rows, 3]}
        target.writestr("val_acc.npy", inflating(12 << 22, said))
    refusal = r"t.npz is not a table of NAS-Bench-101: array val_acc (has|cannot be read)"
    with little_memory(8 << 20), pytest.raises(ValueError, match=refusal):
        load_cells(path)


def test_a_record_is_an_npz_with_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "stage.20" / "record.npz"
    some_record().write(path)
    with np.load(path) as file:
        np.testing.assert_array_equal(file["reward"], some_record().reward)
    np.savez_compressed(path, reward=some_record().reward)
    with pytest.raises(CheckpointError, match=f"record.npz is damaged: .* remove {path.parent}"):
        Trace.read(path)
    with pytest.raises(FileNotFoundError):
        Trace.read(tmp_path / "none.npz")
