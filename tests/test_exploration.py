"""What is new where something was known, and the exploration of it."""

import dataclasses

import numpy as np
import pytest

from sampling import sampled
from searchers import CONFIG, FAST
from transfernas import Agent, Choice, Problem, SearchSpace
from transfernas.learning.bandit import EXPLORING, NEW_POLICY, WARM_START
from transfernas.learning.exploration import new_actions
from transfernas.learning.learner import Learner, new_learner
from transfernas.learning.proposal import propose
from transfernas.learning.transfer import transfer

BEFORE = SearchSpace("before", [Choice("op", ("conv", "pool")), Choice("act", ("relu", "tanh"))])
AFTER = SearchSpace(
    "after", [Choice("op", ("conv", "skip", "sep")), Choice("act", ("relu", "tanh")), Choice("drop", (0.0, 0.5))]
)
PLAIN = SearchSpace("plain", [Choice("act", ("relu", "tanh")), Choice("norm", ("batch", "layer"))])
PROBLEMS = (Problem(AFTER, "one"), Problem(PLAIN, "two"))
REPLICAS = 40


@pytest.fixture(scope="module")
def moved() -> Learner:
    return transfer(new_learner((Problem(BEFORE, "one"),), FAST, 0, REPLICAS), PROBLEMS, seed=1)


def new_rows(learner: Learner) -> list[int]:
    return [learner.vocabulary.action("op", action) for action in ("skip", "sep")]


def test_new_actions_are_those_of_known_states(moved: Learner) -> None:
    """Not those of new states, nor spaces; room in the tables is none."""
    assert moved.known is not None
    names, found = moved.vocabulary, new_actions(moved.known, moved.vocabulary)
    assert list(found) == ["op"]
    old, new = found["op"]
    assert old.tolist() == [names.action("op", action) for action in ("conv", "pool")]
    assert new.tolist() == new_rows(moved)
    assert len(moved.unseen.actions) == moved.capacity.actions
    assert np.flatnonzero(moved.unseen.actions).tolist() == new.tolist()
    assert moved.unseen.problems.tolist() == [True, False]
    assert moved.unseen.seen_fraction.tolist() == pytest.approx([(1 / 3 + 1 + 0) / 3, (1 + 0) / 2])


def test_a_new_agent_finds_nothing_novel() -> None:
    learner = new_learner(PROBLEMS, FAST, 0)
    assert (
        not learner.unseen.actions.any()
        and not learner.unseen.problems.any()
        and not learner.unseen.seen_fraction.any()
    )


def test_exploration_adds_to_the_logits_of_new_actions(moved: Learner) -> None:
    """The odds between a new action and a known one rise by the exponential of what is added; others stay."""
    problem, noise = np.zeros(1, np.int32), np.random.default_rng(0).random((1, 20_000, moved.encoding.steps))
    logit_bonus = (1.5 * moved.unseen.actions[None]).astype(np.float32)
    shares = []
    for added in (np.zeros_like(logit_bonus), logit_bonus):
        action_indices = sampled(moved, problem, noise, logit_bonus=added).action_indices[0]
        shares.append([np.bincount(action_indices[:, choice], minlength=3) / len(action_indices) for choice in (1, 2)])
    (op, act), (bonus_op, bonus_act) = shares
    assert bonus_op[1] / bonus_op[0] == pytest.approx(op[1] / op[0] * np.exp(1.5), rel=0.1)
    assert bonus_op[2] / bonus_op[1] == pytest.approx(op[2] / op[1], rel=0.1)
    assert np.abs(bonus_act - act).max() < 0.05  # but for what follows from the other actions before it


def test_the_exploring_propose_what_is_new(moved: Learner) -> None:
    eager = dataclasses.replace(
        moved, config=FAST.with_changes({"transfer.bandit.exploration.logits": 20.0, "transfer.bandit.control": 0})
    )
    _, (problem, rollout, proposer) = propose(eager)
    exploring = proposer == EXPLORING
    assert exploring.sum() > 3 and not (exploring & (problem == 1)).any()  # where nothing is new, nobody explores
    assert (rollout.action_indices[exploring, 1] > 0).all()  # the first action is the known one
    known = ~exploring & (problem == 0) & (proposer != WARM_START)
    assert (rollout.action_indices[known, 1] == 0).any()


def test_exploration_can_be_turned_off(moved: Learner) -> None:
    calm = dataclasses.replace(moved, config=FAST.with_changes({"transfer.bandit.exploration": None}))
    for _ in range(5):
        calm, (_, _, proposer) = propose(calm)
        assert set(proposer.tolist()) <= {0, NEW_POLICY, WARM_START}


def test_without_a_bandit_nobody_is_exploring() -> None:
    before, after = Problem(BEFORE, "one"), Problem(AFTER, "one")
    agent = Agent([before], CONFIG).transfer_to([after])
    assert agent.learner.unseen.actions.any() and not propose(agent.learner)[1].proposer.any()
