"""What an agent keeps of every problem that it learned from, and what comes of it: portfolios, rehearsal."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, IntDistribution

from searchers import CONFIG, FAST
from transfernas import Agent, Choice, Problem, SearchSpace, TrainingConfig
from transfernas.integrations.optuna import TransferSampler
from transfernas.integrations.studies import learn_from_studies
from transfernas.learning.archive import (
    MOST_PROBLEMS,
    SIZE,
    WITH_NUMBERS,
    ArchivedProblem,
    archive_of_trials,
    archive_trials,
    merge_archives,
    merge_entries,
)
from transfernas.learning.learner import Learner, select, update_archive
from transfernas.learning.portfolio import Pick, portfolio, rate_trials
from transfernas.learning.rehearsal import rehearse
from transfernas.learning.scores import Score, TrialOutcome
from transfernas.spaces.condition import Config

SPACE = SearchSpace("s", [Choice("a", tuple(range(8))), Choice("b", ("x", "y", "z")), Choice("c", (0.1, 0.2, 0.3))])


def entry(task: str, *rows: tuple[Config, float], space: str = "s") -> ArchivedProblem:
    return archive_of_trials(space, task, ((config, {}, Score.of(reward)) for config, reward in rows))


def kept_of(agent: Agent) -> dict[tuple[str, str], list[tuple[Config, float]]]:
    learner = agent.learner
    found = archive_trials(learner.archive, learner.encoding, learner.replay, learner.queue)
    return {
        each.name: [(each.config(0, slot), float(each.scores.reward[0, slot])) for slot in range(int(each.count[0]))]
        for each in found
    }


def searched(agent: Agent, trials: int = 12) -> Agent:
    for _ in range(trials):
        trial = agent.ask()
        agent.tell(trial, float(trial.config["a"]) + len(str(trial.config["b"])))  # type: ignore[arg-type]
    return agent


@pytest.mark.thorough
@pytest.mark.parametrize("config", [CONFIG, FAST], ids=["paper", "fast"])
def test_nothing_is_lost_by_transfers_and_files(tmp_path: Path, config: TrainingConfig) -> None:
    agent = searched(Agent([Problem(SPACE, "0")], config, seed=0))
    for number in (1, 2):
        before = kept_of(agent)
        agent = Agent.load(searched(agent.transfer_to([Problem(SPACE, str(number))])).save(tmp_path / "agent"))
        after = kept_of(agent)
        assert {name: after[name] for name in before} == before and len(after) == number + 1
    best = [rewards for _, rewards in kept_of(agent)["s", "0"]]
    assert best == sorted(best, reverse=True) and len(best) <= 12
    assert agent.save(tmp_path / "one").read_bytes() == Agent.load(tmp_path / "one").save(tmp_path / "two").read_bytes()


@pytest.mark.thorough
def test_what_is_archived_already_is_not_gathered_again(tmp_path: Path) -> None:
    studies = []
    for number in range(3):
        study = optuna.create_study(study_name=str(number), sampler=optuna.samplers.RandomSampler(seed=number))
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 1, 9), n_trials=60)
        studies.append(study)
    learned, _ = learn_from_studies(None, studies, seed=0)
    agent = Agent.load(learned.save(tmp_path / "agent"))
    assert update_archive(agent.learner) is agent.learner
    assert len({entry.choices for entry in agent.learner.archive}) == 1  # the order of actions is the space's
    told = searched(Agent([Problem(SPACE, "0")], FAST, seed=0), 6)
    assert told.learner.archive == () and update_archive(told.learner).archived_at == 6
    assert update_archive(searched(told, 2).learner).archived_at == 8


@pytest.mark.usefixtures("quiet")
def test_learning_that_was_stopped_archives_what_was_learned_only() -> None:
    study = optuna.create_study(study_name="old", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=60)
    agent, report = learn_from_studies(None, [study], progress=lambda done, total: done < 20, seed=0)
    [kept], told = agent.learner.archive, agent.learner.replay
    assert 20 <= agent.learner.learned == report.trials < 60
    assert set(kept.scores.reward[0, : kept.count[0]]) <= set(told.scores.reward[0, : told.count])


@pytest.mark.thorough
def test_a_problem_that_is_searched_again_is_one() -> None:
    agent = searched(Agent([Problem(SPACE, "0")], FAST, seed=0), 6)
    again = searched(agent.transfer_to([Problem(SPACE, "0")], seed=1), 6)
    before, after = kept_of(agent)["s", "0"], kept_of(again)["s", "0"]
    assert len(kept_of(again)) == 1 and all(one in after for one in before)


def test_it_is_bounded_and_keeps_the_best_and_a_spread_of_the_others() -> None:
    rows = [({"a": a, "b": b}, float(100 * a + b)) for a, b in itertools.product(range(20), range(20))]
    found = entry("one", *rows)
    rewards = found.scores.reward[0].tolist()
    ranked = sorted((reward for _, reward in rows), reverse=True)
    assert len(rewards) == SIZE == found.count[0] and rewards[:32] == ranked[:32]
    others = [ranked.index(reward) for reward in rewards[32:]]
    assert others[0] == 32 and others[-1] == len(ranked) - 1 and max(np.diff(others)) - min(np.diff(others)) <= 1
    many = merge_archives([], (entry(str(number), ({"a": 1}, 0.0)) for number in range(MOST_PROBLEMS + 3)))
    assert [each.task for each in many] == [str(number) for number in range(3, MOST_PROBLEMS + 3)]


def test_entries_of_one_problem_are_merged_by_configuration() -> None:
    first = archive_of_trials(
        "s", "t", [({"a": 1, "b": "x"}, {"a": 1.25}, Score.of(2.0)), ({"a": 2}, {}, Score.of(1.0))]
    )
    second = archive_of_trials(
        "s", "t", [({"b": "x", "a": 1}, {}, Score.of(3.0)), ({"c": True, "a": 9}, {}, Score.of(2.5))]
    )
    third = archive_of_trials(
        "s", "t", [({"a": 2}, {"a": 2.5}, Score.of(1.0)), ({"c": 1}, {}, Score(TrialOutcome.PRUNED, 9.0))]
    )
    both = merge_entries([first, second, third])
    assert [both.config(0, slot) for slot in range(int(both.count[0]))] == [
        {"a": 1, "b": "x"},
        {"a": 9, "c": True},
        {"a": 2},
        {"c": 1},
    ]
    assert both.scores.reward[0].tolist() == [3.0, 2.5, 1.0, 9.0]
    assert [both.numbers(0, slot) for slot in range(4)] == [{}, {}, {"a": 2.5}, {}]
    assert type(both.config(0, 1)["c"]) is bool and type(both.config(0, 3)["c"]) is int
    with pytest.raises(ValueError, match="no action"):
        both.choices[0].index("none")


def test_replicas_are_kept_apart() -> None:
    agent = searched(Agent([Problem(SPACE, "0")], FAST, seed=0), 5)
    learner = rehearse(agent.learner)
    assert kept_of(Agent.of(select(learner, 0))) == kept_of(agent)


def test_one_earlier_problem_gives_its_best_in_order() -> None:
    one = entry("t", *(({"a": number}, float(-number)) for number in range(9)))
    assert portfolio([one], 0, [0], 4) == [Pick(0, slot) for slot in range(4)]
    assert portfolio([one], 0, [], 4) == []


def test_each_next_trial_adds_most_to_the_mean_over_the_problems() -> None:
    """On problems that share all configurations it is the greedy portfolio, found here by hand."""
    worth = {"w": (1.0, 0.0, 0.9), "x": (0.0, 1.0, 0.9), "y": (0.1, 0.1, 1.0), "z": (0.0, 0.0, 0.0)}
    tasks = [
        entry(str(task), *(({"a": name, "b": name, "c": name}, row[task]) for name, row in worth.items()))
        for task in range(3)
    ]
    values = np.stack([rate_trials(each, 0) for each in tasks])
    assert values.max() == 1 and values.min() == 0
    found = portfolio(tasks, 0, [0, 1, 2], 3)
    names = [tasks[pick.entry].config(0, pick.slot)["a"] for pick in found]
    true = {
        name: np.array([rate_trials(each, 0)[[each.config(0, s)["a"] for s in range(4)].index(name)] for each in tasks])
        for name in worth
    }
    expected, best = list[str](), np.zeros(3)
    while len(expected) < 3:
        left = [name for name in worth if name not in expected]
        name = max(left, key=lambda name: np.maximum(best, true[name]).mean())
        expected.append(name)
        best = np.maximum(best, true[name])
    assert names == expected


def test_the_middle_of_what_is_kept_is_worth_nothing_and_the_best_is_worth_all() -> None:
    np.testing.assert_allclose(rate_trials(entry("t", *(({"a": n}, float(n)) for n in range(5))), 0), [1, 0.5, 0, 0, 0])
    same = rate_trials(entry("t", *(({"a": n}, 1.0) for n in range(4))), 0)
    assert same.tolist() == [1.0, 0.75, 0.5, 0.25]  # where all are as good the order is all there is
    failed = archive_of_trials(
        "s", "t", [({"a": 1}, {}, Score(TrialOutcome.FAILED, 0.0)), ({"a": 2}, {}, Score(TrialOutcome.PRUNED, 3.0))]
    )
    assert rate_trials(failed, 0).tolist() == [1.0, 0.5]


@pytest.mark.thorough
def test_what_was_learned_first_is_rehearsed_before_a_transfer() -> None:
    """Three searches in a row of which the first says something that the others do not."""

    def told(agent: Agent, first: bool) -> Agent:
        rng = np.random.default_rng(0)
        configs: list[Config] = [{"a": int(rng.integers(8)), "b": "xyz"[rng.integers(3)], "c": 0.1} for _ in range(60)]
        problem = agent.problems[0]
        agent.learn_from([(problem, c, float(c["b"] == "x") if first else float(c["a"])) for c in configs])  # type: ignore[arg-type]
        return agent

    config = TrainingConfig().with_changes({"rule.updates": 2})
    agent = told(Agent([Problem(SPACE, "0")], config, seed=0), first=True)
    for number in (1, 2):
        agent = told(agent.transfer_to([Problem(SPACE, str(number))]), first=False)
    assert rehearse(agent.learner).state is not agent.learner.state

    def share(learner: Learner) -> float:
        following = Agent.of(dataclasses.replace(learner, archive=())).transfer_to([Problem(SPACE, "new")], seed=3)
        asked = [following.ask().config for _ in range(16)]
        return float(np.mean([one["b"] == "x" for one in asked]))

    assert share(rehearse(agent.learner)) > share(agent.learner)


def objective(trial: optuna.Trial) -> float:
    rate, depth = trial.suggest_float("rate", 1e-4, 1.0, log=True), trial.suggest_int("depth", 1, 400)
    kind = trial.suggest_categorical("kind", ("a", "b"))
    return abs(np.log10(rate) + 2.2) + abs(depth - 137) / 100 + (kind == "a")


def wider(trial: optuna.Trial) -> float:
    return objective(trial) + trial.suggest_float("drop", 0.0, 0.9)


@pytest.mark.thorough
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("way", ["sampler", "file", "studies"])
def test_the_first_trial_of_the_next_study_is_the_best_one_of_the_last(tmp_path: Path, way: str) -> None:
    """To the digit, though the agent thinks in bins; what is new is what `fill` says."""
    sampler = TransferSampler(seed=0)
    study = optuna.create_study(study_name="old", sampler=sampler)
    study.optimize(objective, n_trials=25)
    if way == "sampler":
        following = TransferSampler(sampler.agent, seed=1, fill={"drop": 0.1})
    elif way == "file":
        following = TransferSampler(sampler.save(tmp_path / "agent"), seed=1, fill={"drop": 0.1})
    else:
        following = TransferSampler(learn_from_studies(None, [study])[0], seed=1, fill={"drop": 0.1})
    again = optuna.create_study(study_name="new", sampler=following)
    again.optimize(wider, n_trials=12)
    first = again.trials[0].params
    assert {name: first[name] for name in study.best_params} == study.best_params
    assert 0.0 <= first["drop"] < 0.2  # the bin of 0.1
    ranked = sorted(study.trials, key=lambda trial: trial.value or 0.0)[:WITH_NUMBERS]
    asked = [{k: v for k, v in trial.params.items() if k != "drop"} for trial in again.trials]
    assert sum(trial.params in asked for trial in ranked) >= 2


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("depth", [13, 14, 24, 44, 78])
def test_a_number_that_gives_its_bin_the_name_comes_back_too(depth: int) -> None:
    """Several numbers share a bin, which one of them names: the first trial has the number that was best."""
    study = optuna.create_study(study_name="old")
    ranges: dict[str, BaseDistribution] = {"depth": IntDistribution(2, 256, log=True)}
    for value, number in ((0.0, depth), (1.0, 100)):
        study.add_trial(optuna.trial.create_trial(params={"depth": number}, distributions=ranges, value=value))
    following = optuna.create_study(study_name="new", sampler=TransferSampler(learn_from_studies(None, [study])[0]))
    assert following.ask().suggest_int("depth", 2, 256, log=True) == depth
