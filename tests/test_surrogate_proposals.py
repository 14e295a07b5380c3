"""The Gaussian process among the proposers of an agent with declared problems."""

import copy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from transfernas import Agent, Choice, Problem, ProposalConfig, Range, SearchSpace, SurrogateConfig, TrainingConfig
from transfernas.learning.bandit import NOBODY, SURROGATE
from transfernas.learning.learner import select
from transfernas.learning.surrogate_proposals import BEST, LATEST, SPREAD
from transfernas.spaces.condition import Config

STEPS = tuple(round(0.05 * at, 2) for at in range(21))
SPACE = SearchSpace(
    "space",
    [
        Choice("x", STEPS),
        Choice("kind", ("a", "b", "c")),
        Choice("y", STEPS, when={"kind": ("a", "c")}),
        Choice("z", STEPS),
    ],
)
PROBLEM = Problem(SPACE, "task")


def reward(config: Config) -> float:
    own = (config["y"] - 0.8) ** 2 if "y" in config else 0.3  # type: ignore[operator]
    return -((config["x"] - 0.3) ** 2) - own - (config["z"] - 0.6) ** 2 - 0.1 * (config["kind"] == "c")  # type: ignore[operator]


def searched(agent: Agent, trials: int) -> list[Config]:
    configs = []
    for _ in range(trials):
        trial = agent.ask()
        agent.tell(trial, reward(trial.config))
        configs.append(trial.config)
    return configs


def proposers(agent: Agent) -> list[int]:
    return agent.learner.replay.proposer[0, : agent.learner.replay.count].tolist()


@pytest.fixture(scope="module")
def old() -> Agent:
    """An agent after a search of 31 trials."""
    agent = Agent([PROBLEM], seed=1)
    searched(agent, 31)
    return agent


@pytest.mark.thorough
def test_the_process_proposes_three_of_four_trials_from_the_ninth_on(old: Agent) -> None:
    found = [at for at, who in enumerate(proposers(old)) if who == SURROGATE]
    assert found[:8] == [8, 9, 10, 12, 13, 14, 16, 17]
    assert not any(at % 4 == 3 for at in found)  # none where all promise too little
    configs = [tuple(one.config.items()) for one in old.top()]
    assert len(set(configs)) == len(configs)


def noisily_searched(agent: Agent, trials: int, seed: int) -> list[Config]:
    rng, configs = np.random.default_rng(seed), []
    for _ in range(trials):
        trial = agent.ask()
        agent.tell(trial, reward(trial.config) + 0.3 * float(rng.standard_normal()))
        configs.append(trial.config)
    return configs


@pytest.mark.parametrize("ranges", [False, True])
@pytest.mark.thorough
def test_under_noise_the_expected_best_is_better_than_the_best_single_trial(ranges: bool, tmp_path: Path) -> None:
    found, numbers = [], Range(0.0, 1.0) if ranges else STEPS
    problem = Problem(SearchSpace("s", [Choice(n, numbers) for n in "xyz"] + [Choice("kind", ("a", "c"))]), "task")
    for seed in range(6):
        agent = Agent([problem], seed=seed)
        configs = noisily_searched(agent, 50, seed)
        best, lucky = agent.expected_best(), agent.best()
        assert best is not None and lucky is not None and best.deviation > 0 and best.number is None
        assert best.params in configs
        off = abs(best.value - reward(best.params)), abs(lucky.reward - reward(lucky.config))
        found.append([reward(best.params), reward(lucky.config), *off])
        assert best.best_value <= best.value
    truly, luckily, off_expected, off_lucky = np.mean(found, axis=0)
    assert truly > luckily and off_expected < 0.8 * off_lucky
    assert Agent.load(agent.save(tmp_path / "agent.safetensors")).expected_best() == best


@pytest.mark.thorough
def test_to_ask_for_the_expected_best_changes_nothing() -> None:
    found = []
    for asks in (False, True):
        agent = Agent([PROBLEM], seed=4)
        searched(agent, 9)
        if asks:
            best = agent.expected_best()
            assert best is not None and best.value == pytest.approx(reward(best.params), abs=0.3)
        found.append(searched(agent, 9))
    assert found[0] == found[1]


def test_where_nothing_was_told_nothing_is_expected() -> None:
    agent = Agent([PROBLEM, Problem(SPACE, "other")], seed=4)
    assert agent.expected_best(PROBLEM) is None
    agent.tell(agent.ask(), failed=True)
    assert agent.expected_best(PROBLEM) is None
    with pytest.raises(ValueError, match=r"say which, as in agent.expected_best\(problem\)"):
        agent.expected_best()
    with pytest.raises(ValueError, match="proposal.surrogate=SurrogateConfig"):
        Agent([PROBLEM], TrainingConfig.paper()).expected_best()


@pytest.mark.thorough
def test_settings_say_when_the_process_proposes() -> None:
    surrogate = SurrogateConfig(first=3, every=3)
    agent = Agent([PROBLEM], TrainingConfig(proposal=ProposalConfig(surrogate=surrogate)), seed=1)
    searched(agent, 12)
    assert [at for at, who in enumerate(proposers(agent)) if who == SURROGATE] == [3, 4, 6, 7, 9, 10]
    reinforce = TrainingConfig.paper(proposal=ProposalConfig(best_of=None, repeats=True))  # keeps trials for it alone
    agent = Agent([PROBLEM], reinforce, seed=1)
    searched(agent, 12)
    assert SURROGATE in proposers(agent)
    for config in (TrainingConfig(proposal=ProposalConfig(surrogate=None)), TrainingConfig.paper()):
        agent = Agent([PROBLEM], config, seed=1)
        searched(agent, 12)
        assert SURROGATE not in proposers(agent)


def test_a_space_of_categories_has_no_process() -> None:
    space = SearchSpace(
        "cells", [Choice("first", ("a", "b", "c")), Choice("second", (1, 2)), Choice("third", (1, 2, 3))]
    )
    agent = Agent([Problem(space, "task")], seed=1)
    for number in range(14):
        agent.tell(agent.ask(), float(number % 5))
    assert SURROGATE not in proposers(agent)


@pytest.mark.thorough
def test_the_process_finds_better_configurations() -> None:
    without = TrainingConfig(proposal=ProposalConfig(surrogate=None))
    best = {"with": list[float](), "without": list[float]()}
    for seed in range(4):
        for name, config in (("with", None), ("without", without)):
            agent = Agent([PROBLEM], config, seed=seed)
            searched(agent, 40)
            top = agent.best()
            assert top is not None
            best[name].append(top.reward)
    assert np.mean(best["with"]) > 0.7 * np.mean(best["without"])  # rewards are below 0


@pytest.mark.thorough
def test_earlier_problems_propose_from_the_fifth_trial_on(old: Agent) -> None:
    agent = old.transfer_to([Problem(SPACE, "another")], seed=5)
    searched(agent, 10)
    found = [at for at, who in enumerate(proposers(agent)) if who == SURROGATE]
    assert found == [4, 5, 6, 8, 9]


def test_open_trials_are_told_apart_and_none_is_proposed_twice(old: Agent) -> None:
    agent = copy.deepcopy(old)
    before = {tuple(one.items()) for one in (trial.config for trial in agent.top())}
    trials = agent.ask(24)
    configs = [tuple(trial.config.items()) for trial in trials]
    assert len(set(configs)) == 24 and not before & set(configs)
    # The process does not crowd around one point while it knows nothing of the others.
    proposed = [trial.config["x"] for trial in trials]
    assert len(set(proposed)) > 4


def test_what_is_invalid_or_evaluated_is_not_proposed() -> None:
    refused = list[Config]()

    def valid(config: Config) -> bool:
        accepted = config["x"] >= 0.5  # type: ignore[operator]
        if not accepted:
            refused.append(config)
        return accepted

    agent = Agent(
        [Problem(SPACE, "task", valid=valid, key=lambda config: (config["x"], config.get("y"), config["z"]))], seed=2
    )
    configs = searched(agent, 30)
    assert refused and all(config["x"] >= 0.5 for config in configs)  # type: ignore[operator]
    assert len({(config["x"], config.get("y"), config["z"]) for config in configs}) == 30
    assert proposers(agent).count(SURROGATE) >= 8


def test_a_failed_trial_is_not_proposed_again() -> None:
    """Nothing is learned from a failure, so that the process would propose the same configuration forever."""
    agent = Agent([PROBLEM], seed=1)
    searched(agent, 8)
    failed = set()
    for _ in range(12):
        trial = agent.ask()
        config = tuple(trial.config.items())
        if agent.open_trials and agent._now.open[trial.number].kept.proposer == SURROGATE:
            assert config not in failed
            failed.add(config)
        agent.tell(trial, failed=True)
    assert len(failed) == 9  # three of four trials, as if the others had not failed


def test_the_users_functions_run_without_the_guards_of_the_process() -> None:
    """They may wait for another search, which needs the guards too, and see the settings of their caller."""
    inner, seen = Agent([PROBLEM], seed=7), list[object]()
    searched(inner, 8)

    def valid(config: Config) -> bool:
        if not seen:
            with ThreadPoolExecutor(1) as pool:
                seen.append(pool.submit(inner.ask).result(60))  # by the process of the other agent
        seen.append(np.geterr()["divide"])
        return True

    agent = Agent([Problem(SPACE, "task")], seed=1)
    searched(agent, 8)
    with np.errstate(divide="raise"):
        outer = Agent([Problem(SPACE, "task", valid=valid)], seed=1)
        outer.learn_from([(PROBLEM, trial.config, trial.reward) for trial in agent.top()])
        trial = outer.ask()
    assert outer._now.open[trial.number].kept.proposer == SURROGATE
    assert len(seen) >= 2 and set(seen[1:]) == {"raise"}


@pytest.mark.thorough
def test_a_huge_penalty_does_not_blind_the_process() -> None:
    for penalty in (-1e12, -1e170, -1e300, -float(np.finfo(float).max)):
        agent = Agent([PROBLEM], seed=3)
        for _ in range(30):
            trial = agent.ask()
            agent.tell(trial, penalty if trial.config["x"] > 0.7 else reward(trial.config))  # type: ignore[operator]
        best = agent.best()
        assert best is not None and best.reward > -0.006, penalty
        assert proposers(agent).count(SURROGATE) >= 8, penalty


@pytest.mark.thorough
def test_a_search_goes_on_from_a_file_to_the_bit(tmp_path: Path) -> None:
    agent = Agent([PROBLEM], seed=4)
    searched(agent, 12)
    agent.tell(agent.ask(), failed=True)
    opened = agent.ask()
    loaded = Agent.load(agent.save(tmp_path / "agent.safetensors"))
    assert [t.config for t in loaded.open_trials] == [opened.config]
    assert searched(loaded, 12) == searched(agent, 12)
    assert loaded.save(tmp_path / "loaded").read_bytes() == agent.save(tmp_path / "agent").read_bytes()


def test_a_copy_and_its_original_do_not_disturb_each_other(old: Agent) -> None:
    one, other = copy.deepcopy(old), copy.deepcopy(old)
    trial = other.ask()
    other.tell(trial, 3.0)
    searched(other, 6)
    expected = searched(copy.deepcopy(old), 6)
    assert searched(one, 6) == expected


def test_each_replica_has_its_own_process(old: Agent) -> None:
    agent = Agent.of(select(old.learner, 0))
    assert searched(agent, 4)
    assert agent.learner.surrogate_cache is not old.learner.surrogate_cache


def test_a_long_search_has_a_bounded_process() -> None:
    space = SearchSpace("long", [Choice(f"number {at}", STEPS) for at in range(3)])
    problem = Problem(space, "task")
    rng = np.random.default_rng(0)
    configs = [{choice.name: STEPS[rng.integers(21)] for choice in space.choices} for _ in range(400)]
    agent = Agent([problem], seed=1)
    agent.learn_from([(problem, config, -sum(value**2 for value in config.values())) for config in configs])
    assert agent.learner.replay.count > BEST + LATEST + SPREAD
    trial = agent.ask()
    assert agent._now.open[trial.number].kept.proposer == SURROGATE
    assert sum(trial.config.values()) < 0.5  # type: ignore[arg-type]
    assert set(proposers(agent)) == {NOBODY}
