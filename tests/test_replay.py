"""What was told, on the host: a replay buffer is never changed, and pairs of its trials are drawn as they should be."""

from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept import REPLICAS, STEPS, told
from policies import every_trajectory, stacked
from strategies import problems, quick
from transfernas import Preferences, Problem, TrainingConfig
from transfernas.learning import replay as module
from transfernas.learning.learner import new_learner
from transfernas.learning.preferences import Pairs, draw_pairs
from transfernas.learning.replay import ReplayBuffer, fingerprints
from transfernas.learning.rule import NewEmbedding


def content(replay: ReplayBuffer) -> list[Any]:
    """All that a replay buffer holds, the room behind its trials left out."""
    arrays = jax.tree.leaves((replay.problem, replay.trials, replay.scores, replay.fingerprint, replay.proposer))
    return [array[:, : replay.count].tolist() for array in arrays]


def expected(numbers: list[int]) -> list[Any]:
    replay = ReplayBuffer.empty(REPLICAS, STEPS)
    for number in numbers:
        replay = told(replay, number)
    return content(replay)


@pytest.mark.thorough
@quick
@given(st.lists(st.integers(0, 30), max_size=25))
def test_histories_that_grow_from_one_another_do_not_disturb_each_other(parents: list[int]) -> None:
    """Each new replay buffer grows from any of those before it; the room is small, so that it has to grow, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FIRST_ROOM", 2)
        buffers, numbers, alone = [ReplayBuffer.empty(REPLICAS, STEPS)], [list[int]()], list[ReplayBuffer]()
        for number, parent in enumerate(parents, start=1):
            at = parent % len(buffers)
            alone.append(buffers[-1].selected(1))
            buffers.append(told(buffers[at], number))
            numbers.append([*numbers[at], number])
        found = [content(replay) for replay in buffers]
        assert found == [expected(each) for each in numbers]
        assert [content(each) for each in alone] == [[part[1:] for part in whole] for whole in found[:-1]]


def test_a_history_holds_what_was_told_to_each_replica() -> None:
    replay = ReplayBuffer.empty(REPLICAS, STEPS)
    for number, problem in enumerate((0, 1, 0, 0, 1)):
        replay = told(replay, number + 1, problem, proposer=number - 1)
    assert replay.proposer[:, : replay.count].tolist() == [[-1, 0, 1, 2, 3]] * 2
    assert [replay.of(0, problem).tolist() for problem in (0, 1, 2)] == [[0, 2, 3], [1, 4], []]
    assert replay.scores.reward[:, : replay.count].tolist() == [[1, 2, 3, 4, 5], [-1, -2, -3, -4, -5]]

    known = replay.fingerprint[:, :5]
    asked = np.stack([np.append(known[1], np.uint64(7)), np.append(known[0], known[1, 0])])
    found = replay.contains(np.array([1, 0]), asked)
    assert found.tolist() == [[True] * 5 + [False], [True] * 5 + [False]]
    assert not ReplayBuffer.empty(REPLICAS, STEPS).contains(np.array([0, 1]), np.zeros((2, 3), np.uint64)).any()
    assert replay.contains(np.array([], int), np.zeros((0, 3), np.uint64)).shape == (0, 3)

    alone = replay.selected(1)
    assert content(alone) == [part[1:] for part in content(replay)]
    assert alone.contains(np.array([0]), known[1:]).all() and not alone.contains(np.array([0]), known[:1]).any()


@pytest.mark.thorough
@quick
@given(problems())
def test_keys_tell_configurations_and_problems_apart(given_problems: tuple[Problem, ...]) -> None:
    """Also of two tasks in one space, whose trajectories differ in nothing else."""
    twins = tuple(Problem(problem.space, f"{problem.task} again") for problem in given_problems)
    learner = new_learner(
        (*given_problems, *twins),
        TrainingConfig.paper().with_changes({"network.layers": 1, "network.embedding_size": 1}),
        0,
    )
    found: list[int] = []
    for row in range(len(learner.encoding.problems)):
        everything = stacked(every_trajectory(learner, row)[:200])
        numbers = fingerprints(np.full(len(everything.length), row), everything)
        np.testing.assert_array_equal(numbers, fingerprints(np.full((len(numbers), 1), row)[:, 0], everything))
        found += numbers.tolist()
    assert len(set(found)) == len(found)


def ranked(rewards: list[float], **fields: Any) -> tuple[Pairs, Preferences]:
    """Pairs of the second problem of two replicas; the second one's rewards are the negative ones."""
    replay = ReplayBuffer.empty(REPLICAS, STEPS)
    for number, reward in enumerate(rewards):
        replay = told(replay, 1000 + number, problem=0, reward=99.0)
        replay = told(replay, number, problem=1, reward=reward)
    rule = Preferences(**{"updates": 5, "pairs": 40, **fields})
    return draw_pairs(replay, np.array([1, 1]), np.random.default_rng(0), rule, policies=2), rule


@pytest.mark.parametrize(
    ("trials", "fields", "good"),
    [
        (2, {}, 1),
        (3, {}, 2),  # of three or more there are two at least
        (40, {}, 12),
        (40, {"good_most": 5}, 5),
        (41, {}, 13),
        (6, {"good_share": 1.0}, 5),  # the worst has none that it is better than
        (9, {"good_share": 0.0}, 2),
        (9, {"good_most": 1}, 1),
    ],
)
def test_the_better_of_a_pair_is_among_the_best_and_the_other_behind_it(
    trials: int, fields: dict[str, Any], good: int
) -> None:
    rewards = np.random.default_rng(1).permutation(trials).astype(float)
    pairs, rule = ranked(rewards.tolist(), **fields)
    assert pairs.weight.shape == (REPLICAS * 2, rule.updates, rule.pairs) and (pairs.weight == 1).all()
    for policy in range(REPLICAS * 2):
        sign = 1 if policy < 2 else -1  # the policies of a replica lie side by side
        ranks = np.argsort(np.argsort(-sign * rewards))
        first, second = (ranks[sign * each.task[policy].ravel()] for each in (pairs.better, pairs.worse))
        assert (first < second).all()
        assert set(first.tolist()) == set(range(good))
        if trials < 10:
            assert set(second[first == 0].tolist()) == set(range(1, trials))
        assert second.max() == trials - 1
    for left, right in ((0, 1), (2, 3)):
        assert good == 1 or not np.array_equal(pairs.better.task[left], pairs.better.task[right])
    for each in (pairs.better, pairs.worse):  # a trial is taken whole
        np.testing.assert_array_equal(each.actions, np.repeat(2 * each.task[..., None], STEPS, axis=-1))
        np.testing.assert_array_equal(each.decisions * 2, each.actions)


@pytest.mark.parametrize(("room", "pairs"), [(256, 40), (60, 10), (6, 1), (1, 1)])
def test_the_pairs_are_bounded_by_the_steps_of_their_trajectories(room: int, pairs: int) -> None:
    found, rule = ranked([1.0, 2.0, 3.0], pair_steps=room)  # two policies, three steps
    assert found.weight.shape == (REPLICAS * 2, rule.updates, pairs)


def test_equals_weigh_nothing() -> None:
    pairs, _ = ranked([0.5, 0.7, 0.7, 0.5, 0.7, 0.5])
    rewards = np.array([0.5, 0.7, 0.7, 0.5, 0.7, 0.5])
    first, second = (rewards[each.task[:2]] for each in (pairs.better, pairs.worse))
    np.testing.assert_array_equal(pairs.weight[:2], first > second)
    assert (first == 0.7).all() and 0 < pairs.weight[:2].mean() < 1
    assert not ranked([0.5] * 6)[0].weight.any()


def test_what_others_found_good_is_imitated_the_more_the_better_it_was() -> None:
    """While a trial of theirs is learned from; of a replica's own trials none is."""
    replay = ReplayBuffer.empty(REPLICAS, STEPS)
    for number in range(40):
        replay = told(replay, number, problem=1, reward=float(number), proposer=-1 if number % 2 else 0)
    rule = Preferences(updates=4, pairs=40, imitation=3.0)

    def drawn(others: np.ndarray | None, rule: Preferences = rule, new_task: NewEmbedding = "mean") -> Pairs:
        rng = np.random.default_rng(0)
        return draw_pairs(replay, np.array([1, 1]), rng, rule, policies=2, new_task=new_task, others=others)

    found = drawn(np.array([True, False]))
    best, whose = found.better.task[:2].astype(int), found.better.task[:2] % 2
    rank = (39 - best) / 12  # the second replica's rewards are the negative ones
    np.testing.assert_allclose(found.imitation[:2], np.where(whose == 1, 3.0 * (1 - rank) ** 3, 0.0), rtol=1e-5)
    assert found.imitation[:2].max() > 2 and not found.imitation[2:].any()
    assert found.unknown[:2].tolist() == [[False, True] * 2] * 2 and not found.unknown[2:].any()
    for nothing in (
        drawn(None),
        drawn(np.zeros(2, bool)),
        drawn(np.ones(2, bool), Preferences(imitation=0.0)),
    ):
        assert not nothing.imitation.any() and not nothing.unknown.any()
    apart = drawn(np.ones(2, bool), new_task="random")
    assert apart.imitation.any() and not apart.unknown.any()  # a new task does not start at the mean then


@pytest.mark.parametrize("rewards", [[], [0.5]], ids=["none", "one"])
def test_one_trial_is_no_pair(rewards: list[float]) -> None:
    replay = told(ReplayBuffer.empty(REPLICAS, STEPS), 7, problem=0)
    for reward in rewards:
        replay = told(replay, 8, problem=1, reward=reward)
    pairs = draw_pairs(
        replay,
        np.array([1, 1]),
        np.random.default_rng(0),
        Preferences(updates=2, pairs=3),
    )
    assert pairs.weight.shape == (2, 2, 3) and not pairs.weight.any()
    for better, worse in zip(pairs.better, pairs.worse, strict=True):
        np.testing.assert_array_equal(better, worse)


def test_of_a_configuration_that_came_again_only_the_best_trial_counts() -> None:
    """And no more steps are taken than any trajectory has."""
    replay, rewards = ReplayBuffer.empty(REPLICAS, STEPS), [0.1, 0.9, 0.5, 0.4]
    for number, reward in enumerate(rewards):
        for times in range(3):
            replay = told(replay, number, problem=1, reward=reward - 0.05 * times)
    rule = Preferences(updates=5, pairs=40, pair_steps=256, good_share=1.0)
    pairs = draw_pairs(
        replay, np.array([1, 1]), np.random.default_rng(0), rule, policies=2, steps=STEPS - 1, grows=True
    )
    assert pairs.better.actions.shape == (REPLICAS * 2, 5, 40, STEPS - 1)
    assert (pairs.better.task != pairs.worse.task).all() and (pairs.weight == 1).all()
    first = np.abs(np.array(rewards)[pairs.better.task[:2]])
    assert (first > np.array(rewards)[pairs.worse.task[:2]]).all()
    once = draw_pairs(replay, np.array([1, 1]), np.random.default_rng(0), rule, policies=2)
    assert (once.better.task == once.worse.task).any()
