"""Workers and threads under the sampler for Optuna: what runs elsewhere is not proposed; copies are of one moment."""

import copy
import pickle
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from searchers import FAST
from transfernas import Agent, Choice, Problem, RandomSearch, RegularizedEvolution, SearchSpace
from transfernas.integrations.optuna import ATTRIBUTE, TransferSampler
from transfernas.integrations.studies import learn_from_studies
from transfernas.searcher import Searcher

pytestmark = pytest.mark.usefixtures("quiet")


def categories(trial: optuna.Trial) -> tuple[object, ...]:
    return tuple(trial.suggest_categorical(f"c{number}", (0, 1, 2, 3)) for number in range(3))


def numbers(trial: optuna.Trial) -> tuple[object, ...]:
    return tuple(trial.suggest_int(f"k{number}", 0, 4) for number in range(3))


def conditional(trial: optuna.Trial) -> tuple[object, ...]:
    kind = trial.suggest_categorical("kind", ("a", "b"))
    return kind, *(trial.suggest_int(f"{kind}{number}", 0, 5) for number in range(2))


def storages(folder: Path) -> Iterator[BaseStorage]:
    yield InMemoryStorage()
    yield RDBStorage(f"sqlite:///{folder / 'studies.db'}")
    yield JournalStorage(JournalFileBackend(str(folder / "journal.log")))


@pytest.mark.thorough
@pytest.mark.parametrize("same_seed", [True, False])
@pytest.mark.parametrize("ask", [categories, numbers, conditional])
def test_workers_do_not_propose_what_runs_elsewhere(
    ask: Callable[[optuna.Trial], tuple[object, ...]], same_seed: bool
) -> None:
    storage, proposed = InMemoryStorage(), list[tuple[object, ...]]()
    optuna.create_study(storage=storage, study_name="one")
    workers = [
        optuna.load_study(study_name="one", storage=storage, sampler=TransferSampler(seed=7 if same_seed else seed))
        for seed in range(4)
    ]
    for _ in range(8):
        trials = [worker.ask() for worker in workers]
        at_once = [ask(trial) for trial in trials]
        assert len(set(at_once)) == len(at_once)
        proposed += at_once
        for worker, trial, values in zip(workers, trials, at_once, strict=True):
            worker.tell(trial, float(sum(value for value in values if isinstance(value, int))))
    assert len(set(proposed)) == len(proposed)


@pytest.mark.thorough
def test_what_runs_is_seen_in_every_storage(tmp_path: Path) -> None:
    for storage in storages(tmp_path):
        optuna.create_study(storage=storage, study_name="one")
        workers = [
            optuna.load_study(study_name="one", storage=storage, sampler=TransferSampler(seed=0, learn=learn))
            for learn in (True, True, False)
        ]
        for _ in range(3):
            trials = [worker.ask() for worker in workers]
            assert len({numbers(trial) for trial in trials}) == 3
            for worker, trial in zip(workers, trials, strict=True):
                worker.tell(trial, 1.0)


@pytest.fixture(scope="module")
def taught() -> Agent:
    """An agent that learned from a study of two numbers and a category."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    sampler = TransferSampler(seed=0, config=FAST)
    study = optuna.create_study(study_name="earlier", sampler=sampler)
    study.optimize(distance, n_trials=14)
    return sampler.agent


def distance(trial: optuna.Trial) -> float:
    kind = trial.suggest_categorical("kind", ("a", "b"))
    return abs(trial.suggest_float("x", 0.0, 1.0) - 0.4) + abs(trial.suggest_float("y", 0.0, 1.0) - 0.6) + (kind == "a")


def number_of(trial: optuna.Trial | optuna.trial.FrozenTrial) -> tuple[float, float]:
    return trial.params["x"], trial.params["y"]


def begun(agent: Agent, order: Sequence[int], count: int) -> list[optuna.Trial]:
    """Trials of workers that begin before any of them asks. They ask for one parameter at a time, in an order."""
    storage = InMemoryStorage()
    optuna.create_study(storage=storage, study_name="one")
    trials = [
        optuna.load_study(study_name="one", storage=storage, sampler=TransferSampler(agent, seed=seed)).ask()
        for seed in range(count)
    ]
    kind, number = ("kind", ("a", "b")), (0.0, 1.0)
    asks: list[Iterator[Callable[[], object]]] = [
        iter((partial(one.suggest_categorical, *kind), *(partial(one.suggest_float, name, *number) for name in "xy")))
        for one in trials
    ]
    for worker in order:
        next(asks[worker])()
    return trials


@pytest.mark.thorough
@pytest.mark.parametrize("order", [(0, 1) * 3, (1, 0) * 3, (0, 0, 0, 1, 1, 1), (1, 1, 1, 0, 0, 0), (0, 1, 1, 0, 0, 1)])
def test_workers_that_begin_at_once_try_the_earlier_configurations_in_turn(taught: Agent, order: Sequence[int]) -> None:
    assert [*map(number_of, begun(taught, order, 2))] == best_of(taught)[:2]


@pytest.mark.thorough
def test_of_many_workers_that_begin_at_once_none_repeats_another_one(taught: Agent) -> None:
    order = [number for number in reversed(range(12)) for _ in range(3)]
    trials = begun(taught, order, 12)
    best = best_of(taught)
    assert len(best) >= 8 and [*map(number_of, trials[: len(best)])] == best
    assert len({tuple(trial.params.values()) for trial in trials}) == 12


@pytest.mark.thorough
def test_the_configuration_of_a_worker_that_died_at_its_begin_is_tried_later(taught: Agent) -> None:
    first, second, *_ = best_of(taught)
    study = optuna.create_study(sampler=TransferSampler(taught, seed=0))
    study.ask()  # its worker dies
    study.optimize(distance, n_trials=2)
    assert [*map(number_of, study.trials[1:])] == [second, first]


@pytest.mark.thorough
def test_a_running_configuration_is_not_repeated_by_a_worker_that_does_not_know_its_parameters() -> None:
    def ask(trial: optuna.Trial) -> float:
        shared = trial.suggest_float("x", 0.0, 1.0) + trial.suggest_float("y", 0.0, 1.0)
        return shared + trial.suggest_float(f"of {trial.suggest_categorical('kind', ('a', 'b'))}", 0.0, 1.0)

    earlier, number = optuna.create_study(study_name="earlier"), optuna.distributions.FloatDistribution(0.0, 1.0)
    kinds = optuna.distributions.CategoricalDistribution(("a", "b"))
    for value, kind in enumerate("baaa"):
        params = {"x": 0.1 + 0.2 * value, "y": 0.2 + 0.2 * value, "kind": kind, f"of {kind}": 0.9 - 0.2 * value}
        distributions: dict[str, BaseDistribution] = {name: kinds if name == "kind" else number for name in params}
        earlier.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=float(value)))
    agent, _ = learn_from_studies(None, [earlier], config=FAST)
    named = set[str]()
    for seed in range(4):
        storage = InMemoryStorage()
        optuna.create_study(storage=storage, study_name="one")
        first, second = (
            optuna.load_study(study_name="one", storage=storage, sampler=TransferSampler(agent, seed=seed + worker))
            for worker in range(2)
        )
        ask(first.ask())  # which runs on, with "of b"
        second.optimize(ask, n_trials=2)
        assert [trial.params for trial in second.trials[:2]] == [trial.params for trial in earlier.trials[:2]]
        assert second.trials[2].params != earlier.trials[0].params
        named.add(second.trials[2].user_attrs[ATTRIBUTE]["name"])
    assert "warm start from earlier" in named


def best_of(agent: Agent) -> list[tuple[float, float]]:
    """The numbers of the ten best trials of an agent's only problem, best first; equal actions are there once."""
    (entry,) = agent.learner.archive
    found = (entry.numbers(0, slot) for slot in range(int(entry.count[0])))
    return [(numbers["x"], numbers["y"]) for numbers in found if numbers]


def test_workers_with_one_seed_draw_numbers_of_their_own() -> None:
    storage = InMemoryStorage()
    optuna.create_study(storage=storage, study_name="one")
    drawn = []
    for _ in range(4):
        study = optuna.load_study(study_name="one", storage=storage, sampler=TransferSampler(seed=0))
        drawn.append(study.ask().suggest_float("x", 0, 1))
    assert len(set(drawn)) == 4


@pytest.mark.thorough
def test_what_a_dead_worker_left_is_no_harm() -> None:
    study = optuna.create_study(sampler=TransferSampler(seed=0))
    for _ in range(3):
        numbers(study.ask())  # its worker dies
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 3
    odd = study.ask()
    odd.suggest_int("k0", 0, 100)  # which the others never had
    odd.suggest_categorical("new", ("a", "b"))
    study.optimize(lambda trial: float(trial.suggest_int("k1", 0, 4)), n_trials=6)
    assert [trial.state for trial in study.trials[4:]] == [TrialState.COMPLETE] * 6


@pytest.mark.parametrize("value", [10**400, "many", (1.0, 2.0), object(), b"1"])
def test_what_no_objective_may_return_harms_no_later_trial(value: object) -> None:
    """Optuna itself leaves some of these trials running, under TPE too."""
    states = []
    for sampler in (TransferSampler(seed=0), optuna.samplers.TPESampler(seed=0)):
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
        try:
            study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), value)[1], n_trials=1)  # type: ignore[arg-type, return-value]
        except Exception as error:
            states.append(type(error).__name__)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
        states.append(str([trial.state for trial in study.trials]))
    assert states[: len(states) // 2] == states[len(states) // 2 :]


@pytest.fixture
def racing() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


COPIES: tuple[Callable[[object], object], ...] = (
    copy.deepcopy,
    copy.copy,
    lambda value: pickle.loads(pickle.dumps(value)),
)


@pytest.mark.thorough
@pytest.mark.usefixtures("racing")
@pytest.mark.parametrize("copied", COPIES)
def test_a_sampler_is_copied_while_threads_use_it(copied: Callable[[object], object]) -> None:
    sampler = TransferSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    copies = list[TransferSampler]()

    def objective(trial: optuna.Trial) -> float:
        return sum((trial.suggest_float(f"x{number}", 0, 1) - 0.3) ** 2 for number in range(4))

    def keep(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        found = copied(study.sampler)
        assert isinstance(found, TransferSampler)
        copies.append(found)

    study.optimize(objective, n_trials=24, n_jobs=4, callbacks=[keep])
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 24 and len(copies) == 24
    for found in copies:
        agent = found.agent
        assert agent.learner.learned == agent.learner.replay.count == sum(map(agent.processed.count, agent.processed))
    copies[-1].agent  # noqa: B018  (it goes on)
    other = optuna.create_study(sampler=copies[0])
    other.optimize(objective, n_trials=2)
    assert sampler.agent.learner.learned == 24


@pytest.mark.thorough
@pytest.mark.usefixtures("racing")
@pytest.mark.parametrize("new", [Agent, RandomSearch, RegularizedEvolution])
def test_searchers_are_copied_while_threads_use_them(new: Callable[[list[Problem]], Searcher]) -> None:
    searcher = new(
        [Problem(SearchSpace("cnn", [Choice("filters", tuple(range(40))), Choice("kernel", (3, 5))]), "digits")]
    )
    errors, done = list[BaseException](), threading.Event()

    def search() -> None:
        try:
            while not done.is_set():
                for trial in searcher.ask(3):
                    searcher.tell(trial, 1.0)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(6):
            found = COPIES[number % 3](searcher)
            assert isinstance(found, Searcher)
            asked, opened = found._asked, len(found.open_trials)
            if isinstance(found, Agent):
                assert found.learner.learned == found.learner.replay.count <= asked - opened
            found.tell(found.ask(), 1.0)
            assert found._asked == asked + 1 and len(found.open_trials) == opened
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not errors
