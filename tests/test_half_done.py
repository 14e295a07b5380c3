"""Nothing is half done: after an interrupt at any line, in copies made while threads work, in what threads read."""

import copy
import hashlib
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import transfernas
from agents import HISTORY, NEXT_PROBLEMS, leaves
from searchers import FAST, PROBLEMS, NewFn, play, reward
from transfernas import Agent, RandomSearch, Searcher
from transfernas.learning import open_trial, replay
from transfernas_bench.optuna_searcher import OptunaSearcher

PACKAGE = str(Path(transfernas.__file__).parent)
Line = tuple[str, int]
CallFn = Callable[[Any], Any]  # of a searcher


@contextmanager
def traced(at: Line | None = None) -> Iterator[set[Line]]:
    """Collects the lines of the library that run, or interrupts it at one of them, the first time."""
    seen = set[Line]()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE):
            return None
        line = name, frame.f_lineno
        if event == "line" and line not in seen:
            seen.add(line)
            if line == at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield seen
    finally:
        sys.settrace(before)


def standing(searcher: Searcher) -> tuple[object, ...]:
    """All that may differ between a searcher before and after a call."""
    found = [(trial.number, trial.problem.name, tuple(trial.config.items())) for trial in searcher.open_trials]
    if not isinstance(searcher, Agent):
        return searcher._asked, found, repr(searcher._now.knowledge)
    learner, replay = searcher.learner, searcher.learner.replay
    digest = hashlib.sha256()
    for leaf in (*leaves(searcher), replay.scores.reward[:, : replay.count], replay.fingerprint[:, : replay.count]):
        digest.update(leaf.tobytes())
    return searcher._asked, found, learner.sampled, learner.learned, replay.count, digest.hexdigest()


def ask(searcher: Any) -> None:
    searcher.ask()


def tell(searcher: Any) -> None:
    trial = searcher.open_trials[1]
    searcher.tell(trial, reward(trial))


def fail(searcher: Any) -> None:
    searcher.tell(searcher.open_trials[0], failed=True)


def all_or_nothing(searcher: Searcher, call: CallFn, every: int = 1) -> int:
    """Interrupts a call at its lines; returns how often that found nothing done. The searcher stays as it was."""
    start, before = searcher._now, standing(searcher)
    with traced() as lines:
        call(searcher)
    after, undone = standing(searcher), 0
    assert len(lines) > 5
    for line in sorted(lines)[::every]:
        searcher._now = start
        with suppress(KeyboardInterrupt), traced(line):
            call(searcher)
        found = standing(searcher)
        assert found in (before, after), line
        if found == before != after:
            undone += 1
            if undone % 5 == 0:  # it goes on as if nothing had been
                call(searcher)
                assert standing(searcher) == after, line
    searcher._now = start
    return undone


@pytest.mark.thorough
@pytest.mark.parametrize("call", [ask, tell, fail], ids=["ask", "tell", "fail"])
def test_an_interrupt_at_any_line_finds_all_or_nothing(new: NewFn, call: CallFn) -> None:  # noqa: F811
    searcher = new(PROBLEMS, seed=1)
    if isinstance(searcher, OptunaSearcher):
        pytest.skip("its studies are Optuna's, and are changed in place")
    play(searcher, 6)
    searcher.ask(3)
    assert all_or_nothing(searcher, call) > 5


def test_an_interrupt_between_optunas_study_and_ours_tells_no_trial_twice() -> None:
    searcher = OptunaSearcher(PROBLEMS, seed=1)
    play(searcher, 3)
    searcher.ask(3)
    content = pickle.dumps(searcher)
    with traced() as lines:
        tell(pickle.loads(content))
    for line in sorted(lines):
        again = pickle.loads(content)
        with suppress(KeyboardInterrupt), traced(line):
            tell(again)
        if len(again.open_trials) == 3:
            tell(again)
        assert [trial.number for trial in again.open_trials] == [3, 5]
        told = [trial for study in again._studies.values() for trial in study.trials if trial.state.is_finished()]
        assert len(told) == 4


@pytest.mark.thorough
def test_an_interrupt_of_what_else_an_agent_does() -> None:
    searcher = Agent(PROBLEMS, FAST, seed=1)
    play(searcher, 6)
    searcher.ask(3)
    assert all_or_nothing(searcher, lambda agent: agent.learn_from(HISTORY), 2) > 5
    assert all_or_nothing(searcher, lambda agent: agent.transfer_to(NEXT_PROBLEMS), 20) == 0
    assert all_or_nothing(searcher, lambda agent: agent.top(PROBLEMS[0]), 5) == 0


@pytest.mark.thorough
def test_an_interrupt_while_a_file_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    searcher = Agent(PROBLEMS, FAST, seed=1)
    play(searcher, 4)
    path = searcher.save(tmp_path / "agent")
    old = path.read_bytes()
    play(searcher, 2)
    with traced() as lines:
        searcher.save(tmp_path / "other")
    whole, before = (tmp_path / "other").read_bytes(), standing(searcher)
    for line in sorted(lines)[::3]:
        path.write_bytes(old)
        with suppress(KeyboardInterrupt), traced(line):
            searcher.save(path)
        assert len(path.read_bytes()) in (len(old), len(whole)), line
        assert Agent.load(path).learner.learned in (4, 6) and standing(searcher) == before


@contextmanager
def working(searcher: Searcher) -> Iterator[None]:
    """Three threads ask and tell until the block ends, however fast they and the block are."""
    done, broken = threading.Event(), []

    def work() -> None:
        try:
            while not done.is_set():
                first, second = searcher.ask(2)
                searcher.tell(second, reward(second))
                searcher.tell(first, reward(first))
        except BaseException as error:
            broken.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not broken and not searcher.open_trials


@pytest.mark.thorough
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))], ids=["copy", "pickle"])
@pytest.mark.parametrize("kind", [RandomSearch, lambda problems: Agent(problems, FAST)], ids=["random", "agent"])
def test_copies_made_while_threads_work_are_whole(kind: Any, duplicate: Callable[[Any], Any]) -> None:
    searcher = kind(PROBLEMS)
    play(searcher, 2)
    with working(searcher):
        copies = [duplicate(searcher) for _ in range(20)]
    for each in copies:
        opened = each.open_trials
        if isinstance(each, Agent):
            learner = each.learner
            assert each._asked == learner.learned + len(opened) == learner.sampled
            assert learner.replay.count == learner.learned == learner.trial_stats.trials.sum()
        for trial in opened:
            each.tell(trial, 1.0)
        assert each.ask().number == each._asked - 1


def test_open_trials_are_read_while_threads_work() -> None:
    searcher = RandomSearch(PROBLEMS)
    with working(searcher):
        for _ in range(200):
            numbers = [trial.number for trial in searcher.open_trials]
            assert numbers == sorted(set(numbers)) and len(numbers) <= 6


def test_reading_open_trials_waits_for_nobody() -> None:
    """Another thread may hold the lock for long: it compiles, or a problem's `valid` takes its time."""
    searcher = RandomSearch(PROBLEMS)
    trial, holding, done = searcher.ask(), threading.Event(), threading.Event()

    def hold() -> None:
        with searcher._lock:
            holding.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    try:
        assert searcher.open_trials == (trial,)
    finally:
        done.set()
        thread.join()


def test_asking_encodes_no_open_trial_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    searcher, encoded = Agent(PROBLEMS, FAST), list[int]()
    searcher.ask(30)
    plain = replay.fingerprints

    def fingerprints(problem: np.ndarray, trials: Any) -> np.ndarray:
        encoded.append(len(problem))
        return plain(problem, trials)

    monkeypatch.setattr(open_trial, "fingerprints", fingerprints)
    asked = searcher.ask(5)
    assert encoded == [1] * 5
    loaded = pickle.loads(pickle.dumps(searcher))
    assert loaded.ask() == searcher.ask()
    assert len({(trial.problem.name, *trial.config.items()) for trial in asked}) == 5
