"""The agent learns: slow tests with fixed seeds."""

import numpy as np
import pytest

from transfernas import TrainingConfig
from transfernas.baselines.random import RandomSearch
from transfernas.benchmarks.double_xor import double_xor
from transfernas.benchmarks.nasbench201 import cell_space, tabular_problem
from transfernas.experiments.runner import AgentReplicas, SearcherReplicas, search
from transfernas.learning.learner import learn, new_learner, propose
from transfernas.learning.transfer import transfer
from transfernas.policy.architecture import Attention

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["causal", "bidirectional"])
def test_double_xor_is_solved(mode: Attention) -> None:
    """Mean reward over trials 500 to 600 of 5 independent agents (paper, section 4.1)."""
    problem = double_xor()
    learner = new_learner((problem,), TrainingConfig.paper(attention=mode), seed=0, replicas=5)
    rewards = []
    for _ in range(600):
        learner, (row, rollout, _) = propose(learner)
        a = rollout.taken  # S is choice 0, so that column m is a_m
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
    config = TrainingConfig.paper(new_task="mean")
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


def assert_above(better: np.ndarray, worse: np.ndarray) -> None:
    error = np.sqrt(better.var(ddof=1) / len(better) + worse.var(ddof=1) / len(worse))
    assert better.mean() - worse.mean() > 2 * error
