"""Learners whose problems grow while they are searched."""

import jax
import numpy as np
import pytest
from jaxtyping import Float

from problems import PROBLEMS, cnn, ffn
from searchers import FAST, play
from transfernas import Agent, Choice, Problem, SearchSpace
from transfernas.learning.growth import grow
from transfernas.learning.learner import Learner
from transfernas.learning.steps import LearnerState
from transfernas.spaces.tables import MinShapes
from transfernas.spaces.trajectory import Trajectory

wider = SearchSpace(
    "cnn",
    [
        Choice("stem", ("conv", "pool")),
        Choice("filters", (16, 32, 64, 128)),
        *cnn.choices[1:],
        Choice("rate", (0.1, 0.2, 0.3, 0.4)),
    ],
)
GROWN = (*(Problem(wider if p.space is cnn else p.space, p.task) for p in PROBLEMS), Problem(ffn, "new"))


def learned(bandit: bool = False, trials: int = 40) -> Learner:
    agent = Agent(PROBLEMS, FAST, seed=1)
    play(agent, trials)
    if bandit:
        agent = agent.transfer_to(PROBLEMS, config=FAST.with_changes({"transfer.bandit.warm_start": 4}))
        play(agent, trials)
    return agent.learner


def told(learner: Learner) -> list[tuple[str, dict[str, object], float]]:
    encoding, replay = learner.encoding, learner.replay
    return [
        (
            str(encoding.problems[row].name),
            dict(encoding.config(row, Trajectory(*(leaf[0, number] for leaf in replay.trials)))),
            float(replay.scores.reward[0, number]),
        )
        for number, row in enumerate(replay.problem[0, : replay.count].tolist())
    ]


def embeddings(learner: Learner) -> dict[tuple[object, ...], Float[np.ndarray, "members embedding"]]:
    action = np.asarray(learner.state.policy.action)
    return {name: action[:, row] for row, name in enumerate(learner.vocabulary.actions)}


@pytest.mark.thorough
@pytest.mark.parametrize("bandit", [False, True])
def test_nothing_learned_is_lost(bandit: bool) -> None:
    before = learned(bandit)
    after = grow(before, GROWN)
    assert told(after) == told(before) and len(told(before)) == 40
    known = embeddings(before)
    for name, row in embeddings(after).items():
        if name in known:
            np.testing.assert_array_equal(row, known[name])
    for field in ("sampled", "learned", "seed", "known", "past"):
        assert getattr(after, field) == getattr(before, field)
    first, second = Agent.of(before), Agent.of(after)
    for old, new in zip(PROBLEMS, GROWN, strict=False):
        assert [(o.config, o.reward) for o in second.top(new)] == [(o.config, o.reward) for o in first.top(old)]
    assert second.provenance == first.provenance
    if bandit:
        assert before.bandit is not None and after.bandit is not None and before.warm_start and after.warm_start
        for grown, array in zip(*(each.arrays().values() for each in (after.bandit, before.bandit)), strict=True):
            np.testing.assert_array_equal(grown[:, :3], array[:, :3])
        assert after.warm_start.count[0, :3].tolist() == before.warm_start.count[0, :3].tolist()
    play(second, 20)
    assert second.learner.learned == before.learned + 20
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(second.learner.state))


@pytest.mark.thorough
def test_what_did_not_grow_goes_on_to_the_bit() -> None:
    before = learned()
    first, second = Agent.of(before), Agent.of(grow(before, PROBLEMS))
    assert play(first, 10) == play(second, 10)

    def bits(state: LearnerState) -> list[bytes]:
        return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)]

    assert bits(first.learner.state) == bits(second.learner.state)


def test_within_its_room_nothing_changes_shape() -> None:
    min_shapes = MinShapes(
        states=16, names=64, tasks=4, choices=8, steps=8, decisions=16, actions=4, terms=1, literals=1, slots=32
    )
    before = grow(learned(), PROBLEMS, min_shapes)
    after = grow(before, (Problem(wider, "digits"), *PROBLEMS[1:]), min_shapes)

    def shapes(learner: Learner) -> list[tuple[int, ...]]:
        return [leaf.shape for leaf in jax.tree.leaves((learner.state, learner.tables))]

    assert shapes(before) == shapes(after)


@pytest.mark.thorough
def test_spaces_that_shared_a_decision_may_share_it_no_longer() -> None:
    def space(name: str, most: int) -> SearchSpace:
        return SearchSpace(name, [Choice("k", tuple(range(most))), Choice("m", (0, 1, 2))])

    agent = Agent([Problem(space("a", 4), "t"), Problem(space("b", 4), "t")], FAST, seed=0)
    play(agent, 20)
    before = agent.learner
    after = grow(before, (Problem(space("a", 6), "t"), Problem(space("b", 4), "t")))
    assert told(after) == told(before)
    first, second = agent, Agent.of(after)
    for old, new in zip(first.problems, second.problems, strict=True):
        assert [(o.config, o.reward) for o in second.top(new)] == [(o.config, o.reward) for o in first.top(old)]


def test_what_shrank_or_moved_is_told() -> None:
    learner = learned(trials=3)
    with pytest.raises(ValueError, match="keep their names and their order"):
        grow(learner, PROBLEMS[1:])
    fewer = SearchSpace("cnn", [Choice("filters", (16, 32)), *cnn.choices[1:]])
    with pytest.raises(ValueError, match='choice "filters" of search space "cnn" lost an action, or is missing'):
        grow(learner, (Problem(fewer, "digits"), *PROBLEMS[1:]))
