"""The agent as a sampler of Optuna's."""

import copy
import functools
import logging
import math
import multiprocessing
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.testing.pytest_samplers import BasicSamplerTestCase, SingleOnlySamplerTestCase
from optuna.trial import FrozenTrial, TrialState

from searchers import FAST
from studies import objective, params, searched
from transfernas import Agent, ProposalConfig, TrainingConfig
from transfernas.define_by_run.plans import ObservedTrial
from transfernas.integrations.optuna import ATTRIBUTE, TransferSampler
from transfernas.integrations.optuna.trials import stamp_of
from transfernas.integrations.studies import learn_from_studies
from transfernas.learning import proposal
from transfernas.learning.bandit import NOBODY
from transfernas.learning.learner import Learner, learn
from transfernas.processes.runtime import run

pytestmark = pytest.mark.usefixtures("quiet")


class TestOfOptuna(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    """What Optuna demands of every sampler."""

    @pytest.fixture
    def sampler(self) -> Callable[[], optuna.samplers.BaseSampler]:
        return lambda: TransferSampler(seed=0)


def values_of(study: optuna.Study) -> list[float]:
    """The values of the trials that came to their end."""
    return [trial.value for trial in study.trials if trial.state == TrialState.COMPLETE and trial.value is not None]


def learner_of(sampler: TransferSampler) -> Learner:
    return sampler.agent.learner


def assert_finite(learner: Learner) -> None:
    for leaf in jax.tree.leaves(learner.state):
        assert np.isfinite(np.asarray(leaf)).all()


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_trials_and_another_others() -> None:
    first, second = searched(TransferSampler(seed=3)), searched(TransferSampler(seed=3))
    assert params(first) == params(second)
    assert params(first) != params(searched(TransferSampler(seed=4)))


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_trials_in_another_process() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import optuna; from studies import params, searched;"
        "from transfernas.integrations.optuna import TransferSampler;"
        "optuna.logging.set_verbosity(optuna.logging.CRITICAL);"
        "print(params(searched(TransferSampler(seed=3), 12)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(params(searched(TransferSampler(seed=3), 12)))


@pytest.mark.thorough
def test_a_pickled_study_goes_on_as_it_would_have() -> None:
    study = searched(TransferSampler(seed=0), 15)
    copy = pickle.loads(pickle.dumps(study))
    for one in (study, copy):
        one.optimize(objective, n_trials=15)
    assert params(study) == params(copy)


def test_reseeding_changes_what_comes() -> None:
    study = searched(TransferSampler(seed=0), 5)
    copy = pickle.loads(pickle.dumps(study))
    copy.sampler.reseed_rng()
    for one in (study, copy):
        one.optimize(objective, n_trials=5)
    assert params(study)[:5] == params(copy)[:5] and params(study)[5:] != params(copy)[5:]


@pytest.mark.thorough
def test_threads_share_a_sampler_and_each_trial_is_learned_from_once() -> None:
    sampler = TransferSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=60, n_jobs=4)
    learner = learner_of(sampler)
    assert learner.learned == 60 and learner.replay.count == 60
    values = values_of(study)
    assert sorted(learner.replay.scores.reward[0, :60]) == sorted(-value for value in values)
    assert min(values) < np.quantile(values, 0.5)


@pytest.mark.thorough
def test_it_works_under_hyperband_and_learns_from_what_is_pruned() -> None:
    def pruned(trial: optuna.Trial) -> float:
        value = objective(trial)
        for step in range(9):
            trial.report(value + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9)
    sampler = TransferSampler(seed=0)
    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.optimize(pruned, n_trials=40)
    learner = learner_of(sampler)
    states = [trial.state for trial in study.trials]
    assert TrialState.PRUNED in states and learner.learned == 40
    told = learner.replay.scores.at((0, slice(40)))
    complete = sorted((-value for value in values_of(study)), reverse=True)
    assert told.shown()[told.best_first()][: len(complete)].tolist() == complete


def test_it_learns_from_enqueued_and_added_trials_and_those_of_other_samplers() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=10)
    study.sampler = sampler = TransferSampler(seed=0)
    best = {"optimizer": "sgd", "learning rate": 1e-3, "momentum": 0.9, "layers": 2, "units 0": 64, "units 1": 64}
    study.enqueue_trial({**best, "dropout": 0.2})
    study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
    study.add_trial(study.trials[0])
    study.optimize(objective, n_trials=10)
    assert study.best_value == pytest.approx(0.0, abs=1e-9)
    learner = learner_of(sampler)
    assert learner.learned == sum(trial.state == TrialState.COMPLETE for trial in study.trials) == 21
    top = sampler.agent.top()[0]
    assert top.reward == pytest.approx(0.0, abs=1e-6) and top.config["layers"] == 2


def test_it_answers_around_parameters_that_are_fixed() -> None:
    study = optuna.create_study(sampler=TransferSampler(seed=0))
    study.optimize(objective, n_trials=5)
    study.enqueue_trial({"optimizer": "sgd", "layers": 3})
    study.optimize(objective, n_trials=1)
    last = study.trials[-1].params
    assert last["optimizer"] == "sgd" and last["layers"] == 3 and {"momentum", "units 2"} <= set(last)


@pytest.mark.thorough
def test_programs_that_ask_differently_each_time_are_answered() -> None:
    rng = np.random.default_rng(0)

    def wild(trial: optuna.Trial) -> float:
        total = 0.0
        for name in rng.permutation(6)[: rng.integers(1, 7)]:
            low = float(rng.integers(-3, 3))
            total += trial.suggest_float(f"x{name}", low, low + float(rng.integers(1, 5)))
        if rng.random() < 0.3:
            total += len(str(trial.suggest_categorical("kind", (None, True, 1, 1.5, "1", "None"))))
        return total

    sampler = TransferSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(wild, n_trials=30)
    assert learner_of(sampler).learned == 30
    assert_finite(learner_of(sampler))


@pytest.mark.thorough
def test_parameters_that_come_to_hundreds_are_answered() -> None:
    def wide(trial: optuna.Trial) -> float:
        return sum(trial.suggest_float(f"x{i}", 0, 1) for i in range(40))

    sampler = TransferSampler(seed=0)
    optuna.create_study(sampler=sampler).optimize(wide, n_trials=4)
    assert learner_of(sampler).learned == 4


@pytest.mark.parametrize("on_failure", ["ignore", pytest.param("worst", marks=pytest.mark.slow)])
@pytest.mark.thorough
def test_objectives_that_return_anything_leave_it_whole(on_failure: str) -> None:
    """A mixture of everything that an objective can do, 500 trials."""
    rng = np.random.default_rng(1)

    def mixture(trial: optuna.Trial) -> float | None:
        value = objective(trial)
        match rng.integers(9):
            case 0:
                return math.inf
            case 1:
                return -math.inf if trial.number % 50 == 49 else math.inf
            case 2:
                return math.nan
            case 3:
                return None
            case 4:
                raise RuntimeError("no memory left")
            case 5:
                trial.report(value, 3)
                raise optuna.TrialPruned
            case 6:
                trial.report(math.nan, 1)
                raise optuna.TrialPruned
        return value

    sampler = TransferSampler(seed=0, on_failure=on_failure)  # type: ignore[arg-type]
    study = optuna.create_study(sampler=sampler)
    study.optimize(mixture, n_trials=500, catch=(RuntimeError,))  # type: ignore[arg-type]
    assert len(study.trials) == 500 and all(trial.state.is_finished() for trial in study.trials)
    learner = learner_of(sampler)
    assert_finite(learner)
    failed = sum(trial.state == TrialState.FAIL for trial in study.trials)
    assert failed > 100 and learner.learned == (500 if on_failure == "worst" else 500 - failed)
    assert study.best_value == min(values_of(study))
    values = [value for value in values_of(study) if math.isfinite(value)]
    assert np.mean(values[-30:]) < np.mean(values[:30])


@pytest.mark.thorough
def test_maximising_is_minimising_the_negative() -> None:
    low, high = TransferSampler(seed=0), TransferSampler(seed=0)
    first = optuna.create_study(sampler=low)
    first.optimize(objective, n_trials=20)
    second = optuna.create_study(sampler=high, direction="maximize")
    second.optimize(lambda trial: -objective(trial), n_trials=20)
    assert params(first) == params(second)


@pytest.mark.thorough
def test_ranges_that_overlap_share_what_was_learned() -> None:
    """The next study begins where the first one's best values were."""

    def first(trial: optuna.Trial) -> float:
        return abs(math.log10(trial.suggest_float("learning rate", 1e-4, 1e-1, log=True)) + 2.6)

    def second(trial: optuna.Trial) -> float:
        return abs(math.log10(trial.suggest_float("learning rate", 1e-5, 1e-2, log=True)) + 2.6)

    rates, shares = [], []
    for seed in range(5):
        sampler = TransferSampler(seed=seed)
        optuna.create_study(sampler=sampler, study_name="first").optimize(first, n_trials=60)
        known = sampler.agent.learner.vocabulary
        study = optuna.create_study(sampler=sampler, study_name="second")
        study.optimize(second, n_trials=10)
        rates += [trial.params["learning rate"] for trial in study.trials]
        report = sampler.agent.transfer_report
        assert report is not None
        assert {action for _, action in report.known_actions} == {
            action for state, _, action in known.actions if state == "learning rate" and float(str(action)) < 1e-2
        }
        assert len(report.known_actions) == 8 and len(report.new_actions) == 4  # two decades of three, four bins each
        shares.append(np.mean([0.001 <= rate <= 0.00562 for rate in rates[-10:]]))
    # A quarter of the range, in decades: 0.75 of 3.
    assert np.mean(shares) > 0.6


@pytest.mark.thorough
def test_what_was_learned_goes_to_a_file_and_to_the_next_study(tmp_path: Path) -> None:
    sampler = TransferSampler(seed=0)
    searched(sampler, 60, study_name="first")
    path = sampler.save(tmp_path / "agent.safetensors")

    def changed(trial: optuna.Trial) -> float:
        return objective(trial) + abs(trial.suggest_float("weight decay", 0.0, 1.0) - 0.5)

    ahead = []
    for seed in range(5):
        studies = []
        for start in (TransferSampler(path, seed=seed), TransferSampler(seed=seed)):
            study = optuna.create_study(sampler=start, study_name="second")
            study.optimize(changed, n_trials=10)
            studies.append(study.best_value)
        ahead.append(studies[0] < studies[1])
    assert sum(ahead) >= 4


@pytest.mark.thorough
def test_a_search_goes_on_from_its_file_and_learns_from_no_trial_twice(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'studies.sqlite3'}"
    sampler = TransferSampler(seed=0, task="digits")
    searched(sampler, 20, study_name="one", storage=storage)
    path = sampler.save(tmp_path / "agent.safetensors")
    again = TransferSampler(path, task="digits", seed=1)
    study = optuna.load_study(study_name="one", storage=storage, sampler=again)
    study.optimize(objective, n_trials=5)
    learner = learner_of(again)
    assert learner.learned == 25 and learner.replay.count == 25
    (record,) = again.agent.processed
    assert again.agent.processed.count(record) == 25


@pytest.mark.thorough
def test_two_studies_of_one_name_are_two() -> None:
    sampler = TransferSampler(seed=0)
    for _ in range(2):
        searched(sampler, 12, study_name="same")
    assert learner_of(sampler).learned == 12 and len(list(sampler.agent.processed)) == 2
    assert sampler.agent.provenance == (("optuna", "same", 12), ("optuna", "same", 12))


@pytest.mark.thorough
def test_an_unpickled_sampler_goes_on_with_a_storage(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'studies.db'}"
    study = searched(TransferSampler(seed=0), 12, study_name="one", storage=storage)
    sampler = pickle.loads(pickle.dumps(study.sampler))
    optuna.load_study(study_name="one", storage=storage, sampler=sampler).optimize(objective, n_trials=3)
    assert learner_of(sampler).learned == 15 and learner_of(sampler).known is None


def test_an_interrupt_while_it_learns_loses_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=10)
    study.sampler = sampler = TransferSampler(seed=0)
    calls = list[int]()

    def interrupted(*arguments: Any, **named: Any) -> Learner:
        calls.append(len(calls))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return learn(*arguments, **named)

    monkeypatch.setattr("transfernas.define_by_run.learner.learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=1)
    study.optimize(objective, n_trials=2)
    assert learner_of(sampler).learned == 12  # the interrupted trial failed


@pytest.mark.thorough
def test_a_study_that_is_loaded_again_goes_on_near_its_best(tmp_path: Path) -> None:
    storage, sampler = f"sqlite:///{tmp_path / 'studies.db'}", TransferSampler(seed=0)
    for count in (25, 1, 1):
        study = optuna.create_study(study_name="one", storage=storage, sampler=sampler, load_if_exists=True)
        study.optimize(objective, n_trials=count)
    assert learner_of(sampler).learned == 27
    best = list(sampler._searches.values())[-1].search.state()["best"]
    assert [score.reward for score, _, _ in best] == sorted(-value for value in values_of(study))[::-1][:20]


def test_a_deleted_study_is_forgotten() -> None:
    storage, sampler = optuna.storages.InMemoryStorage(), TransferSampler(seed=0)
    for _ in range(2):
        study = optuna.create_study(study_name="one", storage=storage, sampler=sampler)
        study.optimize(objective, n_trials=5)
        optuna.delete_study(study_name="one", storage=storage)
    assert learner_of(sampler).learned == 4  # the fifth was deleted before it was learned from


@pytest.mark.thorough
def test_values_are_of_the_bins_that_were_proposed() -> None:
    sampler = TransferSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: sum((trial.suggest_float(f"x{i}", 0, 1) - 0.5) ** 2 for i in range(5)), n_trials=60)
    (known,) = sampler._searches.values()
    planned = {trial: actions for trial, _, _, actions, _ in known.search.state()["plans"]}
    assert ObservedTrial.of(known.params(study.trials[59])).actions == planned[59]
    values = [value for trial in study.trials for value in trial.params.values()]
    assert not any(value * 16 == round(value * 16) for value in values if 0 < value < 1)


def test_what_has_no_numbers_is_not_proposed_again() -> None:
    def mixed(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kind", ("discrete", "continuous")) == "continuous":
            return 5 + trial.suggest_float("x", 0, 1)
        return sum(trial.suggest_categorical(f"c{i}", (0, 1, 2)) for i in range(3))

    study = optuna.create_study(sampler=TransferSampler(seed=0))
    study.optimize(mixed, n_trials=30)
    discrete = [tuple(trial.params.values()) for trial in study.trials if len(trial.params) == 4]
    assert len(discrete) > 15 and len(set(discrete)) == len(discrete)


@pytest.mark.thorough
def test_memory_fits_a_space_of_which_the_first_trial_saw_little() -> None:
    def branches(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("model", ("svm", "mlp")) == "svm":
            return 1.0 + trial.suggest_int("C", 1, 8)
        return 0.1 * (abs(trial.suggest_int("layers", 1, 8) - 4) + abs(trial.suggest_int("units", 1, 9) - 6))

    sampler = TransferSampler(seed=0, task="one")
    optuna.create_study(sampler=sampler).optimize(branches, n_trials=60)
    best = sampler.agent.top()[0].config
    found = TransferSampler(sampler.agent, seed=0, task="one")
    study = optuna.create_study(sampler=found)
    study.enqueue_trial({"model": "svm", "C": 3})
    study.optimize(branches, n_trials=12)
    assert best in [trial.params for trial in study.trials]


@pytest.mark.thorough
def test_a_study_with_many_trials_is_gone_on_with_near_its_best() -> None:
    def conditional(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", -5, 5) ** 2 + trial.suggest_int("n", 1, 30)
        if trial.suggest_categorical("c", (None, True, "a")) is True:
            value += trial.suggest_float("rate", 1e-5, 1, log=True)
        return value

    medians = []
    for seed in range(2):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        study.optimize(conditional, n_trials=700)
        study.sampler = TransferSampler(seed=seed)
        study.optimize(conditional, n_trials=30)
        medians.append(np.median(values_of(study)[700:]))
    assert max(medians) < 6 < 20 < np.median(values_of(study)[:700])


@pytest.mark.parametrize(
    ("name", "distribution"),
    [("", optuna.distributions.FloatDistribution(0, 2)), ("n", optuna.distributions.IntDistribution(0, 10**400))],
)
def test_what_can_not_be_learned_from_harms_nothing_else(
    name: str, distribution: optuna.distributions.BaseDistribution, heard: list[str]
) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=3)
    study.add_trial(optuna.trial.create_trial(params={name: 1}, distributions={name: distribution}, value=1.0))
    study.optimize(objective, n_trials=3)
    study.sampler = sampler = TransferSampler(seed=0)
    study.optimize(objective, n_trials=4)
    assert learner_of(sampler).learned == 10 and any("trial 3 of study" in text for text in heard)


@pytest.mark.thorough
def test_studies_of_one_name_and_opposite_directions_are_kept_apart() -> None:
    sampler = TransferSampler(seed=0)
    studies = [
        optuna.create_study(study_name="same", sampler=sampler, direction="minimize"),
        optuna.create_study(study_name="same", sampler=sampler, direction="maximize"),
    ]
    for _ in range(30):
        for study in studies:
            trial = study.ask()
            study.tell(trial, trial.suggest_float("x", 0, 1))
    low, high = (np.median(values_of(study)[-10:]) for study in studies)
    assert low < 0.2 and high > 0.8
    assert [sampler.agent.processed.count(record) for record in sampler.agent.processed] == [30, 30]


@pytest.mark.parametrize("exponent", [0, 15, 30])
def test_rewards_of_any_size_teach(exponent: int) -> None:
    study = optuna.create_study(sampler=TransferSampler(seed=0))
    study.optimize(lambda trial: 10.0**exponent * (1 + trial.suggest_float("x", 0, 1)), n_trials=40)
    assert np.mean([trial.params["x"] for trial in study.trials[-15:]]) < 0.15


@pytest.mark.thorough
def test_without_learning_it_only_proposes(tmp_path: Path) -> None:
    sampler = TransferSampler(seed=0)
    searched(sampler, 30, study_name="first")
    agent = sampler.agent
    fixed = TransferSampler(agent, seed=0, learn=False)
    searched(fixed, 10, study_name="second")
    assert fixed.agent.learner.learned == 0 and fixed.agent.provenance == agent.provenance
    assert fixed.agent.processed == agent.processed


def test_what_a_parameter_was_before_it_was_one_can_be_said() -> None:
    def before(trial: optuna.Trial) -> float:
        return abs(trial.suggest_float("x", 0, 1) - 0.3)

    def after(trial: optuna.Trial) -> float:
        return abs(trial.suggest_float("rate", 0, 1) - 0.3) + trial.suggest_float("y", 0, 1)

    sampler = TransferSampler(seed=0, task="t")
    optuna.create_study(sampler=sampler).optimize(before, n_trials=40)
    found = TransferSampler(sampler.agent, seed=0, task="t", rename={"x": "rate"}, fill={"y": 0.01})
    study = optuna.create_study(sampler=found)
    study.optimize(after, n_trials=5)
    given = [trial.params for trial in study.trials]
    assert abs(given[0]["rate"] - 0.3) < 0.07 and given[0]["y"] == 0.01  # exactly, although it is one of a bin
    with pytest.raises(ValueError, match="rename: 'X' is no parameter that the agent knows; it knows x"):
        TransferSampler(sampler.agent, rename={"X": "rate"})
    both = (
        "it knows x. 'x' is known, so either the names are the wrong way round, or the file was saved after this rename"
    )
    with pytest.raises(ValueError, match=f"{both}, and then leave 'rate' out of rename"):
        TransferSampler(sampler.agent, rename={"rate": "x"})
    with pytest.raises(ValueError, match="agent is '', which names no file; give a file"):
        TransferSampler("")


def test_a_rename_to_a_known_name_is_refused_and_a_swap_is_done() -> None:
    def one(trial: optuna.Trial) -> float:
        return abs(trial.suggest_float("gamma", 0, 1) - 0.1) + abs(trial.suggest_float("C", 0, 1) - 0.9)

    def other(trial: optuna.Trial) -> float:
        return abs(trial.suggest_float("C", 0, 1) - 0.1) + abs(trial.suggest_float("gamma", 0, 1) - 0.9)

    sampler = TransferSampler(seed=0, task="t")
    first = optuna.create_study(sampler=sampler)
    first.optimize(one, n_trials=12)
    message = (
        "rename: the agent knows 'C' already, so 'gamma' cannot become 'C'; leave 'gamma' out, or rename 'C' as well"
    )
    with pytest.raises(ValueError, match=message):
        TransferSampler(sampler.agent, rename={"gamma": "C"})
    with pytest.raises(ValueError, match="two states cannot both become 'c'"):
        TransferSampler(sampler.agent, rename={"gamma": "c", "C": "c"})
    chain = TransferSampler(seed=0, rename={"gamma": "C", "C": "x"})  # before there is an agent that knows all three
    for name in ("first", "second"):
        study = optuna.create_study(study_name=name, sampler=chain)
        study.optimize(lambda trial: one(trial) + trial.suggest_float("x", 0, 1), n_trials=1)
    assert chain.agent.learner.vocabulary.states[1:] == ("gamma", "C", "x")
    swapping = TransferSampler(sampler.agent, seed=0, rename={"gamma": "C", "C": "gamma"})
    for name in ("second", "third"):  # a sampler swaps once
        study = optuna.create_study(study_name=name, sampler=swapping)
        study.optimize(other, n_trials=1)
        best = {"C": first.best_params["gamma"], "gamma": first.best_params["C"]}
        assert study.trials[0].params == pytest.approx(best) and list(study.trials[0].params) == ["C", "gamma"]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_trial_with_a_parameter_that_is_fixed_last_does_not_come_again() -> None:
    def objective(trial: optuna.Trial) -> float:
        rate, units = trial.suggest_float("rate", 1e-4, 1.0, log=True), trial.suggest_float("units", 0, 1)
        return abs(math.log10(rate) + 2) + units + (trial.suggest_categorical("kind", ("a", "b", "c")) != "a")

    def fewer(trial: optuna.Trial) -> float:
        return abs(math.log10(trial.suggest_float("rate", 1e-4, 1.0, log=True)) + 2) + trial.suggest_float(
            "units", 0, 1
        )

    sampler = TransferSampler(seed=0)
    optuna.create_study(study_name="one", sampler=sampler).optimize(objective, n_trials=12)
    fixed = optuna.samplers.PartialFixedSampler({"kind": "b"}, TransferSampler(sampler.agent, seed=1))
    study = optuna.create_study(study_name="two", sampler=fixed)
    study.optimize(objective, n_trials=4)
    assert study.trials[0].user_attrs["transfernas"]["name"] == "warm start from one"
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 4
    study = optuna.create_study(study_name="three", sampler=TransferSampler(sampler.agent, seed=1))
    study.optimize(lambda trial: objective(trial) if trial.number == 1 else fewer(trial), n_trials=8)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 8


@pytest.mark.slow
def test_a_thousand_trials_are_learned_from_and_become_better() -> None:
    sampler = TransferSampler(seed=0)
    study = searched(sampler, 1_000)
    assert len(study.trials) == 1_000 and learner_of(sampler).learned == 1_000
    values = np.array(values_of(study))
    random = values_of(searched(optuna.samplers.RandomSampler(seed=0), 100))
    assert np.median(values[60:100]) < 0.2 * np.median(values[:20]) and values.min() < 1e-4
    assert np.median(values[500:]) < 0.8 * np.median(random)  # it goes on exploring


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"agent": 3}, "agent is an Agent, the path of its file, or None, not 3; did you mean seed=3?"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
        ({"on_failure": "skip"}, 'on_failure must be "ignore" or "worst", not \'skip\''),
        ({"space": ""}, "space is named by a non-empty string, not ''"),
        ({"task": 3}, "task is named by a non-empty string, not 3"),
        ({"rename": ["a"]}, "rename is a mapping from old names to new names, as in {'lr': 'rate'}, not ['a']"),
        ({"fill": ["a"]}, "fill is a mapping from names to values, as in {'dropout': 0.0}, not ['a']"),
        (
            {"config": {"a": 1}},
            "config must be a TrainingConfig, such as TrainingConfig().with_changes({'rule.updates': ",
        ),
        ({"config": {"a": 1}}, "TrainingConfig.paper(), not {'a': 1}"),
        ({"config": TrainingConfig}, "config must be a TrainingConfig, such as"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, object], message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        TransferSampler(**arguments)  # type: ignore[arg-type]
    assert message in str(raised.value)


def test_an_agent_is_there_only_after_a_trial_with_a_parameter(tmp_path: Path) -> None:
    path, message = tmp_path / "agent.safetensors", "there is nothing to save yet: run a trial with the sampler first"
    with pytest.raises(ValueError, match=message):
        TransferSampler().save(path)
    sampler = TransferSampler()
    optuna.create_study(sampler=sampler).optimize(lambda _: 1.0, n_trials=2)
    with pytest.raises(ValueError, match=message):
        sampler.save(path)
    assert not path.exists()


@pytest.mark.parametrize("learn", [True, False])
def test_trials_whose_parameters_were_all_given_are_learned_from(learn: bool, tmp_path: Path) -> None:
    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", 0, 1) + trial.suggest_int("one", 1, 1)

    def enqueued(sampler: TransferSampler, name: str) -> TransferSampler:
        study = optuna.create_study(study_name=name, sampler=sampler)
        for x in (0.5, 0.1, 0.9):
            study.enqueue_trial({"x": x})
        study.optimize(objective, n_trials=3)
        return sampler

    sampler = enqueued(TransferSampler(seed=0, learn=learn), "first")
    if not learn:
        with pytest.raises(ValueError, match="there is nothing to save yet"):
            _ = sampler.agent
        return
    agent = Agent.load(sampler.save(tmp_path / "agent.safetensors"))
    assert agent.provenance == (("optuna", "first", 3),) and list(agent.processed) == list(sampler.agent.processed)
    assert [seen.config for seen in agent.top()] == [{"x": x, "one": 1} for x in (0.1, 0.5, 0.9)]
    both = (("optuna", "first", 3), ("optuna", "second", 3))
    assert copy.deepcopy(enqueued(sampler, "second")).agent.provenance == sampler.agent.provenance == both
    assert enqueued(TransferSampler(agent, seed=0), "second").agent.provenance == both
    assert enqueued(enqueued(TransferSampler(seed=0), "first"), "second").agent.provenance == both
    third = optuna.create_study(study_name="third", sampler=enqueued(TransferSampler(seed=0), "first"))
    third.optimize(objective, n_trials=1)
    assert third.trials[0].params["x"] == 0.1  # the best of the first study


def test_an_unreadable_study_whose_parameters_were_all_given_is_told(
    heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = TransferSampler(seed=0)
    study = optuna.create_study(study_name="first", sampler=sampler)
    study.enqueue_trial({"x": 0.5})
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)

    def away(*_: object, **__: object) -> list[object]:
        raise OSError("no network")

    monkeypatch.setattr(study._storage, "get_all_trials", away)
    with pytest.raises(ValueError, match="there is nothing to save yet"):
        _ = sampler.agent
    assert heard == ["study 'first' cannot be read, so that its last trials may be missing: no network"]


def test_a_known_task_with_another_direction_is_told(heard: list[str], tmp_path: Path) -> None:
    def told(sampler: TransferSampler, direction: str, name: str = "mx") -> list[str]:
        heard.clear()
        study = optuna.create_study(study_name=name, sampler=sampler, direction=direction)  # type: ignore[arg-type]
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
        return [text for text in heard if "Task" in text]

    sampler = TransferSampler(seed=0)
    assert told(sampler, "maximize") == []
    path = sampler.save(tmp_path / "agent.safetensors")
    assert (
        told(TransferSampler(path, seed=1), "maximize")
        == told(TransferSampler(path, seed=1), "minimize", "other")
        == []
    )
    (text,) = told(TransferSampler(path, seed=1), "minimize")
    assert text.startswith("Task 'mx' is to be minimized, and was to be maximized in the trials that the agent knows.")
    assert len(told(TransferSampler(path, seed=1, task="mx"), "minimize", "other")) == 1
    assert len(told(sampler, "minimize")) == 1  # also without a file
    study = optuna.create_study(study_name="mx", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    heard.clear()
    agent, _ = learn_from_studies(path, [study])
    assert [text.partition(",")[0] for text in heard] == ["Task 'mx' is to be minimized"]
    assert agent.processed.directions == {"mx": "minimize"} != Agent.load(path).processed.directions
    heard.clear()
    learn_from_studies(
        agent.transfer_to(agent.problems), [searched(optuna.samplers.RandomSampler(), 2, study_name="mx")]
    )
    assert heard == []


@pytest.mark.thorough
def test_a_study_without_a_name_is_told_so_once(heard: list[str]) -> None:
    def told(sampler: TransferSampler, name: str | None = None) -> int:
        heard.clear()
        study = optuna.create_study(study_name=name, sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
        return sum(text.startswith("This study has no name of its own, so that no later") for text in heard)

    sampler = TransferSampler(seed=0)
    assert told(sampler) == 1 and told(sampler) == 1 and told(TransferSampler(sampler.agent, seed=0)) == 1
    assert sampler.agent.provenance[0][1] != sampler.agent.provenance[1][1]  # two tasks
    assert told(sampler, "digits") == told(TransferSampler(task="digits")) == told(TransferSampler(learn=False)) == 0
    assert told(TransferSampler(), "no-name-yet") == 0


def storage_of(place: str) -> str | optuna.storages.BaseStorage:
    """A database's URL as it stands, a file as a journal."""
    if "://" in place:
        return place
    return optuna.storages.JournalStorage(JournalFileBackend(place))


def worker(place: str, seed: int, trials: int, out: Path) -> None:
    """Runs trials of a shared study, then says what it learned from."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    sampler = TransferSampler(seed=seed, task="shared")
    study = optuna.load_study(study_name="shared", storage=storage_of(place), sampler=sampler)
    study.optimize(objective, n_trials=trials)
    sampler.save(out)


@pytest.mark.slow
def test_processes_share_a_journal(tmp_path: Path) -> None:
    place = str(tmp_path / "journal.log")
    study = optuna.create_study(study_name="shared", storage=storage_of(place))
    context = multiprocessing.get_context("spawn")
    outs = [tmp_path / f"agent-{seed}.safetensors" for seed in range(2)]
    workers = [context.Process(target=worker, args=(place, seed, 25, outs[seed])) for seed in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(200)
        assert one.exitcode == 0
    assert len(study.trials) == 50 and all(trial.state == TrialState.COMPLETE for trial in study.trials)
    counts = [Agent.load(out).learner.learned for out in outs]
    assert max(counts) == 50 and min(counts) >= 25


@pytest.mark.slow
def test_processes_share_a_storage_and_learn_from_one_another(tmp_path: Path) -> None:
    """Four processes on one SQLite file, two of them killed."""
    storage = f"sqlite:///{tmp_path / 'studies.sqlite3'}?timeout=60"
    optuna.create_study(study_name="shared", storage=storage)
    context = multiprocessing.get_context("spawn")
    outs = [tmp_path / f"agent-{seed}.safetensors" for seed in range(4)]
    workers = [context.Process(target=worker, args=(storage, seed, 100, outs[seed])) for seed in range(4)]
    for one in workers:
        one.start()
    rng = np.random.default_rng(0)
    for one, after in zip(workers[:2], sorted(rng.integers(20, 120, size=2)), strict=True):
        while len(optuna.load_study(study_name="shared", storage=storage).get_trials(deepcopy=False)) < after:
            assert workers[3].is_alive()
            workers[3].join(0.2)
        one.kill()
    for one in workers:
        one.join(400)
        assert not one.is_alive()
    assert [one.exitcode for one in workers] == [-9, -9, 0, 0]
    study = optuna.load_study(study_name="shared", storage=storage)
    finished = [trial for trial in study.trials if trial.state.is_finished()]
    running = [trial.number for trial in study.trials if not trial.state.is_finished()]
    assert len(running) <= 2 and len(finished) >= 200
    study.sampler = TransferSampler(outs[3], task="shared", seed=9)
    study.optimize(objective, n_trials=1)
    learned = study.sampler.agent
    (record,) = learned.processed
    assert learned.processed.count(record) == learned.learner.learned == len(finished) + 1
    # The last one to stop had learned from all that were finished by then, each once.
    for out in outs[2:]:
        agent = Agent.load(out)
        count = agent.processed.count(record)
        assert agent.learner.learned == agent.learner.replay.count == count
        assert 100 <= count <= len(finished)
        known = [trial for trial in finished if agent.processed.has(stamp_of(trial))]
        rewards = agent.learner.replay.scores.reward[0, :count]
        assert sorted(rewards) == sorted(-trial.value for trial in known if trial.value is not None)
    assert max(Agent.load(out).processed.count(record) for out in outs[2:]) == len(finished)


def proposers(study: optuna.Study) -> list[str | None]:
    return [trial.user_attrs.get(ATTRIBUTE, {}).get("name") for trial in study.trials]


def test_a_trial_says_who_proposed_it(tmp_path: Path) -> None:
    def square(trial: optuna.Trial) -> float:
        return (trial.suggest_float("x", -1.0, 1.0) - 0.3) ** 2 + abs(trial.suggest_int("n", 1, 20) - 7) / 20

    sampler = TransferSampler(seed=0)
    first = optuna.create_study(study_name="first", sampler=sampler)
    first.optimize(square, n_trials=14)
    assert proposers(first) == ["policy"] * 8 + [*["surrogate"] * 3, "policy", *["surrogate"] * 2]
    assert all("trust" not in trial.user_attrs[ATTRIBUTE] for trial in first.trials)
    storage = RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    study = optuna.create_study(study_name="second", storage=storage, sampler=sampler)
    study.enqueue_trial(first.best_params)
    study.optimize(square, n_trials=6)
    enqueued, remembered, *others = proposers(study)
    assert enqueued is None and remembered == "warm start from first"
    assert {*others} <= {"warm start from first", "policy", "new policy", "exploring policy", "surrogate"}
    assert "new policy" in others and others[2] == "surrogate"  # after four trials that were told
    assert all(0.0 < trial.user_attrs[ATTRIBUTE]["trust"] < 1.0 for trial in study.trials[1:])
    assert [trial.user_attrs for trial in study.trials] == [
        trial.user_attrs for trial in optuna.load_study(study_name="second", storage=storage).trials
    ]


def test_a_search_of_which_nothing_was_known_has_no_trust() -> None:
    def of(name: str) -> Callable[[optuna.Trial], float]:
        return lambda trial: trial.suggest_float(name, 0.0, 1.0) + trial.suggest_int(f"{name} size", 1, 9)

    sampler = TransferSampler(seed=0)
    optuna.create_study(study_name="first", sampler=sampler).optimize(of("x"), n_trials=4)
    study = optuna.create_study(study_name="second", sampler=TransferSampler(sampler.agent, seed=0))
    study.optimize(of("y"), n_trials=6)
    assert study.trials[0].user_attrs[ATTRIBUTE] == {"name": "new policy"}
    assert all("trust" not in trial.user_attrs[ATTRIBUTE] for trial in study.trials)
    renamed = TransferSampler(sampler.agent, seed=0, rename={"x": "y"})
    study = optuna.create_study(study_name="third", sampler=renamed)
    study.optimize(of("y"), n_trials=2)
    assert all("trust" in trial.user_attrs[ATTRIBUTE] for trial in study.trials)


def test_an_enqueued_trial_that_the_sampler_completes_is_nobodys(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new parameter comes first, so that the sampler knows it alone when the enqueued values follow."""
    monkeypatch.setattr(logging.getLogger("optuna"), "propagate", True)

    def wider(trial: optuna.Trial) -> float:
        return trial.suggest_float("new", 0.0, 1.0) + objective(trial)

    sampler = TransferSampler(seed=0)
    first = searched(sampler, 6, study_name="first")
    study = optuna.create_study(study_name="second", sampler=TransferSampler(sampler.agent, seed=1))
    for trial in first.trials[:2]:
        study.enqueue_trial(trial.params)
    with caplog.at_level(logging.INFO, "optuna.transfernas"):
        study.optimize(wider, n_trials=2)
        assert proposers(study) == [None, None] and not caplog.messages
        assert isinstance(study.sampler, TransferSampler)
        replay = study.sampler.agent.learner.replay
        assert replay.proposer[0, :2].tolist() == [NOBODY, NOBODY]
        study.optimize(wider, n_trials=1)
    assert proposers(study)[2] is not None
    known = len({name for trial in first.trials for name in trial.params})
    (said,) = set(caplog.messages)
    assert f"{known} of {known + 1} parameters known" in said


@pytest.mark.thorough
def test_the_first_trial_of_a_new_policy_is_in_the_middle_of_all_ranges() -> None:
    def loss(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
        kind = trial.suggest_categorical("kind", ("tree", "net"))
        depth = trial.suggest_int("depth", 1, 9) if kind == "tree" else trial.suggest_float("drop", 0.0, 0.8)
        return abs(math.log10(rate) + 4.5) + abs(depth - 0.7)

    def in_middle(trial: FrozenTrial) -> bool:
        near = [abs(math.log10(trial.params["rate"]) + 3) < 0.3, trial.params.get("depth", 5) == 5]
        return all(near) and abs(trial.params.get("drop", 0.4) - 0.4) < 0.08

    for seed in range(3):
        sampler = TransferSampler(seed=seed)
        study = optuna.create_study(study_name="first", sampler=sampler)
        study.optimize(loss, n_trials=12)
        assert in_middle(study.trials[0]) and sum(map(in_middle, study.trials)) < 7
        later = optuna.create_study(study_name="second", sampler=sampler)
        later.optimize(loss, n_trials=6)
        new = [trial for trial, who in zip(later.trials, proposers(later), strict=True) if who == "new policy"]
        assert in_middle(new[0])
    off = TrainingConfig(proposal=ProposalConfig(middle_first=False))
    firsts = list[FrozenTrial]()
    for seed in range(6):
        study = optuna.create_study(sampler=TransferSampler(seed=seed, config=off))
        study.optimize(loss, n_trials=1)
        firsts += study.trials
    assert sum(map(in_middle, firsts)) < 3


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [0, 1])
def test_whole_numbers_are_not_evaluated_twice(seed: int) -> None:
    """Parts of the ranges stand for several numbers, and 60 of 80 configurations are tried."""

    def loss(trial: optuna.Trial) -> float:
        return abs(trial.suggest_int("n", 1, 40) - 20.0) + abs(trial.suggest_int("m", 1, 2) - 1)

    study = optuna.create_study(sampler=TransferSampler(seed=seed))
    study.optimize(loss, n_trials=60)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 60


def test_why_a_first_trial_waits_is_among_the_messages_of_optuna(heard: list[str]) -> None:
    logging.getLogger("transfernas.processes.exported").info("compiling")
    assert heard == ["compiling"]


@pytest.mark.thorough
def test_where_all_values_were_tried_no_others_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a look draws up to a thousand candidates for each trial."""

    def loss(trial: optuna.Trial) -> float:
        return abs(trial.suggest_int("n", 1, 20) - 4.0)

    def counted(*arguments: Any) -> Any:
        draws.append(arguments[0])
        return run(*arguments)

    draws: list[object] = []
    study = optuna.create_study(sampler=TransferSampler(seed=0))
    study.optimize(loss, n_trials=40)
    assert {trial.params["n"] for trial in study.trials} == set(range(1, 21))
    monkeypatch.setattr(proposal, "run", counted)
    study.optimize(loss, n_trials=12)
    assert 0 < len(draws) <= 12


@pytest.mark.thorough
def test_a_resumed_search_names_the_study_of_each_earlier_configuration(tmp_path: Path) -> None:
    """Also if its own task was learned from before, so that the archive changes its order while it searches."""

    def loss(trial: optuna.Trial) -> float:
        return abs(trial.suggest_float("rate", 0.0, 1.0) - 0.4) + abs(trial.suggest_float("drop", 0.0, 1.0) - 0.4)

    path, exact = tmp_path / "agent.safetensors", dict[float, str]()
    earlier = []
    for seed, name in enumerate(("mine", "one", "two")):
        earlier.append(optuna.create_study(study_name=name, sampler=optuna.samplers.RandomSampler(seed=seed)))
        earlier[-1].optimize(loss, n_trials=8)
        exact |= {trial.params["rate"]: name for trial in earlier[-1].trials}
    agent = None
    for study in earlier:
        agent, _ = learn_from_studies(agent, [study], config=FAST if agent is None else None)
    assert agent is not None
    agent.save(path)
    for _ in range(4):
        sampler = TransferSampler(path, seed=0)
        where = f"sqlite:///{tmp_path / 'study.db'}"
        study = optuna.create_study(study_name="mine", storage=where, load_if_exists=True, sampler=sampler)
        study.optimize(loss, n_trials=3)
        sampler.save(path)
    names = [task for _, task in (entry.name for entry in sampler.agent.learner.archive)]
    assert names == ["one", "two", "mine"]
    named = [(who, trial) for who, trial in zip(proposers(study), study.trials, strict=True) if who and "warm" in who]
    assert [who for who, _ in named] == [f"warm start from {exact[trial.params['rate']]}" for _, trial in named]
    assert max(trial.number for _, trial in named) >= 3 and len({who for who, _ in named}) > 1


def test_who_proposed_a_trial_is_said_of_those_that_failed_and_were_pruned_and_keeps_your_attributes() -> None:
    def failing(trial: optuna.Trial) -> float:
        trial.set_user_attr("mine", trial.number)
        objective(trial)
        if trial.number == 1:
            raise ZeroDivisionError
        raise optuna.TrialPruned

    study = optuna.create_study(sampler=TransferSampler(seed=0))
    study.optimize(failing, n_trials=3, catch=ZeroDivisionError)
    expected = [{"mine": number, ATTRIBUTE: {"name": "policy"}} for number in range(3)]
    assert [trial.user_attrs for trial in study.trials] == expected


@pytest.mark.thorough
def test_what_the_agent_knew_is_logged_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("optuna"), "propagate", True)  # else older versions of pytest see nothing

    def other(trial: optuna.Trial) -> float:
        return objective(trial) + sum(trial.suggest_float(f"new_{number}", 0.0, 1.0) for number in range(count))

    sampler = TransferSampler(seed=0)
    searched(sampler, 5, study_name="first")
    for count, level in ((1, logging.INFO), (9, logging.WARNING)):
        caplog.clear()
        with caplog.at_level(logging.INFO, "optuna.transfernas"):
            optuna.create_study(study_name="second", sampler=TransferSampler(sampler.agent, seed=1)).optimize(
                other, n_trials=2
            )
        (said,) = {record for record in caplog.records if record.name == "optuna.transfernas"}
        known = len(searched(sampler, 1).trials[0].params)
        assert said.levelno == level
        assert f"Study 'second' starts from an agent: {known} of {known + count} parameters known" in said.message
        assert "task new" in said.message and "new: new_0" in said.message


@pytest.mark.parametrize("learn", [True, False])
def test_a_slip_in_a_name_is_told_once(learn: bool, heard: list[str]) -> None:
    """Also where a parameter is not asked for by the first trials, which is no slip."""

    def late(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 0.0, 1.0)
        return rate + (trial.suggest_float("dropout", 0.0, 0.5) if trial.number >= 5 else 0.0)

    knows = TransferSampler(seed=0)
    optuna.create_study(sampler=knows).optimize(lambda trial: trial.suggest_float("lr", 0.0, 1.0), n_trials=2)
    for rename, fill, slips in (
        ({"lr": "rate"}, {"dropout": 0.0}, []),
        ({"lr": "raet"}, {"dropuot": 0.0}, ["rename names 'raet'", "fill names 'dropuot'"]),
        ({}, {"momentum": 0.9}, ["fill names 'momentum'"]),
    ):
        heard.clear()
        sampler = TransferSampler(knows.agent, seed=0, rename=rename, fill=fill, learn=learn)
        study = optuna.create_study(sampler=sampler)
        study.optimize(late, n_trials=2)
        assert [text.partition(",")[0] for text in heard if text.startswith(("rename", "fill"))] == slips[
            : "raet" in rename.values()
        ]
        study.optimize(late, n_trials=12)
        told = [text for text in heard if text.startswith(("rename", "fill"))]
        assert [text.partition(",")[0] for text in told] == slips
        close = {"raet": "rate", "dropuot": "dropout"}
        for text in told:
            assert "; they ask for rate" in text
            lost = "the agent's knowledge of 'lr' is not used" if "raet" in text else "no earlier configuration gets"
            assert f"so that {lost}" in text
            assert ("Did you mean" in text) == any(slip in text for slip in close)
            assert all(f"Did you mean {name!r}?" in text for slip, name in close.items() if repr(slip) in text)


@pytest.mark.thorough
def test_a_rename_or_a_fill_that_is_not_used_is_told(heard: list[str]) -> None:
    def search(sampler: TransferSampler, *names: str) -> None:
        study = optuna.create_study(study_name="named", sampler=sampler)
        study.optimize(lambda trial: sum(trial.suggest_float(name, 0.0, 1.0) for name in names), n_trials=12)

    knows = TransferSampler(config=FAST, seed=0, rename={"typo": "rate"})
    search(knows, "lr", "units")
    assert heard == [
        "Study 'named' starts from no agent, so that rename is not used: give the agent or its file, as in "
        "agent='agent.safetensors', or leave rename out"
    ]
    for fill, unused in (
        ({"units": 0.3, "dropout": 0.0}, "units"),
        ({"rate": 0.3, "units": 0.3}, "rate, units"),
        ({"dropout": 0.0}, None),
    ):
        heard.clear()
        search(TransferSampler(knows.agent, seed=0, rename={"lr": "rate"}, fill=fill), "rate", "units", "dropout")
        (text,) = (text for text in heard if "starts from an agent" in text)
        assert ("fill" in text) == (unused is not None)
        assert f"; fill is not used for {unused}: all earlier configurations have" in text or unused is None
    heard.clear()
    config = FAST.with_changes({"transfer.bandit": None})
    search(TransferSampler(knows.agent, seed=0, config=config, fill={"dropout": 0.0}), "lr", "units", "dropout")
    (text,) = (text for text in heard if "starts from an agent" in text)
    assert "; fill is not used for dropout: transfer.bandit=None tries no earlier configuration first" in text


def test_the_best_trial_comes_first_in_ranges_that_were_narrowed_around_it() -> None:
    """The parts of a narrower range may all be others, so that the policy knows no name of the new ranges."""

    def within(ends: float) -> Callable[[optuna.Trial], float]:
        def objective(trial: optuna.Trial) -> float:
            rate = trial.suggest_float("rate", 3e-3 / ends, 3e-3 * ends, log=True)
            units = trial.suggest_int("units", 100 - int(10 * ends), 100 + int(40 * ends))
            return abs(math.log10(rate) + 2.5) + abs(units - 101) / 100

        return objective

    sampler = TransferSampler(config=FAST, seed=1)
    wide = optuna.create_study(study_name="wide", sampler=sampler)
    wide.enqueue_trial({"rate": 0.00312, "units": 101})
    wide.optimize(within(9.0), n_trials=15)
    narrow = optuna.create_study(study_name="narrow", sampler=TransferSampler(sampler.agent, seed=2))
    narrow.optimize(within(2.0), n_trials=1)
    assert narrow.trials[0].params == wide.best_params


def test_a_number_that_a_narrower_range_excludes_starts_at_the_nearer_end() -> None:
    def objective(low: int, high: int, most: float, trial: optuna.Trial) -> float:
        units, rate = trial.suggest_int("units", low, high), trial.suggest_float("rate", 1e-4, most, log=True)
        return abs(units - 60) / 10 + abs(math.log10(rate / 0.05)) + trial.suggest_float("dropout", 0.0, 0.5)

    sampler = TransferSampler(config=FAST, seed=1)
    wide = optuna.create_study(study_name="wide", sampler=sampler)
    wide.enqueue_trial({"units": 60, "rate": 0.05, "dropout": 0.01})
    wide.optimize(functools.partial(objective, 1, 100, 0.1), n_trials=12)
    for low, high, end in ((1, 30, 30), (80, 100, 80)):
        narrow = optuna.create_study(study_name=f"to {high}", sampler=TransferSampler(sampler.agent, seed=2))
        narrow.optimize(functools.partial(objective, low, high, 0.01), n_trials=1)
        assert narrow.trials[0].params == {"units": end, "rate": 0.01, "dropout": 0.01}


def test_a_slip_in_the_objective_is_told_after_the_first_trial(heard: list[str]) -> None:
    def asks(name: str, high: float = 1.0) -> Callable[[optuna.Trial], float]:
        return lambda trial: trial.suggest_float(name, 0.0, high) + trial.suggest_float("units_1", 0.0, 1.0)

    def search(sampler: TransferSampler, name: str, **options: Any) -> None:
        optuna.create_study(study_name="named", sampler=sampler).optimize(asks(name, **options), n_trials=1)

    knows = TransferSampler(seed=0)
    search(knows, "learning_rate")
    search(TransferSampler(knows.agent, seed=0), "learning_rat")
    (text,) = heard
    assert "did you mean 'learning_rate' by 'learning_rat'?" in text
    assert "say rename={'learning_rate': 'learning_rat'}" in text
    heard.clear()
    search(TransferSampler(knows.agent, seed=0), "learning_rate", high=2.0)
    (text,) = heard
    assert "did you mean" not in text and "values that the agent never saw: of learning_rate" in text


@pytest.mark.thorough
def test_a_search_that_was_killed_goes_on_and_says_so(tmp_path: Path, heard: list[str]) -> None:
    storage = f"sqlite:///{tmp_path / 'studies.db'}"
    sampler = TransferSampler(seed=0)
    searched(sampler, 4, study_name="one", storage=storage)
    path = sampler.save(tmp_path / "agent.safetensors")
    searched(sampler, 2, study_name="one", storage=storage, load_if_exists=True)  # and is killed
    assert heard == []
    again = TransferSampler(path, seed=1)
    optuna.load_study(study_name="one", storage=storage, sampler=again).optimize(objective, n_trials=1)
    assert heard[0] == (
        "Study 'one' goes on with 6 finished trials: the sampler knows 4 of them, and learns from the others first."
    )
    assert learner_of(again).learned == 7
