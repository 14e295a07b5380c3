"""What is new where something was known, and the curiosity about it."""

import dataclasses

import numpy as np
import pytest

from sampling import sampled
from test_searchers import CONFIG, FAST
from transfernas import Agent, Choice, Problem, SearchSpace
from transfernas.learning.gate import CURIOUS, MEMORY, NEW
from transfernas.learning.learner import Learner, new_learner
from transfernas.learning.novelty import new_actions
from transfernas.learning.proposing import propose
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
    assert len(moved.novel.actions) == moved.capacity.actions
    assert np.flatnonzero(moved.novel.actions).tolist() == new.tolist()
    assert moved.novel.problems.tolist() == [True, False]
    assert moved.novel.met.tolist() == pytest.approx([(1 / 3 + 1 + 0) / 3, (1 + 0) / 2])


def test_a_new_agent_finds_nothing_novel() -> None:
    learner = new_learner(PROBLEMS, FAST, 0)
    assert not learner.novel.actions.any() and not learner.novel.problems.any() and not learner.novel.met.any()


def test_curiosity_adds_to_the_logits_of_new_actions(moved: Learner) -> None:
    """The odds between a new action and a known one rise by the exponential of what is added; others stay."""
    problem, noise = np.zeros(1, np.int32), np.random.default_rng(0).random((1, 20_000, moved.encoding.steps))
    favour = (1.5 * moved.novel.actions[None]).astype(np.float32)
    shares = []
    for added in (np.zeros_like(favour), favour):
        taken = sampled(moved, problem, noise, favour=added).taken[0]
        shares.append([np.bincount(taken[:, choice], minlength=3) / len(taken) for choice in (1, 2)])
    (op, act), (curious_op, curious_act) = shares
    assert curious_op[1] / curious_op[0] == pytest.approx(op[1] / op[0] * np.exp(1.5), rel=0.1)
    assert curious_op[2] / curious_op[1] == pytest.approx(op[2] / op[1], rel=0.1)
    assert np.abs(curious_act - act).max() < 0.05  # but for what follows from the other actions before it


def test_the_curious_propose_what_is_new(moved: Learner) -> None:
    eager = dataclasses.replace(
        moved, config=FAST.with_changes({"transfer.gate.curiosity.logits": 20.0, "transfer.gate.control": 0})
    )
    _, (problem, rollout, member) = propose(eager)
    curious = member == CURIOUS
    assert curious.sum() > 3 and not (curious & (problem == 1)).any()  # where nothing is new, nobody is curious
    assert (rollout.taken[curious, 1] > 0).all()  # the first action is the known one
    known = ~curious & (problem == 0) & (member != MEMORY)
    assert (rollout.taken[known, 1] == 0).any()


def test_curiosity_can_be_turned_off(moved: Learner) -> None:
    calm = dataclasses.replace(moved, config=FAST.with_changes({"transfer.gate.curiosity": None}))
    for _ in range(5):
        calm, (_, _, member) = propose(calm)
        assert set(member.tolist()) <= {0, NEW, MEMORY}


def test_without_a_gate_nobody_is_curious() -> None:
    before, after = Problem(BEFORE, "one"), Problem(AFTER, "one")
    agent = Agent([before], CONFIG).transfer_to([after])
    assert agent._learner.novel.actions.any() and not propose(agent._learner)[1].member.any()
