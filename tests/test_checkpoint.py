"""The agent's file: exact, whole or not at all, and clear about what is wrong with it."""

import dataclasses
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from agents import (
    DECODER,
    LSTM,
    NEXT_PROBLEMS,
    ChangeFn,
    Tensors,
    fast,
    fast_transferred,
    fast_transferred_and_played,
    leaves,
    lstm,
    lstm_transferred,
    played,
    rewrite,
    with_open_trials,
)
from kept import counted, queued
from searchers import CONFIG, FAST, ONE, PROBLEMS, RIGHT, play
from strategies import configs, problems, quick, unchecked
from transfernas import Agent, CheckpointError, Choice, Problem, SearchSpace, TrainingConfig
from transfernas.checkpoint.snapshot import SavedTrial, Snapshot, _checksum, read_snapshot, write_snapshot
from transfernas.checkpoint.tensors import bytes_of, tensors_of
from transfernas.fields import to_json
from transfernas.learning.bandit import LEAST_PROPOSER
from transfernas.learning.failed_trials import MOST_FAILED
from transfernas.learning.learner import Learner, learn, new_learner, select
from transfernas.learning.proposal import propose
from transfernas.learning.scores import TrialOutcome
from transfernas.learning.transfer import transfer
from transfernas.policy.architecture import LstmConfig, NetworkConfig, TransformerConfig
from transfernas.spaces.condition import Config


def shallow(config: Config) -> bool:
    return config["depth"] in (1, 2)


RESTRICTED = (ONE, Problem(RIGHT, "two", valid=shallow))


WARM_START = ("count", "trials", "action_indices", "values", "source")


def same_bits(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    pairs = zip(left, right, strict=True)
    return all((a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()) for a, b in pairs)


def network(learner: Learner) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(learner.state)]


def host(learner: Learner) -> list[np.ndarray]:
    """What a learner keeps beside its state."""
    replay, count = learner.replay, learner.replay.count
    told = (replay.problem, *replay.trials, *replay.scores, replay.fingerprint, replay.proposer)
    best = [*queued(learner), *counted(learner)]
    bandit = [] if learner.bandit is None else [*learner.bandit.arrays().values()]
    warm_start = (
        []
        if learner.warm_start is None
        else jax.tree.leaves(tuple(vars(learner.warm_start)[name] for name in WARM_START))
    )
    archive = [
        array for each in learner.archive for array in (each.count, each.action_indices, each.values, *each.scores)
    ]
    return [array[:, :count] for array in told] + best + bandit + warm_start + archive


def transferred() -> Agent:
    return with_open_trials().transfer_to(NEXT_PROBLEMS)


def transferred_and_played() -> Agent:
    agent = transferred()
    agent.learn_from([(NEXT_PROBLEMS[0], {"kind": "conv", "drop": 0.5, "act": "gelu"}, 1.5)])
    play(agent, 4)
    return agent


def restricted() -> Agent:
    return with_open_trials(RESTRICTED)


def decoder() -> Agent:
    return with_open_trials(config=DECODER)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an agent with open trials; to be read only."""
    return with_open_trials().save(tmp_path_factory.mktemp("saved") / "agent.safetensors")


@pytest.fixture(scope="module")
def restricted_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return restricted().save(tmp_path_factory.mktemp("saved") / "restricted.safetensors")


@pytest.fixture(scope="module")
def lstm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lstm().save(tmp_path_factory.mktemp("saved") / "lstm.safetensors")


@pytest.fixture(scope="module")
def fast_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an agent with a replay buffer, a proposer bandit and a warm start; to be read only."""
    return fast_transferred_and_played().save(tmp_path_factory.mktemp("saved") / "fast.safetensors")


def refused(path: Path, *parts: str) -> None:
    """Checks that a file is refused, and that the message names it and says the rest."""
    with pytest.raises(CheckpointError) as caught:
        Agent.load(path)
    for part in (str(path), *parts):
        assert part in str(caught.value)


AGENTS = [lambda: Agent(PROBLEMS, CONFIG, seed=9), played, with_open_trials, transferred, transferred_and_played]


@pytest.mark.parametrize(
    "create",
    [*AGENTS, restricted, lstm, lstm_transferred, decoder, fast, fast_transferred, fast_transferred_and_played],
    ids=[
        *("new", "played", "open", "transferred", "later", "valid", "lstm", "lstm transferred", "decoder"),
        *("fast", "fast transferred", "fast later"),
    ],
)
@pytest.mark.thorough
def test_a_loaded_agent_goes_on_to_the_bit(tmp_path: Path, create: Callable[[], Agent]) -> None:
    agent = create()
    path = agent.save(tmp_path / "agent")
    loaded = Agent.load(path, agent.problems)
    assert same_bits(leaves(agent), leaves(loaded)) and same_bits(host(agent.learner), host(loaded.learner))
    for name in ("config", "problems", "open_trials", "provenance", "transfer_report"):
        assert getattr(loaded, name) == getattr(agent, name)
    for problem in agent.problems:
        assert loaded.top(problem) == agent.top(problem)
    waiting = list(zip(agent.open_trials, loaded.open_trials, strict=True))
    for original, copy in waiting[:1]:
        agent.tell(original, 5.0)
        loaded.tell(copy, 5.0)
    assert play(loaded, 5) == play(agent, 5)
    for original, copy in waiting[1:]:
        agent.tell(copy, -1.0)  # a trial is known by its content, whichever copy asked
        loaded.tell(original, -1.0)
    assert play(loaded, 5) == play(agent, 5)
    assert same_bits(leaves(agent), leaves(loaded)) and same_bits(host(agent.learner), host(loaded.learner))
    assert loaded.provenance == agent.provenance
    after = [a.transfer_to(NEXT_PROBLEMS) for a in (agent, loaded)]
    assert play(after[0], 3) == play(after[1], 3)


def test_a_trial_is_told_to_an_agent_loaded_without_the_functions(tmp_path: Path) -> None:
    agent = Agent((ONE, Problem(RIGHT, "two", objective=lambda _: 0.0)), CONFIG)
    trials = agent.ask(6)
    assert {trial.problem.task for trial in trials} == {"one", "two"}
    loaded = Agent.load(agent.save(tmp_path / "agent"))
    for trial in trials:
        loaded.tell(trial, 1.0)
    assert not loaded.open_trials


def test_a_second_generation_is_the_first(tmp_path: Path, saved: Path) -> None:
    second = Agent.load(Agent.load(saved).save(tmp_path / "agent"))
    assert play(second, 5) == play(Agent.load(saved), 5)


def test_the_file_is_safetensors_with_a_header(saved: Path) -> None:
    assert os.listdir(saved.parent) == [saved.name]
    with safetensors.safe_open(saved, framework="numpy") as file:
        metadata, names = file.metadata(), set(file.keys())
    assert metadata.keys() == {"format", "version", "agent", "sha256"}
    assert (metadata["format"], metadata["version"]) == ("transfernas-agent", "1")
    assert json.loads(metadata["agent"])["problems"] == [["left", "one"], ["right", "two"]]
    assert {"policy.state", "policy.encoder.hidden", "baseline", "queue.reward", "queue.trials.actions"} <= names


@pytest.mark.parametrize("create", [played, fast_transferred, lstm], ids=["played", "fast", "lstm"])
def test_two_files_of_one_agent_are_the_same(tmp_path: Path, create: Callable[[], Agent]) -> None:
    agent = create()
    files = [agent.save(tmp_path / str(number)).read_bytes() for number in range(6)]
    files += [Agent.load(tmp_path / "0").save(tmp_path / "loaded").read_bytes()]
    assert len(set(files)) == 1
    header = files[0][8 : 8 + int.from_bytes(files[0][:8], "little")]
    assert len(header) % 8 == 0 and list(json.loads(header)) == sorted(json.loads(header))
    tensors = safetensors.numpy.load(files[0])
    assert tensors.keys() == json.loads(header).keys() - {"__metadata__"}
    np.testing.assert_array_equal(tensors["policy.state"], np.asarray(agent.learner.state.policy.state))


@pytest.mark.parametrize("create", [played, fast_transferred_and_played, lstm], ids=["played", "fast", "lstm"])
def test_whole_numbers_may_be_wider_than_they_need(tmp_path: Path, create: Callable[[], Agent]) -> None:
    def wider(metadata: dict[str, str], header: Any, tensors: Tensors) -> None:
        metadata |= {"agent": json.dumps(header)}
        metadata["sha256"] = _checksum(metadata, tensors)

    path = create().save(tmp_path / "narrow")
    wide = rewrite(path, tmp_path / "wide", wider)
    assert Agent.load(wide).save(tmp_path / "again").read_bytes() == path.read_bytes()
    assert path.stat().st_size < wide.stat().st_size


def test_what_is_counted_takes_few_bytes() -> None:
    learner = fast_transferred_and_played().learner
    tensors = tensors_of(learner)
    counted = {
        name: tensor
        for name, tensor in tensors.items()
        if tensor.dtype.kind in "iu" and tensor.size and "opt" not in name
    }
    assert "replay.actions" in counted and {tensor.dtype.itemsize for tensor in counted.values()} == {1}
    assert sum(bytes_of(learner).values()) == sum(tensor.nbytes for tensor in tensors.values())


def test_large_counts_are_kept_as_they_are(tmp_path: Path) -> None:
    agent = played()
    trials = agent.learner.trial_stats.trials
    for count, size in ((255, 1), (256, 2), (65_535, 2), (65_536, 4)):
        trial_stats = dataclasses.replace(agent.learner.trial_stats, trials=np.full_like(trials, count))
        path = Agent.of(dataclasses.replace(agent.learner, trial_stats=trial_stats)).save(tmp_path / "agent")
        assert safetensors.numpy.load_file(path)["trials"].dtype.itemsize == size
        np.testing.assert_array_equal(Agent.load(path).learner.trial_stats.trials, trial_stats.trials)


def test_a_folder_is_no_file_of_an_agent(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=f"A folder is not an agent's file: '{tmp_path}'"):
        Agent.load(tmp_path)


def test_saving_replaces_what_was_there(tmp_path: Path) -> None:
    path, agent = tmp_path / "new" / "folder" / "agent", Agent(PROBLEMS, CONFIG)
    path.parent.mkdir(parents=True)
    path.write_text("something else")
    assert agent.save(str(path)) == path
    assert Agent.load(str(path)).ask().number == 0
    play(agent, 2)
    assert agent.save(path) == path
    assert Agent.load(path).ask().number == 2
    assert os.listdir(path.parent) == [path.name]


def test_saving_creates_the_folder(tmp_path: Path) -> None:
    path = Agent(PROBLEMS, CONFIG).save(tmp_path / "new" / "agent")
    assert path.is_file()


@pytest.mark.parametrize("function", ["replace", "fsync"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_failing_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, error: BaseException
) -> None:
    agent = Agent(PROBLEMS, CONFIG)
    path = agent.save(tmp_path / "agent")
    before = path.read_bytes()
    play(agent, 1)

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(type(error)):
            agent.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]
    assert Agent.load(agent.save(path)).ask().number == 1  # the agent is whole, too


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.001, 0.1, 0.5, 0.9, 0.9999], ids=str)
def test_a_truncated_file_is_refused(tmp_path: Path, saved: Path, share: float) -> None:
    content = saved.read_bytes()
    path = tmp_path / "agent"
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "is damaged or is not a safetensors file")


@pytest.mark.parametrize("begin", [b"SQLite format 3\0", b'{"op_code": 0'])
def test_studies_are_no_agent_and_the_error_says_how_to_make_one(tmp_path: Path, begin: bytes) -> None:
    path = tmp_path / "studies.db"
    path.write_bytes(begin + b"\0" * 100)
    refused(path, "holds studies, not an agent", f"`transfernas pretrain --storage {path} --out agent.safetensors`")


@pytest.mark.parametrize("content", [b"weights: none\n" * 50, b"\x80\x04K\x01.", b"\0" * 64, b"\xff" * 64])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "agent"
    path.write_bytes(content)
    refused(path, "is damaged or is not a safetensors file")


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Agent.load(tmp_path / "nowhere")
    with pytest.raises(
        FileNotFoundError, match=r"There is no such agent's file; agents and samplers write one by save"
    ):
        Agent.load(tmp_path / "nowhere" / "agent.safetensors")
    (tmp_path / "agent.safetensors").touch()
    with pytest.raises(FileNotFoundError, match=r"did you mean '.*agent\.safetensors'\?: '.*agnet\.safetensors'"):
        Agent.load(tmp_path / "agnet.safetensors")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}], ids=["none", "other"])
def test_a_foreign_safetensors_file_is_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "agent"
    safetensors.numpy.save_file({"weight": np.zeros(2, np.float32)}, path, metadata)
    its = "it says no format" if metadata is None else "its format is 'pt'"
    refused(path, f"is a safetensors file, but not an agent's: {its}, and an agent's is 'transfernas-agent'")


@pytest.mark.parametrize("version", ["2", "10", "next", "0", "01", "-1", "", "9" * 5_000, "²", "٤", "1\n"])
def test_another_version_is_refused(tmp_path: Path, saved: Path, version: str) -> None:
    path = rewrite(saved, tmp_path / "agent", lambda metadata, *_: metadata.update(version=version))
    refused(path, f"has format version {version:.20}; this version of transfernas reads version 1: upgrade it")


TENSORS = ["policy.state", "policy.encoder.out_norm", "optimizer[0].nu", "baseline", "queue.reward", "queue.filled"]


@pytest.mark.parametrize("name", TENSORS)
def test_a_missing_tensor_is_named(tmp_path: Path, saved: Path, name: str) -> None:
    path = rewrite(saved, tmp_path / "agent", lambda _, __, tensors: tensors.pop(name))
    refused(path, "is damaged", f"the tensor {name} is missing")


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_of_another_shape_or_type_is_named(tmp_path: Path, saved: Path, name: str) -> None:
    def shorten(_: object, __: object, tensors: Tensors) -> None:
        tensors[name] = np.ascontiguousarray(tensors[name][..., :-1])

    def widen(_: object, __: object, tensors: Tensors) -> None:
        tensors[name] = tensors[name].astype(np.float16)

    for change in (shorten, widen):
        path = rewrite(saved, tmp_path / "agent", change)
        refused(path, "is damaged", f"the tensor {name} is ", " and should be ")


LSTM_TENSORS = [
    *("policy.input_weight", "policy.between", "policy.recurrent", "policy.gate_bias", "policy.anchors.score"),
    *("policy.logit_weight", "policy.logit_bias"),
]


@pytest.mark.parametrize("name", LSTM_TENSORS)
def test_a_wrong_tensor_of_an_lstm_is_named(tmp_path: Path, lstm_file: Path, name: str) -> None:
    def shorten(_: object, __: object, tensors: Tensors) -> None:
        tensors[name] = np.ascontiguousarray(tensors[name][..., :-1])

    def spoil(_: object, __: object, tensors: Tensors) -> None:
        tensors[name] = np.full_like(tensors[name], np.nan)

    path = tmp_path / "agent"
    refused(
        rewrite(lstm_file, path, shorten), "is damaged", f"the tensor {name} is float32[", " and should be float32["
    )
    refused(rewrite(lstm_file, path, spoil), "is damaged", f"the tensor {name} holds values that are not finite")
    without_it = rewrite(lstm_file, path, lambda _, __, tensors: tensors.pop(name))
    refused(without_it, "is damaged", f"the tensor {name} is missing")


# What a header says of its network that its tensors are not; sizes that no memory could hold among them.
OTHER_NETWORKS: dict[str, tuple[dict[str, object] | NetworkConfig, str]] = {
    "lstm": (TransformerConfig(embedding_size=4), "the tensor policy.position is missing"),
    "transformer": (LstmConfig(embedding_size=4), "the tensor policy.input_weight is missing"),
    "units": (
        {"units": 9},
        "the tensor policy.input_weight is float32[1, 12, 32] and should be float32[1, 12, 36]",
    ),
    "huge": ({"units": 10**9}, "the tensor policy.input_weight is float32[1, 12, 32] and should be"),
    "layers": ({"layers": 10**9}, "the tensor policy.between is float32[1, 1, 8, 32] and should be"),
    "anchors": (
        {"anchors": False},
        "the tensor policy.anchors.now is unknown to the header's hyperparameters",
    ),
    "before": ({"normalise": "before"}, "its checksum does not match its content"),  # no tensor says so
}


@pytest.mark.parametrize(("change", "message"), OTHER_NETWORKS.values(), ids=OTHER_NETWORKS.keys())
def test_a_header_of_another_network_is_refused(
    tmp_path: Path, saved: Path, lstm_file: Path, change: dict[str, object] | NetworkConfig, message: str
) -> None:
    source = saved if change in (LstmConfig(embedding_size=4), {"normalise": "before"}) else lstm_file
    fields = change if isinstance(change, dict) else to_json(change)

    def put(_: object, header: Any, __: object) -> None:
        its = header["config"]["network"]
        header["config"]["network"] = its | fields if isinstance(change, dict) else fields

    path = rewrite(source, tmp_path / "agent", put)
    refused(path, "is damaged", message)


def test_what_the_header_does_not_explain_is_refused(tmp_path: Path, saved: Path) -> None:
    extra = rewrite(saved, tmp_path / "extra", lambda _, __, tensors: tensors.update(more=np.zeros(2, np.float32)))
    refused(extra, "is damaged", "the tensor more is unknown to the header's hyperparameters")
    past = rewrite(saved, tmp_path / "past", lambda _, header, __: header.update(past=[["cnn", "digits", [1, 2]]]))
    refused(past, "is damaged", "field past: [1, 2] are not the counts of 1 replicas")
    none = rewrite(saved, tmp_path / "none", lambda _, __, tensors: tensors.update(baseline=tensors["baseline"][:0]))
    refused(none, "is damaged", "the tensor baseline holds no replica")


def test_a_header_with_anchors_needs_them(tmp_path: Path) -> None:
    source = Agent(PROBLEMS, LSTM.with_changes({"network.anchors": False})).save(tmp_path / "plain")
    path = rewrite(source, tmp_path / "agent", lambda _, header, __: header["config"]["network"].update(anchors=True))
    refused(path, "is damaged", "the tensor policy.anchors.past is missing")


TRIALS = [
    f"replay.{name}" for name in ("problem", "reward", "outcome", "proposer", "task", "decisions", "actions", "length")
]
WARM_START_TENSORS = [
    f"warm_start.{name}" for name in ("count", "action_indices", "task", "decisions", "actions", "length")
]
KEPT = [*TRIALS, "bandit.comparisons", "bandit.wins", *WARM_START_TENSORS]


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_on_the_host_is_checked(tmp_path: Path, fast_file: Path, name: str) -> None:
    def changed(change: Callable[[np.ndarray], np.ndarray]) -> Path:
        def spoil(_: object, __: object, tensors: Tensors) -> None:
            tensors[name] = np.ascontiguousarray(change(tensors[name]))

        return rewrite(fast_file, tmp_path / "agent", spoil)

    def with_last(value: float) -> Callable[[np.ndarray], np.ndarray]:
        def change(tensor: np.ndarray) -> np.ndarray:
            copy = tensor.copy()
            copy.flat[-1] = value
            return copy

        return change

    of_another_shape = changed(lambda tensor: tensor[..., :-1])
    # One trial fewer makes the rewards differ from all that are not.
    refused(
        of_another_shape, "is damaged", "the tensor replay." if name == "replay.reward" else f"the tensor {name} is "
    )
    refused(changed(lambda tensor: tensor.astype(np.int64)), "is damaged", f"the tensor {name} is int64[")
    refused(changed(lambda tensor: np.concatenate([tensor, tensor])), "is damaged", "the tensor ", " and should be ")
    if name in ("replay.reward", "bandit.comparisons", "bandit.wins"):
        for value in (np.nan, np.inf):
            refused(changed(with_last(value)), "is damaged", f"the tensor {name} holds values that are not finite")
    else:
        least = {"replay.proposer": LEAST_PROPOSER, "replay.outcome": min(TrialOutcome)}.get(name, 0)
        for value in (least - 1, 99):
            refused(
                changed(with_last(value)), "is damaged", f"the tensor {name} holds values that are not from {least} to "
            )
    if name.startswith("bandit"):
        refused(changed(with_last(-0.5)), "is damaged", f"the tensor {name} holds values below 0")
    without_it = rewrite(fast_file, tmp_path / "agent", lambda _, __, tensors: tensors.pop(name))
    refused(without_it, "is damaged", f"the tensor {name} is missing")


@pytest.mark.parametrize("part", ["replay.", "bandit.", "warm_start."])
def test_what_is_kept_on_the_host_can_not_be_left_out(tmp_path: Path, fast_file: Path, part: str) -> None:
    def drop(_: object, __: object, tensors: Tensors) -> None:
        for name in [name for name in tensors if name.startswith(part)]:
            del tensors[name]

    refused(rewrite(fast_file, tmp_path / "agent", drop), "is damaged")


@pytest.mark.parametrize("name", ["count", "action_indices", "outcome", "reward", "known", "numbers"])
def test_what_is_archived_is_checked(tmp_path: Path, fast_file: Path, name: str) -> None:
    """A part of an archive that is missing, longer, of another type, or has values that cannot be."""
    full = f"archive.{name}"

    def spoiled(change: Callable[[Tensors], object]) -> Path:
        return rewrite(fast_file, tmp_path / "agent", lambda _, __, tensors: change(tensors))

    refused(spoiled(lambda tensors: tensors.pop(full)), "is damaged", f"the tensor {full} is missing")
    if name not in ("known", "numbers"):
        refused(spoiled(lambda t: t.update({full: np.concatenate([t[full]] * 2)})), "is damaged", full)
    refused(spoiled(lambda tensors: tensors.update({full: np.ones(3, np.float16)})), "is damaged", "archive.")
    for value in (-9, 10**6):
        if name in ("count", "action_indices", "outcome"):
            refused(spoiled(lambda t: t.update({full: np.full_like(t[full], value)})), "is damaged", full)  # noqa: B023
    refused(
        spoiled(
            lambda t: t.update({"archive.known": np.array([5, 5]), "archive.numbers": np.zeros(2)}),
        ),
        "is damaged",
        "archive.known does not hold positions in ascending order",
    )


def test_a_bandit_of_one_policy_is_refused(tmp_path: Path, fast_file: Path) -> None:
    def halve(_: object, __: object, tensors: Tensors) -> None:
        for name in [name for name in tensors if name.startswith(("policy.", "optimizer"))]:
            tensors[name] = tensors[name][:1].copy()

    path = rewrite(fast_file, tmp_path / "agent", halve)
    refused(path, "is damaged", "the tensor policy.state is float32[1, ", " and should be float32[2, ")


@pytest.mark.thorough
@pytest.mark.parametrize("config", [CONFIG, LSTM, FAST], ids=["transformer", "lstm", "fast"])
def test_replicas_go_on_to_the_bit_and_are_no_agent(tmp_path: Path, config: TrainingConfig) -> None:
    def after(learner: Learner, trials: int) -> Learner:
        for trial in range(trials):
            learner, (problem, rollout, proposer) = propose(learner)
            reward = np.array([0.5, -1.0, 2.0]) + trial + rollout.action_indices[:, 1]
            learner = learn(learner, problem, rollout.trajectory, reward, proposer)
        return learner

    learner = after(transfer(after(new_learner(PROBLEMS, config, 7, replicas=3), 4), NEXT_PROBLEMS), 3)
    path = write_snapshot(tmp_path / "replicas", Snapshot(learner, "replicas", 0, (), ()))
    found = read_snapshot(path).learner
    assert found.replicas == 3 and found.provenance == learner.provenance
    ends = [after(each, 3) for each in (learner, found)]
    for pair in ((learner, found), ends):
        assert same_bits(*(network(each) for each in pair))
        assert same_bits(*(host(each) for each in pair))
    with pytest.raises(CheckpointError, match="replicas holds the 3 replicas of an experiment, not an agent"):
        Agent.load(path)
    alone = write_snapshot(tmp_path / "alone", Snapshot(select(learner, 2), "agent", 0, (), ()))
    agent = Agent.load(alone)
    last = slice(2 * learner.policies, None)
    assert same_bits(network(agent.learner), [leaf[last] for leaf in network(learner)])
    assert same_bits(host(agent.learner), [array[2:] for array in host(learner)])
    assert agent.provenance == tuple((past.space, past.task, past.trials[2]) for past in learner.provenance)


@pytest.mark.parametrize("name", ["policy.state", "policy.encoder.hidden", "optimizer[0].mu", "trials", "queue.reward"])
def test_a_tensor_of_fewer_replicas_is_named(tmp_path: Path, name: str) -> None:
    learner = new_learner(PROBLEMS, CONFIG, 7, replicas=3)
    source = write_snapshot(tmp_path / "replicas", Snapshot(learner, "replicas", 0, (), ()))

    def drop(_: object, __: object, tensors: Tensors) -> None:
        tensors[name] = tensors[name][:2].copy()

    refused(rewrite(source, tmp_path / "agent", drop), "is damaged", f"the tensor {name} is ", " and should be ")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", TENSORS[:-1])
def test_a_tensor_that_is_not_finite_is_named(tmp_path: Path, saved: Path, name: str, value: float) -> None:
    def spoil(_: object, __: object, tensors: Tensors) -> None:
        tensors[name] = tensors[name].copy()
        tensors[name].flat[-1] = value

    path = rewrite(saved, tmp_path / "agent", spoil)
    refused(path, "is damaged", f"the tensor {name} holds values that are not finite")


@pytest.mark.parametrize("value", [-1, 99])
@pytest.mark.parametrize("name", ["filled", "trials.task", "trials.decisions", "trials.actions", "trials.length"])
def test_a_queue_that_holds_no_trials_is_named(tmp_path: Path, saved: Path, name: str, value: int) -> None:
    def spoil(_: object, __: object, tensors: Tensors) -> None:
        tensors[f"queue.{name}"].flat[0] = value

    path = rewrite(saved, tmp_path / "agent", spoil)
    refused(path, "is damaged", f"the tensor queue.{name} holds values that are not from 0 to ")


def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    agent = Agent(PROBLEMS, CONFIG)
    path = agent.save(tmp_path / "agent")
    before, trial_stats = path.read_bytes(), agent.learner.trial_stats
    broken = dataclasses.replace(trial_stats, baseline=np.full_like(trial_stats.baseline, np.nan))
    agent._now = agent._now._replace(knowledge=dataclasses.replace(agent.learner, trial_stats=broken))
    with pytest.raises(ValueError, match="the tensor baseline holds values that are not finite"):
        agent.save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


# For every field of the header first a value of a wrong type, then what fits nothing.
WRONG: dict[str, tuple[object, ...]] = {
    "name": (7,),
    "asked": ("three", -1),
    "open_trials": (
        7,
        [{"number": 0}],
        [{"number": 0, "row": 9, "config": {"kind": "skip"}}],
        [{"number": 0, "row": 0, "config": {"kind": "skip", "act": "relu"}}],
    ),
    "restricted": (["left"], [9]),
    "keyed": (["left"], [9]),
    "config": (
        ["queue"],
        {"queue": {}},
        {"lairs": 2},
        {"network": "rnn"},
        to_json(CONFIG) | {"queue": {"size": "two"}},
    ),
    "seed": ("three", -1),
    "sampled": ("three", -1),
    "learned": ("three", -1),
    "acceptance": ("three", 7.0),
    "failed": (
        7,
        [[]],
        [[[9, {"kind": "skip"}]]],
        [[[0, {"kind": "skip", "act": "relu"}]]],
        [[[0, {"kind": "skip"}]]] * (MOST_FAILED + 1),
    ),
    "states": (7, ["<S>", "kind"]),
    "actions": (7, [["kind", "conv"]]),
    "tasks": (7, ["one"]),
    "known": ("three", [1]),
    "capacity": (7, [8, 32]),
    "spaces": (7, [{"name": "left"}]),
    "problems": (7, [["left"]], [["elsewhere", "one"]]),
    "past": (7, [["left"]]),
    "min_shapes": (7, [1, 1, 3], [1] * 11, [0] * 10),
    "processed": (7, {"study": 3}, {"study": [1, []]}, {"study": [-1, [], ""]}, {"study": [1, ["two"], ""]}),
    "archive": (
        7,
        {"choices": [[{"name": "kind", "actions": ["skip"]}]], "problems": [["left", "one", 1, 1]]},
        {"choices": [[{"name": "kind", "actions": ["skip"]}]], "problems": [["left", "one", 0, 10**9]]},
        {"choices": [[{"name": "kind", "actions": []}]], "problems": []},
        {"choices": [], "problems": [], "trials": 10**9},
        {"choices": [[{"name": "kind", "actions": [1]}] * 2], "problems": [["left", "one", 0, 1]]},
    ),
}
CASES = [(field, value) for field, values in WRONG.items() for value in values]


@pytest.mark.parametrize(("field", "value"), CASES, ids=[f"{field}={value}"[:40] for field, value in CASES])
def test_a_wrong_field_is_named(tmp_path: Path, saved: Path, field: str, value: object) -> None:
    path = rewrite(saved, tmp_path / "agent", lambda _, header, __: header.update({field: value}))
    with unchecked(), pytest.raises(CheckpointError, match=rf"{re.escape(str(path))} is damaged: .*\b{field}\b"):
        Agent.load(path)


def agent_text(text: str) -> ChangeFn:
    return lambda metadata, _, __: metadata.update(agent=text)


@pytest.mark.thorough
def test_a_damaged_header_never_ends_in_another_error(tmp_path: Path) -> None:
    agent, rng, refusals = with_open_trials(), np.random.default_rng(0), 0
    agent._name = "0" * 32  # the test is to be the same each time
    source = agent.save(tmp_path / "source")
    with safetensors.safe_open(source, framework="numpy") as file:
        text = file.metadata()["agent"]
    for at in range(0, len(text), 7):
        flipped = chr(ord(text[at]) ^ (1 << int(rng.integers(7))))
        changed = text[:at] + flipped + text[at + 1 :]
        path = rewrite(source, tmp_path / "agent", agent_text(changed))
        with unchecked():
            try:
                Agent.load(path)
            except CheckpointError:
                refusals += 1
    assert refusals > len(text) / 7 * 0.9


def without(field: str) -> ChangeFn:
    return lambda _, header, __: header.pop(field)


def test_every_field_is_needed(tmp_path: Path, saved: Path) -> None:
    fields: list[str] = []
    rewrite(saved, tmp_path / "whole", lambda _, header, __: fields.extend(header))
    assert set(fields) == {*WRONG, "notes"}  # which may be anything
    for field in fields:
        path = rewrite(saved, tmp_path / field, without(field))
        refused(path, f"is damaged: its header lacks the field '{field}'")


def test_a_header_that_is_no_json_is_refused(tmp_path: Path, saved: Path) -> None:
    for text in ("{", "[]", "5", "null"):
        refused(rewrite(saved, tmp_path / "agent", agent_text(text)), "is damaged: its header cannot be read")
    with safetensors.safe_open(saved, framework="numpy") as file:
        metadata = file.metadata()
    del metadata["agent"]
    safetensors.numpy.save_file(safetensors.numpy.load_file(saved), tmp_path / "none", metadata)
    refused(tmp_path / "none", "its header lacks the field 'agent'")


def test_a_flipped_bit_is_found(tmp_path: Path, saved: Path) -> None:
    def flip(_: object, __: object, tensors: Tensors) -> None:
        tensors["policy.state"] = tensors["policy.state"].copy()
        tensors["policy.state"].view(np.uint32).flat[3] ^= 1

    def count(_: object, header: dict[str, object], __: object) -> None:
        header["sampled"] = 10**6

    for change in (flip, count):
        refused(rewrite(saved, tmp_path / "agent", change), "is damaged: its checksum does not match its content")


NEEDS_VALID = r"\('right', 'two'\) was saved with a function `valid`.*Agent.load\(path, problems=\[Problem\("


def test_valid_has_to_be_given_again(tmp_path: Path, restricted_file: Path) -> None:
    loaded = Agent.load(restricted_file)
    again = Agent.load(loaded.save(tmp_path / "again"), problems=[ONE])  # what is needed is not forgotten
    for agent in (loaded, again):
        with pytest.raises(ValueError, match=NEEDS_VALID):
            agent.ask()
    numbers = [trial.number for trial in loaded.open_trials]
    assert len(numbers) == 3
    for trial in loaded.open_trials:
        loaded.tell(trial, 1.0)  # what is evaluated is welcome
    assert not loaded.open_trials
    given = Agent.load(tmp_path / "again", problems=RESTRICTED[1:])
    assert {config["depth"] for _, problem, config in play(given, 40) if problem.task == "two"} <= {1, 2}
    assert given.problems == RESTRICTED


def test_an_agent_without_its_valid_can_be_transferred(restricted_file: Path) -> None:
    loaded = Agent.load(restricted_file)
    assert [number for number, *_ in play(loaded.transfer_to(NEXT_PROBLEMS), 3)] == [0, 1, 2]
    known = loaded.transfer_to(RESTRICTED)
    assert {config["depth"] for _, problem, config in play(known, 20) if problem.task == "two"} <= {1, 2}


def test_problems_given_must_be_the_agents(saved: Path) -> None:
    changed = SearchSpace("right", [Choice("depth", (1, 2, 3, 5)), *RIGHT.choices[1:2]])
    with pytest.raises(ValueError, match='search space "right" is not as it was.*use transfer_to'):
        Agent.load(saved, [Problem(changed, "two")])
    with pytest.raises(ValueError, match=r"\('next', 'one'\) is not a problem of this search"):
        Agent.load(saved, NEXT_PROBLEMS)


@pytest.mark.thorough
@quick
@given(data=st.data(), before=problems(), after=problems(), seed=st.integers(0, 2**70), asked=st.integers(1, 2**40))
def test_any_snapshot_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    before: tuple[Problem, ...],
    after: tuple[Problem, ...],
    seed: int,
    asked: int,
) -> None:
    with unchecked():
        learner = transfer(new_learner(before, data.draw(st.sampled_from((CONFIG, FAST))), seed), after)
        row = data.draw(st.integers(0, len(after) - 1))
        number, proposer = data.draw(st.integers(0, asked - 1)), data.draw(st.integers(0, 2))
        trial = SavedTrial(number, row, data.draw(configs(after[row].space)), proposer)
        snapshot = Snapshot(learner, "name", asked, (trial,), (row,), keyed=(row,))
        found = read_snapshot(write_snapshot(tmp_path_factory.getbasetemp() / "snapshot", snapshot))
    for name in ("name", "asked", "restricted", "open_trials", "keyed"):
        # As text, in which `True`, `1` and `1.0` differ.
        assert repr(getattr(found, name)) == repr(getattr(snapshot, name))
    for name in ("config", "seed", "vocabulary", "known", "past", "sampled", "learned", "acceptance"):
        assert repr(getattr(found.learner, name)) == repr(getattr(learner, name))
    spaces = [[problem.space.choices for problem in each.encoding.problems] for each in (found.learner, learner)]
    assert repr(spaces[0]) == repr(spaces[1])
    arrays = [jax.tree.leaves((each.state, each.tables)) for each in (found.learner, learner)]
    assert same_bits(*(list(map(np.asarray, each)) for each in arrays))
    assert same_bits(host(found.learner), host(learner))
