"""Long experiments: what is on disk after an interrupt goes on as if there had been none."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from transfernas import CheckpointError, Choice, Problem, RegularizedEvolution, SearchSpace, TrainingConfig
from transfernas.learning.learner import new_learner
from transfernas.learning.randomness import Purpose, generator
from transfernas_bench.benchmarks.tabular import ProductIndex, Table, TabularProblem
from transfernas_bench.experiments import run_directory as stages_module
from transfernas_bench.experiments.run_directory import RunDirectory
from transfernas_bench.experiments.runner import AgentReplicas, Replicas, SearcherReplicas, Timed, search
from transfernas_bench.experiments.trace import Trace, TraceRecorder

SPACE = SearchSpace("s", [Choice("a", (0, 1, 2)), Choice("b", (0, 1))])
TASK = TabularProblem(
    Problem(SPACE, "t", valid=lambda config: config != {"a": 0, "b": 0}),
    ProductIndex(SPACE, ((0, 2, 4), (0, 1))),
    Table.of([[value - 0.05, value + 0.05] for value in (0.1, 0.5, 0.2, 0.6, 0.3, 0.4)]),
)


class Rule(TabularProblem):
    """The same with its rule in batches."""

    def valid(self, action_indices: np.ndarray) -> np.ndarray:
        return np.asarray(action_indices.any(axis=1))


RULED = Rule(TASK.problem, TASK.index, TASK.table)


def agents(batched: bool = False) -> Replicas:
    learner = new_learner((TASK.problem,), TrainingConfig.paper(), seed=1, replicas=3)
    return AgentReplicas(learner, (RULED,) if batched else ())


def evolution() -> Replicas:
    return SearcherReplicas([RegularizedEvolution([TASK.problem], 4, 2, seed) for seed in range(3)])


def assert_same(left: Trace, right: Trace) -> None:
    for name, value in dataclasses.asdict(left).items():
        np.testing.assert_array_equal(value, getattr(right, name), err_msg=name)


def interrupt_at(trial: int) -> Callable[[int, float], None]:
    def progress(done: int, best: float) -> None:
        if done == trial:
            signal.raise_signal(signal.SIGINT)

    return progress


@pytest.mark.parametrize("make", [agents, evolution])
@pytest.mark.thorough
def test_a_resumed_search_is_the_search_without_an_interrupt(make: Callable[[], Replicas], tmp_path: Path) -> None:
    whole = search(make(), [TASK], 12, seed=7)
    for trial in (3, 8):
        run_directory = RunDirectory(tmp_path, {"seed": 7}, resume=True)
        with run_directory.at_work():
            trace = run_directory.search("x", make(), [TASK], 12, 7, interrupt_at(trial))
        assert run_directory.interrupted and trace.interrupted and trace.trials == trial
        assert [path.name for path in tmp_path.glob("x*")] == [f"x.{trial}"]
        np.testing.assert_array_equal(trace.reward, whole.reward[:, :trial])
    replicas = make()
    assert_same(
        RunDirectory(tmp_path, {"seed": 7}, resume=True).search("x", replicas, [TASK], 12, 7, lambda d, b: None), whole
    )

    seen: list[tuple[int, float]] = []  # finished: nothing is searched again
    again = RunDirectory(tmp_path, {"seed": 7}, resume=True).search(
        "x", make(), [TASK], 12, 7, lambda *told: seen.append(told)
    )
    assert_same(again, whole)
    assert [done for done, _ in seen] == [12] and seen[0][1] == pytest.approx(whole.values[:, -1].mean())


@pytest.mark.thorough
def test_an_agents_learner_is_there_after_a_finished_stage(tmp_path: Path) -> None:
    first, second = agents(), agents()
    for replicas in (first, second):
        RunDirectory(tmp_path, {}, resume=True).search("joint", replicas, [TASK], 5, 0, lambda done, best: None)
    assert isinstance(first, AgentReplicas) and isinstance(second, AgentReplicas)
    for name in ("task", "action"):
        left, right = (np.asarray(getattr(r.learner.state.policy, name)) for r in (first, second))
        np.testing.assert_array_equal(left, right)
    assert second.learner.encoding.problems[0].valid is TASK.problem.valid and second.learner.sampled == 5


@pytest.mark.thorough
def test_a_stage_is_kept_every_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What dies without a Ctrl-C loses what came after the last time."""
    monkeypatch.setattr(stages_module, "KEEP_EVERY_SECONDS", 0.0)

    def die(done: int, best: float) -> None:
        if done == 6:
            raise MemoryError

    with pytest.raises(MemoryError):
        RunDirectory(tmp_path, {}, resume=False).search("x", agents(), [TASK], 12, 7, die)
    assert [path.name for path in tmp_path.glob("x*")] == ["x.5"]
    resumed = RunDirectory(tmp_path, {}, resume=True).search("x", agents(), [TASK], 12, 7, lambda done, best: None)
    assert_same(resumed, search(agents(), [TASK], 12, seed=7))


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    run_directory = RunDirectory(tmp_path, {}, resume=False)

    def twice(done: int, best: float) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with run_directory.at_work():
        trace = run_directory.search("x", evolution(), [TASK], 12, 7, twice)
    assert trace.interrupted and not list(tmp_path.glob("x*"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("step", ["ask", "tell"])
def test_a_trial_that_was_cut_off_has_no_time(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    replicas, calls = evolution(), list[int]()
    whole = getattr(replicas, step)

    def cut(*arguments: object) -> object:
        calls.append(len(calls))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(replicas, step, cut)
    timed = Timed(replicas)
    trace = search(timed, [TASK], 12, 7)
    assert trace.interrupted and trace.trials == len(timed.seconds) == 3


def test_a_folder_is_not_mixed_up(tmp_path: Path) -> None:
    RunDirectory(tmp_path, {"seed": 0, "trials": 12}, resume=False)
    with pytest.raises(FileExistsError, match="add --resume to continue them, choose another --out"):
        RunDirectory(tmp_path, {"seed": 0, "trials": 12}, resume=False)
    with pytest.raises(ValueError, match=r"holds a run with trials 12, which cannot continue with 13"):
        RunDirectory(tmp_path, {"seed": 0, "trials": 13}, resume=True)
    (tmp_path / ".x.abc.part").mkdir()
    with RunDirectory(tmp_path, {"seed": 0, "trials": 12}, resume=True).at_work():
        other = RunDirectory(tmp_path, {"seed": 0, "trials": 12}, resume=True)
        with pytest.raises(BlockingIOError, match="another process is at work"), other.at_work():
            pass
    assert sorted(os.listdir(tmp_path)) == [".lock", "settings.json"]


def test_settings_are_compared_one_by_one(tmp_path: Path) -> None:
    RunDirectory(tmp_path, {"config": {"heads": 1, "layers": 2}}, resume=False)
    with pytest.raises(ValueError, match=r"holds a run with config.heads 1, which cannot continue with 3"):
        RunDirectory(tmp_path, {"config": {"heads": 3, "layers": 2}}, resume=True)


@pytest.mark.thorough
def test_agents_of_other_hyperparameters_are_not_resumed(tmp_path: Path) -> None:
    run_directory = RunDirectory(tmp_path, {}, resume=False)
    run_directory.search("x", agents(), [TASK], 3, 7, lambda done, best: None)
    other = AgentReplicas(
        new_learner(
            (TASK.problem,), TrainingConfig.paper().with_changes({"rule.learning_rate": 0.1}), seed=1, replicas=3
        )
    )
    with pytest.raises(ValueError, match="holds agents with another config"):
        run_directory.search("x", other, [TASK], 5, 7, lambda done, best: None)


def test_a_stage_is_not_taken_for_another_of_a_like_name(tmp_path: Path) -> None:
    run_directory = RunDirectory(tmp_path, {}, resume=False)
    for name in ("x [1]", "x [1].5"):
        run_directory.search(name, evolution(), [TASK], 3, 7, lambda done, best: None)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["x [1].3", "x [1].5.3"]
    assert run_directory.search("x [1]", evolution(), [TASK], 4, 7, lambda done, best: None).trials == 4


def test_a_changed_search_does_not_go_on(tmp_path: Path) -> None:
    run_directory = RunDirectory(tmp_path, {}, resume=False)
    with run_directory.at_work():
        run_directory.search("x", evolution(), [TASK], 12, 7, interrupt_at(6))
    other = SearcherReplicas([RegularizedEvolution([TASK.problem], 4, 2, seed) for seed in range(5, 8)])
    with pytest.raises(ValueError, match=r"trial 1 in .* is not the proposal of this search"):
        RunDirectory(tmp_path, {}, resume=True).search("x", other, [TASK], 12, 7, lambda done, best: None)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    for trials in (0, 5):
        trace = search(evolution(), [TASK], trials, seed=3)
        trace.write(tmp_path / "record.npz")
        assert_same(Trace.read(tmp_path / "record.npz"), trace)
        assert trace.trials == trials and trace.incumbents.shape[:2] == trace.values.shape


def test_the_noise_goes_on_where_a_record_ended() -> None:
    rng, again = generator(0, Purpose.REWARD), generator(1, Purpose.REWARD)
    recorder = TraceRecorder(1, rng)
    rng.integers(10, size=7)
    one = (np.zeros(1, np.int32), np.zeros((1, 1), np.int32), np.zeros(1), np.zeros(1))
    recorder.add(*one)
    TraceRecorder(1, again, recorder.trace())
    np.testing.assert_array_equal(rng.random(5), again.random(5))


def test_a_rule_in_batches_gives_the_same_trials() -> None:
    one_by_one, batched = (search(agents(which), [RULED], 10, seed=2) for which in (False, True))
    assert_same(one_by_one, batched)
    assert batched.action_indices.any(axis=2).all()


def killed_at(step: str, folder: Path) -> None:
    """Begins a run in a process that is killed at a step."""
    code = f"""if True:
        import os, shutil, signal
        from pathlib import Path
        from transfernas_bench.experiments import run_directory
        def killed(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
        {step} = killed
        with run_directory.RunDirectory(Path({str(folder)!r}), {{"seed": 7}}, resume=True).at_work():
            pass
    """
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGKILL


@pytest.mark.thorough
@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
def test_a_run_goes_on_after_a_kill_while_it_began(tmp_path: Path, step: str) -> None:
    killed_at(step, tmp_path)
    assert len(list(tmp_path.glob(".settings.json.*.part"))) == 1
    with RunDirectory(tmp_path, {"seed": 7}, resume=True).at_work():
        assert sorted(os.listdir(tmp_path)) == [".lock", "settings.json"]


@pytest.mark.parametrize("name", ["record.write", "replicas.save", "Path.rename", "shutil.rmtree"])
def test_a_stage_goes_on_after_a_kill_while_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What a kill leaves is what an error leaves that nobody catches: nothing is tidied up."""
    whole = search(evolution(), [TASK], 12, seed=7)
    with RunDirectory(tmp_path, {}, resume=False).at_work():
        pass

    def killed(*_: object, **__: object) -> None:
        raise MemoryError

    for trial in (3, 5, 8):
        run_directory, replicas = RunDirectory(tmp_path, {}, resume=True), evolution()
        step = {"record": (Trace, "write"), "replicas": (replicas, "save"), "Path": (Path, "rename")}
        where, what = step.get(name.split(".")[0], (shutil, "rmtree"))
        with run_directory.at_work(), monkeypatch.context() as patch:
            patch.setattr(where, what, killed)
            if name == "shutil.rmtree" and trial == 3:
                run_directory.search(
                    "x", replicas, [TASK], 12, 7, interrupt_at(trial)
                )  # there is nothing to remove yet
            else:
                with pytest.raises(MemoryError):
                    run_directory.search("x", replicas, [TASK], 12, 7, interrupt_at(trial))
    run_directory = RunDirectory(tmp_path, {}, resume=True)
    with run_directory.at_work():
        assert not list(tmp_path.glob(".*.part"))
        assert_same(run_directory.search("x", evolution(), [TASK], 12, 7, lambda done, best: None), whole)
    assert sorted(os.listdir(tmp_path)) == [".lock", "settings.json", "x.12"]


def test_a_file_of_a_killed_writer_does_not_keep_others_out(tmp_path: Path) -> None:
    RunDirectory(tmp_path, {}, resume=False)
    (tmp_path / ".settings.json.abc.part").write_bytes(b"{")
    with RunDirectory(tmp_path, {}, resume=True).at_work():
        assert sorted(os.listdir(tmp_path)) == [".lock", "settings.json"]


def test_two_runs_do_not_begin_in_one_folder(tmp_path: Path) -> None:
    first = RunDirectory(tmp_path / "first", {"seed": 0}, resume=False)
    with first.at_work():
        (tmp_path / "first" / "settings.json").rename(tmp_path / "aside")  # as before it was written
        with pytest.raises(BlockingIOError, match="another process is at work"):
            RunDirectory(tmp_path / "first", {"seed": 1}, resume=False)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000, b'{"seed": 1' + b"0" * 5_000])
def test_damaged_settings_are_named(tmp_path: Path, content: bytes) -> None:
    RunDirectory(tmp_path, {"seed": 1}, resume=False)
    (tmp_path / "settings.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"settings.json is damaged: .*; remove {tmp_path} to start the run afr"):
        RunDirectory(tmp_path, {"seed": 1}, resume=True)
    with pytest.raises(CheckpointError, match="settings.json is damaged"):
        RunDirectory(tmp_path / "other", {"seed": 1}, resume=False).adopt(tmp_path, ["x"], ["seed"])
