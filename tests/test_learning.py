"""The agent learns: slow tests with fixed seeds."""

import numpy as np
import pytest

from transfernas import Choice, Problem, SearchSpace, TrainingConfig
from transfernas.baselines.random import RandomSearch
from transfernas.learning.bandit import NEW_POLICY
from transfernas.learning.learner import Learner, learn, new_learner
from transfernas.learning.proposal import propose
from transfernas.learning.transfer import transfer
from transfernas.policy.architecture import Attention
from transfernas_bench.benchmarks.double_xor import double_xor
from transfernas_bench.benchmarks.nasbench201 import cell_space, tabular_problem
from transfernas_bench.experiments.runner import AgentReplicas, SearcherReplicas, search

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["causal", "bidirectional"])
def test_double_xor_is_solved(mode: Attention) -> None:
    """Mean reward over trials 500 to 600 of 5 independent agents (paper, section 4.1)."""
    problem = double_xor()
    learner = new_learner(
        (problem,), TrainingConfig.paper().with_changes({"network.attention": mode}), seed=0, replicas=5
    )
    rewards = []
    for _ in range(600):
        learner, (row, rollout, _) = propose(learner)
        a = rollout.action_indices  # S is choice 0, so that column m is a_m
        reward = ((a[:, 1] != a[:, 5]) & (a[:, 3] != a[:, 7])).astype(float)
        learner = learn(learner, row, rollout.trajectory, reward)
        rewards.append(reward)
    assert np.mean(rewards[:100]) < 0.5
    assert np.mean(rewards[500:]) >= 0.9


def test_transfer_helps_and_learning_beats_random_search() -> None:
    """NAS-Bench-201, 20 replicas: the transferred agent is ahead after 10 trials, all agents at the end.

    One-sided: by more than twice the standard error of the difference.
    """
    sources = [
        tabular_problem(task, cell_space(("none", "skip_connect", operation), operation))
        for operation in ("nor_conv_1x1", "avg_pool_3x3")
        for task in ("cifar10", "cifar100")
    ]
    target = tabular_problem("imagenet16-120")
    config = TrainingConfig.paper().with_changes({"transfer.new_task": "mean"})
    joint = AgentReplicas(new_learner(tuple(source.problem for source in sources), config, 0, replicas=20))
    search(joint, sources, 3000, seed=0)
    problems = (target.problem,)
    transferred = search(AgentReplicas(transfer(joint.learner, problems)), [target], 200, seed=1).values
    scratch = search(AgentReplicas(new_learner(problems, config, 0, replicas=20)), [target], 200, seed=2).values
    blind = search(SearcherReplicas([RandomSearch(problems, seed) for seed in range(20)]), [target], 200, seed=3).values
    assert_above(transferred[:, 9], scratch[:, 9])
    assert_above(transferred[:, 19], blind[:, 19])
    assert_above(transferred[:, 199], blind[:, 199])
    assert scratch[:, 199].mean() > blind[:, 199].mean()


def test_a_bandit_finds_out_whether_knowledge_helps() -> None:
    """16 replicas on one space whose target rewards what its source did, or the opposite.

    Knowledge that helps is trusted and the search starts ahead; knowledge that misleads makes way, and the search is
    ahead of one that has nothing else.
    """
    config = TrainingConfig().with_changes(
        {
            "network.embedding_size": 4,
            "network.feed_forward": 8,
            "rule.updates": 2,
            "rule.pairs": 4,
            "rule.learning_rate": 0.003,
        }
    )
    space = SearchSpace("sums", [Choice(f"c{number}", ("a", "b", "c", "d")) for number in range(5)])

    def run(learner: Learner, trials: int, sign: int) -> tuple[Learner, np.ndarray, np.ndarray]:
        rewards, news = [], []
        for _ in range(trials):
            learner, (row, rollout, proposer) = propose(learner)
            reward = sign * rollout.action_indices[:, 1:6].mean(axis=1)
            learner = learn(learner, row, rollout.trajectory, reward, proposer)
            rewards.append(reward)
            news.append(proposer == NEW_POLICY)
        return learner, np.mean(rewards, axis=0), np.mean(news, axis=0)

    scratch = new_learner((Problem(space, "target"),), config, 0, replicas=16)
    source, *_ = run(new_learner((Problem(space, "source"),), config, 1, replicas=16), 80, 1)
    blind = config.with_changes({"transfer.bandit": None})
    found = {
        (sign, each is config): run(transfer(source, scratch.encoding.problems, each), 30, sign)
        for sign in (1, -1)
        for each in (config, blind)
    }
    (_, helped, news), (_, misled, others) = found[1, True], found[-1, True]
    assert_above(helped, run(scratch, 30, 1)[1])
    assert_above(misled, found[-1, False][1])
    assert_above(others, news)
    assert news.mean() < 0.45 and others.mean() > 0.55


def assert_above(better: np.ndarray, worse: np.ndarray) -> None:
    error = np.sqrt(better.var(ddof=1) / len(better) + worse.var(ddof=1) / len(worse))
    assert better.mean() - worse.mean() > 2 * error
