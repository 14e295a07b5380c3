"""One study in every storage: no trial is learned from twice, none left out, none half by an interrupt."""

import contextlib
import logging
import math
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from transfernas import Agent, ProposalConfig, TrainingConfig
from transfernas.integrations.optuna import TransferSampler, study_search
from transfernas.integrations.optuna import sampler as integration
from transfernas.integrations.optuna.record import expected_best_of_study, inside_domain
from transfernas.integrations.studies import learn_from_studies
from transfernas.spaces.domain import NumericDomain

pytestmark = pytest.mark.usefixtures("quiet")


def objective(trial: optuna.Trial) -> float:
    return (trial.suggest_float("x", 0, 1) - 0.3) ** 2 + trial.suggest_int("k", 1, 3)


def in_memory(_: Path) -> Iterator[BaseStorage]:
    yield InMemoryStorage()


def database(folder: Path) -> Iterator[BaseStorage]:
    yield RDBStorage(f"sqlite:///{folder / 'studies.db'}")


def cached_database(folder: Path) -> Iterator[BaseStorage]:
    yield optuna.storages.get_storage(f"sqlite:///{folder / 'cached.db'}")


def journal(folder: Path) -> Iterator[BaseStorage]:
    yield JournalStorage(JournalFileBackend(str(folder / "journal.log")))


@pytest.fixture(params=[in_memory, database, cached_database, journal])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorage]:
    """A storage of each kind."""
    yield from request.param(tmp_path)


def counted(agent: Agent) -> int:
    """How many trials the record of processed trials has."""
    return sum(agent.processed.count(record) for record in agent.processed)


def told(agent: Agent) -> int:
    """How many trials the agent learned from in all."""
    return sum(trials for _, _, trials in agent.provenance)


def assert_learned(agent: Agent, trials: int) -> None:
    assert told(agent) == counted(agent) == trials


@pytest.mark.thorough
def test_a_study_whose_first_trial_waits_is_one_study(storage: BaseStorage, tmp_path: Path) -> None:
    study = optuna.create_study(storage=storage, study_name="one")
    study.enqueue_trial({"x": 0.5})
    waiting = study.get_trials(deepcopy=False)[0]
    done = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    done.optimize(objective, n_trials=4)
    study.add_trials(done.trials)
    agent, report = learn_from_studies(None, [study])
    assert report.trials == 4 and waiting.datetime_start is None
    sampler = TransferSampler(agent, seed=0)
    study.sampler = sampler
    study.optimize(objective, n_trials=2)  # the first of them is the one that waited
    path = sampler.save(tmp_path / "agent.safetensors")
    assert_learned(Agent.load(path), 6)
    with pytest.raises(ValueError, match="nothing to learn from"):
        learn_from_studies(path, [study])


@pytest.mark.thorough
def test_a_study_that_is_made_again_under_its_name_is_another(storage: BaseStorage) -> None:
    sampler = TransferSampler(seed=0)
    for count in (5, 3, 7):
        study = optuna.create_study(storage=storage, study_name="one", sampler=sampler)
        study.optimize(objective, n_trials=count)
        assert_learned(sampler.agent, told(sampler.agent))
        optuna.delete_study(study_name="one", storage=storage)
    assert_learned(sampler.agent, 15)
    study = optuna.create_study(storage=storage, study_name="one", sampler=sampler, direction="maximize")
    study.optimize(objective, n_trials=6)
    assert_learned(sampler.agent, 21)
    assert sampler.agent.learner.learned == 6


@pytest.mark.thorough
def test_a_copy_is_no_news_and_goes_its_own_way(storage: BaseStorage, tmp_path: Path) -> None:
    sampler = TransferSampler(seed=0, task="one")
    study = optuna.create_study(storage=storage, study_name="one", sampler=sampler)
    study.optimize(objective, n_trials=6)
    elsewhere = RDBStorage(f"sqlite:///{tmp_path / 'copy.db'}")
    optuna.copy_study(from_study_name="one", from_storage=storage, to_storage=elsewhere)
    optuna.copy_study(from_study_name="one", from_storage=storage, to_storage=storage, to_study_name="renamed")
    path = sampler.save(tmp_path / "agent.safetensors")
    study.optimize(objective, n_trials=4)
    copies = [optuna.load_study(study_name="one", storage=elsewhere)]
    copies.append(optuna.load_study(study_name="renamed", storage=storage))
    for copy in copies:
        with pytest.raises(ValueError, match="nothing to learn from"):
            learn_from_studies(path, [copy])
        copy.sampler = TransferSampler(path, seed=1, task="one")
        copy.optimize(objective, n_trials=5)
        assert_learned(copy.sampler.agent, 11)
    agent, report = learn_from_studies(sampler.agent, [study, *copies])
    assert [each.before for each in report.studies] == [10, 6, 6]
    assert_learned(agent, 20)
    again, report = learn_from_studies(None, [*copies, study])
    assert [each.before for each in report.studies] == [0, 6, 6]
    assert_learned(again, 20)


@pytest.mark.thorough
def test_one_sampler_takes_a_study_and_its_copy_in_turns(tmp_path: Path) -> None:
    storages = [RDBStorage(f"sqlite:///{tmp_path / name}.db") for name in "ab"]
    sampler = TransferSampler(seed=0)
    optuna.create_study(storage=storages[0], study_name="one", sampler=sampler).optimize(objective, n_trials=4)
    optuna.copy_study(from_study_name="one", from_storage=storages[0], to_storage=storages[1])
    for _ in range(3):
        for storage in storages:
            optuna.load_study(study_name="one", storage=storage, sampler=sampler).optimize(objective, n_trials=2)
    assert counted(sampler.agent) == 16
    assert (
        sum(
            known.search.learner.learner.learned for known in sampler._searches.values() if known.search.learner.learner
        )
        == 16
    )


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")  # the proxy itself is one
def test_a_proxy_shows_a_study_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("grpc")
    import socket
    import threading

    from optuna.storages import GrpcStorageProxy, run_grpc_proxy_server

    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    behind = RDBStorage(f"sqlite:///{tmp_path / 'behind.db'}")
    thread = threading.Thread(target=run_grpc_proxy_server, args=(behind,), kwargs={"port": port}, daemon=True)
    thread.start()
    proxy = GrpcStorageProxy(port=port)
    proxy.wait_server_ready(timeout=60)
    sampler = TransferSampler(seed=0)
    for count in (4, 3):
        study = optuna.create_study(storage=proxy, study_name="one", sampler=sampler)
        study.optimize(objective, n_trials=count)
        last = study
        if count == 4:
            optuna.delete_study(study_name="one", storage=proxy)
    direct = optuna.load_study(study_name="one", storage=behind, sampler=sampler)
    direct.optimize(objective, n_trials=2)
    last.optimize(objective, n_trials=1)
    agent = sampler.agent
    assert counted(agent) == told(agent) == 3 + 6  # the last of the first study was deleted before anybody looked
    with pytest.raises(ValueError, match="nothing to learn from"):
        learn_from_studies(agent, [direct])
    proxy.close()


def test_a_study_without_a_name_is_searched() -> None:
    sampler = TransferSampler(seed=0)
    study = optuna.create_study(study_name="", storage=InMemoryStorage(), sampler=sampler)
    study.optimize(objective, n_trials=3)
    assert_learned(sampler.agent, 3)
    _, report = learn_from_studies(None, [study])
    assert report.studies[0].task == "unnamed study" == sampler.agent.problems[0].task


@pytest.mark.thorough
def test_searches_are_let_go_and_come_again_from_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integration, "_MOST_SEARCHES", 3)
    sampler = TransferSampler(seed=0)
    studies = [optuna.create_study(study_name=f"fold {number}", sampler=sampler) for number in range(6)]
    for study in (*studies, *studies[:2]):
        study.optimize(objective, n_trials=3)
        assert len(sampler._searches) <= 3
    agent = sampler.agent
    assert_learned(agent, 24)
    assert agent.learner.encoding.problems[0].task == "fold 1"


def test_a_storage_that_is_gone_stops_no_other_study(tmp_path: Path, heard: list[str]) -> None:
    class Gone(InMemoryStorage):
        gone = False

        def get_all_trials(self, *arguments: Any, **named: Any) -> list[optuna.trial.FrozenTrial]:
            if self.gone:
                raise ConnectionError("no answer")
            return super().get_all_trials(*arguments, **named)

    storage, sampler = Gone(), TransferSampler(seed=0)
    optuna.create_study(storage=storage, study_name="first", sampler=sampler).optimize(objective, n_trials=3)
    storage.gone = True
    optuna.create_study(study_name="second", sampler=sampler).optimize(objective, n_trials=3)
    assert_learned(sampler.agent, 5)
    assert any("study 'first' cannot be read" in text for text in heard)
    storage.gone = False
    assert counted(sampler.agent) == 6


class Interrupt:
    """Raises `KeyboardInterrupt` at one of the lines that the package runs."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, event: str, argument: object) -> "Interrupt | None":
        name = frame.f_code.co_filename
        # A trace can stop where a `with` ends, before its lock is free, as no signal does; the thread that compiles
        # would wait for that of the replay buffer for ever.
        if "transfernas" not in name or name.endswith(("compilation.py", "replay.py")):
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self


@contextlib.contextmanager
def interrupted(at: int) -> Iterator[Interrupt]:
    """Interrupts what is done inside, at a line of the package's."""
    interrupt, before = Interrupt(at), sys.gettrace()
    sys.settrace(interrupt)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield interrupt
    finally:
        sys.settrace(before)


def at_lines(do: Callable[[], object], check: Callable[[], None], count: int) -> int:
    """Interrupts something at so many of its lines, spread over all of them; returns how many lines there are."""
    with interrupted(sys.maxsize) as interrupt:
        do()
    check()
    lines = sys.maxsize - interrupt.left
    for line in np.linspace(1, lines, count).astype(int).tolist():
        with interrupted(line):
            do()
        check()
    return lines


@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_an_interrupt_at_any_line_leaves_history_and_record_together(count: int) -> None:
    sampler = TransferSampler(seed=0)
    study = optuna.create_study(study_name="one", sampler=sampler)
    study.optimize(objective, n_trials=3)
    random = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def catch_up() -> None:
        sampler._catch_up()

    def check() -> None:
        search = next(iter(sampler._searches.values()))
        learner, (processed, _) = search.search.learner.learner, sampler._processed
        assert learner is not None
        known = sum(processed.count(record) for record in processed)
        assert learner.learned == learner.replay.count == learner.trial_stats.trials[0, 0] == known
        assert search.search.state()["discovery"][0] == known
        catch_up()
        learner = next(iter(sampler._searches.values())).search.learner.learner
        assert learner is not None and learner.learned == len(study.trials)
        grown.append(len(study.trials))
        new = f"p{min(len(grown) // 8, 11)}"  # few names: each takes a compilation, and lines of the search
        random.optimize(lambda trial: objective(trial) + trial.suggest_int(new, 1, 4), n_trials=1)
        study.add_trial(random.trials[-1])

    grown: list[int] = []
    catch_up()
    check()
    lines = at_lines(catch_up, check, count)
    assert lines > 100
    assert_learned(sampler.agent, len(study.trials))


@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.slow)])
def test_an_interrupt_at_any_line_of_a_suggestion_harms_no_later_one(count: int) -> None:
    sampler = TransferSampler(seed=0)
    study = optuna.create_study(study_name="one", sampler=sampler)
    study.optimize(objective, n_trials=2)
    names = iter(range(1_000_000))

    def suggest() -> None:
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.suggest_int(f"k{min(next(names) // 10, 11)}", 1, 3)
        study.tell(trial, 1.0)

    def check() -> None:
        for trial in study.get_trials(deepcopy=False):
            if trial.state == TrialState.RUNNING:
                study.tell(trial.number, state=TrialState.FAIL)

    assert at_lines(suggest, check, count) > 300
    study.optimize(objective, n_trials=2)
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert sampler.agent.learner.learned == len(complete)
    assert counted(sampler.agent) == len(study.trials)


def test_a_pickled_sampler_has_learned_from_all_that_was_finished() -> None:
    study = optuna.create_study(study_name="one", sampler=TransferSampler(seed=0))
    study.optimize(objective, n_trials=6)
    copy = pickle.loads(pickle.dumps(study.sampler))
    assert_learned(copy.agent, 6)
    assert all(search.place.storage is None for search in copy._searches.values())
    study.sampler = copy
    study.optimize(objective, n_trials=2)
    assert_learned(copy.agent, 8)
    assert copy.agent.learner.learned == 8


@pytest.mark.thorough
@pytest.mark.parametrize("conditional", [False, True])
def test_many_old_trials_are_taken_in_together_and_none_is_lost(
    conditional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def searched(trial: optuna.Trial) -> float:
        extra = trial.suggest_float("y", 0, 1) if conditional and trial.suggest_int("k", 1, 3) == 2 else 0.0
        return (trial.suggest_float("x", 0, 1) - 0.3) ** 2 + extra

    monkeypatch.setattr(study_search, "_ONE_BY_ONE", 40)
    messages = list[str]()
    heard = logging.Handler(logging.INFO)
    heard.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("optuna.transfernas")  # as Optuna's own: it follows `optuna.logging.set_verbosity`
    monkeypatch.setattr(logger, "handlers", [heard])
    monkeypatch.setattr(logger, "level", logging.INFO)
    study = optuna.create_study(study_name="old", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(searched, n_trials=90)
    study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
    study.sampler = sampler = TransferSampler(seed=0)
    study.optimize(searched, n_trials=20)
    assert messages == [
        "Study 'old' goes on with 90 finished trials, 1 more failed: the sampler knows 0 of them, and learns from the "
        "others first."
    ]
    learner = sampler.agent.learner
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    rewards = [-trial.value for trial in complete if trial.value is not None]
    assert sorted(learner.replay.scores.reward[0, : learner.replay.count]) == sorted(rewards)
    assert learner.learned == learner.trial_stats.trials[0, 0] == 110 and counted(sampler.agent) == 111
    by_one = TransferSampler(sampler.agent, seed=0).agent.top()
    assert by_one[0].reward == max(rewards) and len({str(trial.config) for trial in by_one}) == len(by_one)
    assert np.median(rewards[-10:]) > np.median(rewards[:90])


@pytest.mark.thorough
@pytest.mark.parametrize("learned", [0, 12])
def test_a_study_that_is_loaded_has_an_expected_best(learned: int, tmp_path: Path) -> None:
    storage, before = f"sqlite:///{tmp_path / 'studies.db'}", TransferSampler(seed=0)
    study = optuna.create_study(study_name="one", storage=storage, sampler=before, direction="maximize")
    study.optimize(objective, n_trials=12)
    path = before.save(tmp_path / "agent.safetensors") if learned else None
    sampler = TransferSampler(path, seed=1)
    again = optuna.load_study(study_name="one", storage=storage, sampler=sampler)
    found, expected = sampler.expected_best(again), before.expected_best(study)
    assert found.params in [trial.params for trial in study.trials]
    assert found.value == pytest.approx(expected.value, abs=0.1)
    again.optimize(objective, n_trials=1)
    assert_learned(sampler.agent, 13)


def test_to_look_at_another_study_changes_no_search() -> None:
    other = optuna.create_study(study_name="other", sampler=optuna.samplers.RandomSampler(seed=0))
    other.optimize(objective, n_trials=6)

    def searched(looks: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
        sampler = TransferSampler(seed=0)
        study = optuna.create_study(study_name="one", sampler=sampler)
        study.optimize(objective, n_trials=5)
        if looks:
            assert sampler.expected_best(other).params in [trial.params for trial in other.trials]
        study.optimize(objective, n_trials=7)
        top = [dict(trial.config) for trial in sampler.agent.top()]
        return [trial.params for trial in study.trials], top, sampler.agent.learner.learned

    assert searched(looks=True) == searched(looks=False)
    assert searched(looks=True)[2] == 12


@pytest.mark.parametrize("name", ["", "x" * 10_000])
def test_a_trial_that_is_refused_is_no_part_of_the_process(name: str) -> None:
    def odd(trial: optuna.Trial) -> float:
        return trial.suggest_float(name, 0, 1) - 5.0 if trial.number % 2 else objective(trial)

    study = optuna.create_study(study_name="one", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(odd, n_trials=8)
    for found in (expected_best_of_study(study, None), TransferSampler(seed=0).expected_best(study)):
        assert found is not None and found.params in [trial.params for trial in study.trials]


def test_without_a_finite_value_nothing_is_expected() -> None:
    def fails(trial: optuna.Trial) -> float:
        trial.suggest_float("x", 0, 1)
        raise optuna.TrialPruned if trial.number % 2 else ValueError

    study = optuna.create_study(study_name="one", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(fails, n_trials=6, catch=(ValueError,))
    assert expected_best_of_study(study, None) is None
    message = "of study 'one': no trial of it has a value yet. Of 6 finished trials, 3 failed, 3 were pruned; a finite"
    for on_failure in ("ignore", "worst"):
        with pytest.raises(ValueError, match=message):
            TransferSampler(seed=0, on_failure=on_failure).expected_best(study)


def test_what_is_missing_for_an_expected_best_is_told() -> None:
    study = optuna.create_study(study_name="one", sampler=TransferSampler(seed=0))
    with pytest.raises(ValueError, match="of study 'one': no trial of it is finished yet; optimize the study first"):
        TransferSampler(seed=0).expected_best(study)

    def odd(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.set_constraint("size", 1.0 if trial.number == 0 else -1.0)
        return x if trial.number == 0 else math.inf

    study.optimize(odd, n_trials=3)
    with pytest.raises(ValueError, match="Of 3 finished trials, 1 broke a constraint, 2 returned an infinite value;"):
        TransferSampler(seed=0).expected_best(study)
    study.optimize(objective, n_trials=2)
    with pytest.raises(ValueError, match="learned from none of its 5 finished trials; use a sampler with learn=True"):
        TransferSampler(seed=0, learn=False).expected_best(study)
    without = TrainingConfig(proposal=ProposalConfig(surrogate=None))
    with pytest.raises(ValueError, match="no Gaussian process; .* proposal.surrogate=SurrogateConfig"):
        TransferSampler(seed=0, config=without).expected_best(study)


def test_a_name_is_not_called_misspelt_before_a_trial_has_asked_for_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    both = threading.Barrier(2)

    def late(trial: optuna.Trial) -> float:
        first = trial.suggest_float("dropout_in", 0, 1)
        if trial.number < 2:
            both.wait(60)
        return first + trial.suggest_float("dropout_out", 0, 1)

    study = optuna.create_study(study_name="one", sampler=TransferSampler(seed=0, fill={"dropout_out": 0.0}))
    optuna.logging.enable_propagation()
    study.optimize(late, n_trials=4, n_jobs=2)
    optuna.logging.disable_propagation()
    assert "no effect" not in caplog.text and len(study.trials) == 4


def test_names_of_bins_of_other_ranges_stay_as_they_are() -> None:
    narrow = NumericDomain(1e-3, 1e-1, log=True)
    assert inside_domain(1e-6, narrow) == 1e-6 and inside_domain(float("inf"), narrow) == float("inf")
    assert inside_domain(0, NumericDomain(1, 20, integer=True)) == 1
