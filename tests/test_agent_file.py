"""The page on the agent's file says what is in the files that are saved, and all of it."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import safetensors

from agents import DECODER, LSTM, fast_transferred_and_played, played
from transfernas import Agent, Choice, Problem, Range, SearchSpace, TrainingConfig
from transfernas.checkpoint.snapshot import FORMAT, VERSION, read_snapshot
from transfernas.checkpoint.tensors import _NARROW
from transfernas.fields import ConfigPart, Limits, _fields
from transfernas.integrations.optuna import TransferSampler
from transfernas.spaces.choice import Repeat

PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "agent-file.md").read_text(encoding="utf8")
TYPES: dict[str, tuple[type, ...]] = {
    **{"string": (str,), "whole number": (int,), "list": (list,), "object": (dict,), "number": (float,)},
    **{"list or null": (list, type(None)), "any": (object,)},
}
WORDS = {"F32": {"F32"}, "F64": {"F64"}, "I32": {"I32"}, "BOOL": {"BOOL"}, "I": {"U8", "I8", "U16", "I16", "I32"}}


def rows(title: str) -> list[list[str]]:
    """The rows of the tables below a title of the page, without their heads."""
    (section,) = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    lines = (line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `"))
    return [[first.strip("`"), *others] for first, *others in lines]


def searched() -> Agent:
    """The agent of a sampler, which has a record of processed trials, room for more, and numbers in its archive."""
    agent: Agent | None = None
    for seed in range(2):
        sampler = TransferSampler(agent, seed=seed)
        study = optuna.create_study(study_name=f"study {seed}", sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_int("y", 1, 9), n_trials=12)
        agent = sampler.agent
    assert agent is not None
    return agent


def conditional() -> Agent:
    """An agent with conditions, states that are shared, and a function."""
    blocks = Repeat("blocks", (1, 2), [Choice("op", ("conv", "pool"))])
    late = Choice("late", (None, True, 2, 0.5), when={"blocks": 2})
    space = SearchSpace("s", [blocks, late])
    agent = Agent([Problem(space, "t", valid=lambda _: True, key=repr)], DECODER)
    agent.ask()
    return agent


def ranged() -> Agent:
    """An agent that was told numbers of a range, and of a short one, which has none in the file."""
    space = SearchSpace("s", [Choice("rate", Range(1e-4, 1.0, log=True)), Choice("layers", Range(1, 3))])
    agent = Agent([Problem(space, "t")])
    agent.tell(agent.ask(), 1.0)
    agent.ask()
    return agent


AGENTS = {
    "transformer": played,
    "lstm": lambda: Agent([Problem(SearchSpace("s", [Choice("a", (0, 1))]), "t")], LSTM),
    "decoder": conditional,
    "bandit": fast_transferred_and_played,
    "ranges": ranged,
    "sampler": searched,
}


@pytest.fixture(scope="module", params=list(AGENTS.values()), ids=list(AGENTS))
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    create: Callable[[], Agent] = request.param
    return create().save(tmp_path_factory.mktemp("agent") / "agent.safetensors")


def header_of(path: Path) -> dict[str, Any]:
    with safetensors.safe_open(path, framework="numpy") as opened:
        found: dict[str, Any] = json.loads(opened.metadata()["agent"])
    return found


@pytest.mark.thorough
def test_the_metadata_is_that_of_the_page(file: Path) -> None:
    with safetensors.safe_open(file, framework="numpy") as opened:
        metadata = opened.metadata()
    said = {key: value for key, value in rows("Metadata")}
    assert metadata.keys() == said.keys()
    assert f"`{FORMAT}`" in said["format"] and f"`{VERSION}`" in said["version"] and metadata["version"] == str(VERSION)
    assert f"describes version {VERSION} of the format" in PAGE


def test_the_header_is_that_of_the_page(file: Path) -> None:
    header, said = header_of(file), rows("Header")
    assert list(header) == [field for field, *_ in said]
    for field, kind, _ in said:
        assert isinstance(header[field], TYPES[kind]) and not isinstance(header[field], bool), field


def every_field(part: type[ConfigPart], before: str = "") -> Iterator[tuple[str, str, str]]:
    """All fields that settings can have: the path, the name of the part, and what the page is to say of it."""
    if part.kind:
        yield f"{before}kind", part.__name__, f"`{part.kind}`"
    for field in _fields(part):
        path = before + field.name
        if isinstance(limits := field.limits, Limits):
            most = f"{limits.most:,}" if limits.most >= 1_000 else f"{limits.most:g}"
            between = (
                f"of more than {limits.least:g}, at most {most}" if limits.above else f"from {limits.least:g} to {most}"
            )
            value = f"a {'whole ' if field.number is int else ''}number {between}"
        else:
            words = " or ".join(f"`{word}`" for word in field.words)
            value = "a part" if field.parts else words or "true or false"
        yield path, part.__name__, f"{value}, or null" if field.optional else value
        for inner in field.parts:
            yield from every_field(inner, f"{path}.")


def test_the_settings_are_those_of_the_page(file: Path) -> None:
    expected: dict[str, tuple[list[str], list[str]]] = {}
    for path, part, value in every_field(TrainingConfig):
        parts, values = expected.setdefault(path, ([], []))
        parts.append(part)
        values.extend([] if value in values else [value])
    said = {path: (parts, value) for path, parts, value in rows("Settings")}
    assert said == {path: (", ".join(parts), " or ".join(values)) for path, (parts, values) in expected.items()}
    paths = set(paths_of(header_of(file)["config"]))
    assert paths <= said.keys() and {path for path in said if "." not in path} <= paths


def paths_of(value: dict[str, Any], before: str = "") -> Iterator[str]:
    for name, inner in value.items():
        yield before + name
        if isinstance(inner, dict):
            yield from paths_of(inner, f"{before}{name}.")


def test_whole_numbers_have_the_types_of_the_page() -> None:
    kinds = (f"{np.dtype(kind).kind.upper()}{8 * np.dtype(kind).itemsize}" for kind in _NARROW)
    assert WORDS["I"] == {"I32", *kinds}
    assert "narrowest of `U8`, `I8`, `U16`, `I16` and `I32`" in PAGE


def test_the_tensors_are_those_of_the_page(file: Path) -> None:
    """Their names, their types, and their shapes, in which each word is one number throughout."""
    learner, header = read_snapshot(file).learner, header_of(file)
    network, gated = header["config"]["network"]["kind"], learner.bandit is not None
    titles = [
        "All agents",
        f"A network of kind `{network}`",
        *(["After a transfer with a proposer bandit"] if gated else []),
    ]
    titles += ["A network of kind `transformer` or `decoder`"] if network != "lstm" else []
    titles += ["With ranges"] if learner.encoding.has_ranges else []
    titles += ["With an archive"] if header["archive"]["problems"] else []
    said = {name: (kind, shape.split(", ")) for title in titles for name, kind, shape, _ in rows(title)}
    known: dict[str, int] = {"2": 2, "replicas": learner.replicas, "policies": learner.replicas * learner.policies}
    known |= dict(zip(("states", "names", "tasks", "positions"), header["capacity"], strict=True))
    known |= {"proposers": 4, "width": learner.config.network.width, "size": learner.config.queue.size}
    known |= {"embedding_size": learner.config.network.embedding_size, "told": learner.replay.count}
    with safetensors.safe_open(file, framework="numpy") as opened:
        slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118  (no mapping)
        found = {name: (its.get_dtype(), its.get_shape()) for name, its in slices.items()}
    assert found.keys() == said.keys()
    for name, (kind, words) in said.items():
        dtype, shape = found[name]
        assert dtype in WORDS[kind] and len(shape) == len(words), name
        for word, size in zip(words, shape, strict=True):
            times, _, its = word.rpartition(" ")
            assert size == int(times or 1) * known.setdefault(its, size // int(times or 1)), (name, word)
    for word in ("problems", "steps", "choices"):
        assert known.get(word, 1).bit_count() == 1


def test_the_only_times_in_a_file_are_those_of_the_records(file: Path) -> None:
    """The page says that a file reveals when a study began, and no other time."""
    assert "the time at which the first trial of each study began, in `processed`" in PAGE
    times = r"\d{4}-\d\d-\d\dT\d\d:\d\d"
    records = list(read_snapshot(file).processed)
    assert all(re.fullmatch(rf"study \d {times}\S*", record) for record in records)
    with safetensors.safe_open(file, framework="numpy") as opened:
        text = json.dumps(opened.metadata())
    assert len(re.findall(times, text)) == len(records)
