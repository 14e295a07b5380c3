"""What is better: any two doubles are told apart, and what came to no finite value stands where it belongs."""

import itertools
import math
import sys
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from kept import REPLICAS, STEPS, told
from strategies import quick
from transfernas import BanditConfig, Preferences, TrainingConfig
from transfernas.define_by_run.learner import winsorise
from transfernas.define_by_run.trials import FinishedTrial, TopTrials
from transfernas.integrations.optuna.trials import score_of
from transfernas.integrations.studies import learn_from_studies
from transfernas.learning.bandit import NEW_POLICY, TRANSFERRED
from transfernas.learning.preferences import draw_pairs
from transfernas.learning.replay import ReplayBuffer
from transfernas.learning.scores import Score, Scores, TrialOutcome
from transfernas.learning.thompson import ProposerBandit

MOST = sys.float_info.max
# Best first: neighbours are the nearest doubles, or of a size that single precision does not hold.
ORDERED = [
    *(math.inf, MOST, np.nextafter(MOST, 0), 1e300, 2e38, 1e38, 1e37, np.nextafter(1e37, 0), 1e9 + 1, 1e9, 5e-324),
    *(0.0, -5e-324, -1e9, -1e9 - 1e-6, -1e36, -1e37, -1e38, -1e300, -MOST, -math.inf),
]
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCORES = st.builds(Score, st.sampled_from(TrialOutcome), FINITE)


@quick
@given(st.lists(SCORES, min_size=1, max_size=30))
def test_arrays_of_scores_are_in_the_order_of_scores(scores: list[Score]) -> None:
    whole = Scores(np.array([s.outcome for s in scores], np.int32), np.array([s.reward for s in scores]))
    order = sorted(range(len(scores)), key=lambda at: scores[at], reverse=True)
    assert whole.best_first().tolist() == order
    for left, right in itertools.product(range(len(scores)), repeat=2):
        assert bool(whole.at(left).above(whole.at(right))) == (scores[left] > scores[right])
    best = TopTrials()
    for at, score in enumerate(scores):
        best = best.with_trial(FinishedTrial(score, {"c": at}, {"c": at}))
    assert [each.actions["c"] for each in best.trials] == order[:20]
    assert [each.score for each in TopTrials.from_json(best.to_json()).trials] == [each.score for each in best.trials]


@quick
@given(st.lists(st.floats(allow_nan=False), min_size=2, max_size=10))
def test_rewards_that_may_be_infinite_keep_their_order(rewards: list[float]) -> None:
    for left, right in itertools.pairwise(rewards):
        assert (Score.of(left) > Score.of(right)) == (left > right)
        assert (Score.of(left) == Score.of(right)) == (left == right)
        assert all(math.isfinite(Score.of(each).reward) for each in (left, right))


def test_no_score_is_not_a_number() -> None:
    with pytest.raises(ValueError, match="a reward is a number, not nan"):
        Score.of(math.nan)


def test_the_order_of_all_doubles_is_learned() -> None:
    """Every pair weighs 1, and its better trial is the better one."""
    finite = [float(reward) for reward in ORDERED if math.isfinite(reward)]
    replay = ReplayBuffer.empty(REPLICAS, STEPS)
    for number in np.random.default_rng(0).permutation(len(finite)).tolist():
        replay = told(replay, number, reward=finite[number])
    rule = Preferences(updates=50, pairs=16, good_share=1.0)
    pairs = draw_pairs(replay, np.zeros(2, int), np.random.default_rng(0), rule)
    assert (pairs.weight == 1).all() and set(pairs.better.task[0].ravel().tolist()) == set(range(len(finite) - 1))
    assert (pairs.better.task[0] < pairs.worse.task[0]).all()
    assert (pairs.better.task[1] < pairs.worse.task[1]).all()  # there all are negative, numbers and rewards


@pytest.mark.parametrize(("earlier", "later"), list(itertools.pairwise(map(float, ORDERED[1:-1]))))
def test_the_bandit_compares_doubles(earlier: float, later: float) -> None:
    replay = told(ReplayBuffer.empty(REPLICAS, STEPS), 1, reward=earlier, proposer=TRANSFERRED)
    scores = Scores.of(np.array([later, -later]))
    bandit = ProposerBandit.of(2, 1).update(np.zeros(2, int), np.full(2, NEW_POLICY), scores, replay, BanditConfig())
    assert bandit.wins[:, 0, NEW_POLICY].tolist() == [0, 1] and bandit.wins[:, 0, TRANSFERRED].tolist() == [1, 0]


def trial(state: TrialState, value: float | None = None, number: int = 0, step: int | None = None) -> FrozenTrial:
    steps = {} if step is None else {step: 0.0}
    options = CategoricalDistribution(range(40))
    return create_trial(
        state=state, value=value, params={"c": number}, distributions={"c": options}, intermediate_values=steps
    )


def trials_best_first(sign: int) -> list[FrozenTrial]:
    """What a study may hold: every trial is better than the next one."""
    complete = [trial(TrialState.COMPLETE, sign * float(reward), at) for at, reward in enumerate(ORDERED)]
    pruned = [trial(TrialState.PRUNED, 1.0, len(ORDERED) + at, step) for at, step in enumerate((9, 3, None))]
    return [*complete[:-1], *pruned, complete[-1], trial(TrialState.FAIL, number=39)]


@pytest.mark.parametrize("sign", [1, -1], ids=["maximise", "minimise"])
def test_the_trials_of_a_study_are_in_order(sign: int) -> None:
    scores = [score_of(each, sign, "worst") for each in trials_best_first(sign)]
    assert all(score is not None for score in scores)
    for better, worse in itertools.pairwise(score for score in scores if score is not None):
        assert better > worse
    assert score_of(trial(TrialState.FAIL), sign, "ignore") is None


@pytest.mark.parametrize("sign", [1, -1], ids=["maximise", "minimise"])
def test_an_agent_that_learned_from_a_study_knows_the_order(sign: int, quiet: None) -> None:
    study = optuna.create_study(direction="maximize" if sign > 0 else "minimize")
    expected = trials_best_first(sign)
    study.add_trials([expected[at] for at in np.random.default_rng(1).permutation(len(expected))])
    agent, _ = learn_from_studies(
        None, [study], on_failure="worst", config=TrainingConfig().with_changes({"queue.size": 40})
    )
    top = agent.top()
    assert [each.config["c"] for each in top] == [each.params["c"] for each in expected]
    assert [each.reward for each in top] == [*map(float, ORDERED[:-1]), *[-math.inf] * 5]


REWARDS: list[list[float]] = [
    [1.0, 2.0, 3.0, 4.0],
    [-MOST, MOST, 0.0, 1.0],
    [MOST] * 4,
    [1e-320, 2e-320, 0.0, -1e-320],
    [1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9],
    [0.0],
]


@pytest.mark.parametrize("rewards", REWARDS, ids=str)
def test_what_reinforce_follows_is_in_order_and_small(rewards: list[float]) -> None:
    followed = [winsorise(Score.of(reward), rewards) for reward in sorted(rewards)]
    assert followed == sorted(followed) and all(-0.25 <= each <= 1.25 for each in followed)
    ends: list[Any] = [
        Score(TrialOutcome.FAILED, 0.0),
        Score(TrialOutcome.PRUNED, 7.0),
        Score(TrialOutcome.INFINITE, 0.0),
    ]
    assert [winsorise(end, rewards) for end in ends] == [-0.25, -0.25, 1.25]


def test_what_reinforce_follows_does_not_depend_on_scale() -> None:
    rewards = [0.3, -0.7, 1.9, 0.2, 0.25]
    for factor in (2.0**-900, 1.0, 2.0**40, 2.0**1000):
        found = [winsorise(Score.of(factor * reward), [factor * each for each in rewards]) for reward in rewards]
        low, middle, high = np.quantile(rewards, (0.25, 0.5, 0.75))
        assert found == [0.5 + 0.25 * float(np.clip((r - middle) / (high - low), -3, 3)) for r in rewards]
