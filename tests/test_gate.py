"""Who proposes after a transfer: the one whose proposals did better, and none is given up for good."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from test_history import told
from transfernas import TrainingConfig
from transfernas.learning.gate import CURIOUS, MEMORY, NEW, PROPOSERS, TRANSFERRED, Gate
from transfernas.learning.history import History

CONFIG = TrainingConfig.fast(trust=0.6, trust_memory=0.6)
EARLIER = (1.0, 2.0, 3.0, 4.0)


def history_of(*rewards: float, problem: int = 0) -> History:
    """Trials of two replicas; the second one's rewards are the negative ones."""
    history = History.empty(2, 3)
    for number, reward in enumerate(rewards):
        history = told(history, number, problem, reward)
    return history


def after(gate: Gate, member: int, rewards: tuple[float, float], history: History, problem: int = 0) -> Gate:
    """The gate after a trial of each of two replicas that one proposer proposed."""
    rows, members = np.full(2, problem), np.full(2, member)
    return gate.told(rows, members, np.array(rewards), history, CONFIG)


def shares(
    gate: Gate, remembered: bool = False, problem: int = 0, config: TrainingConfig = CONFIG, curious: bool = False
) -> np.ndarray:
    """How often each replica's proposers propose, in 1,000 draws, give or take 0.05: Shape `[replicas, proposers]`."""
    rng, rows, left, new = np.random.default_rng(0), np.full(2, problem), np.full(2, remembered), np.full(2, curious)
    drawn = np.array([gate.draw(rows, left, new, rng, config) for _ in range(1000)])
    return np.mean(drawn[..., None] == np.arange(PROPOSERS), axis=0)


def transferred(gate: Gate, **fields: Any) -> tuple[float, float]:
    found = shares(gate, **fields)[:, TRANSFERRED].tolist()
    return found[0], found[1]


def test_at_first_trust_decides() -> None:
    # 0.593 is how often a normal variable is above -0.1 / (0.3 * sqrt(2)).
    np.testing.assert_allclose(shares(Gate.of(2, 4)), [[0.593, 0.407, 0, 0]] * 2, atol=0.05)
    np.testing.assert_allclose(shares(Gate.of(2, 4), remembered=True), [[0.297, 0.407, 0.297, 0]] * 2, atol=0.05)
    for trust, share in ((0.5, 0.5), (1.0, 0.88), (0.0, 0.12)):
        found = transferred(Gate.of(2, 4), config=dataclasses.replace(CONFIG, trust=trust))
        assert found == pytest.approx((share, share), abs=0.05)


@pytest.mark.parametrize("member", [TRANSFERRED, NEW, MEMORY, CURIOUS])
def test_proposals_that_do_well_gain_trust_and_others_lose_it(member: int) -> None:
    """The better, the more; a draw is half a win."""
    history, found = history_of(*EARLIER), []
    for reward in (9.0, 3.5, 3.0, 2.5, 0.0):
        gate = Gate.of(2, 1)
        for _ in range(5):
            gate = after(gate, member, (reward, -reward), history)
        found.append(shares(gate, remembered=True, curious=True)[:, member])
    gains, losses = np.transpose(found)
    assert (np.diff(gains) < 0).all() and (np.diff(losses) > 0).all()
    start = shares(Gate.of(2, 1), remembered=True, curious=True)[0, member]
    assert gains[0] > start + 0.1 > start - 0.1 > gains[-1]


def test_none_is_given_up_for_good() -> None:
    """After ever so many proposals of one, few more turn it round."""
    gate, history = Gate.of(2, 1), history_of(*EARLIER)
    for _ in range(500):
        gate = after(gate, TRANSFERRED, (9.0, -9.0), history)
    assert transferred(gate)[0] > 0.9 and 0 < transferred(gate)[1] < 0.1  # where it fails, it is still tried
    for _ in range(25):
        gate = after(gate, TRANSFERRED, (-9.0, 9.0), history)
    assert transferred(gate)[0] < 0.2 and transferred(gate)[1] > 0.8


def test_two_kinds_of_knowledge_stand_together_against_none() -> None:
    """A memory that fails is drawn less, and so is all knowledge, but less so than if both had failed."""
    history, gate = history_of(*EARLIER), Gate.of(2, 1)
    for _ in range(4):
        gate = after(gate, MEMORY, (-9.0, -9.0), history)
    one = shares(gate, remembered=True)[0]
    for _ in range(4):
        gate = after(gate, TRANSFERRED, (-9.0, -9.0), history)
    both = shares(gate, remembered=True)[0]
    assert one[MEMORY] < 0.1 < one[TRANSFERRED] and both[NEW] > one[NEW] > 0.5
    assert shares(gate)[0, MEMORY] == 0  # what has nothing left proposes nothing


def test_curiosity_stands_for_itself() -> None:
    """Drawn where there is something new, as often as its proposals deserve; its failures are not knowledge's."""
    history, start = history_of(*EARLIER), Gate.of(2, 1)
    assert shares(start)[:, CURIOUS].max() == 0 < 0.3 < shares(start, curious=True)[:, CURIOUS].min()
    found = start
    for _ in range(4):
        found = after(found, CURIOUS, (9.0, -9.0), history)
    did_well, failed = shares(found, curious=True)[:, CURIOUS]
    assert did_well > 0.7 and failed < 0.05
    np.testing.assert_allclose(shares(found), shares(start), atol=0.01)


def test_the_memory_may_be_trusted_more() -> None:
    eager = dataclasses.replace(CONFIG, trust_memory=1.0)
    calm, found = (shares(Gate.of(2, 1), remembered=True, config=config)[0] for config in (CONFIG, eager))
    assert found[MEMORY] > calm[MEMORY] + 0.1 and found[NEW] == pytest.approx(calm[NEW], abs=0.01)


def test_only_what_was_proposed_and_can_be_ranked_counts() -> None:
    gate = after(Gate.of(2, 2), NEW, (2.5, -2.5), history_of(*EARLIER))
    for same in (
        after(gate, -1, (9.0, 9.0), history_of(*EARLIER)),  # from elsewhere
        after(gate, TRANSFERRED, (9.0, 9.0), history_of()),
        after(gate, TRANSFERRED, (9.0, 9.0), history_of(*EARLIER, problem=1)),  # no other of its problem
    ):
        np.testing.assert_array_equal(shares(same), shares(gate))


def test_each_problem_and_each_replica_has_its_own() -> None:
    start = Gate.of(2, 3)
    found = after(start, TRANSFERRED, (9.0, -9.0), history_of(*EARLIER, problem=1), problem=1)
    for problem in (0, 2):
        np.testing.assert_array_equal(shares(found, problem=problem), shares(start))
    better, worse = transferred(found, problem=1)
    assert better > transferred(start)[0] > worse
    for replica in (0, 1):
        alone = found.selected(replica)
        np.testing.assert_array_equal(alone.count, found.count[replica : replica + 1])
        np.testing.assert_array_equal(alone.total, found.total[replica : replica + 1])


def test_proposals_are_ranked_among_the_trials_just_before() -> None:
    """A search has come so far that everything beats its first trials."""
    late = history_of(*[5.0] * 20)
    found, expected = (
        after(Gate.of(2, 1), NEW, (3.0, 3.0), history) for history in (history_of(*[1.0] * 100, *[5.0] * 20), late)
    )
    np.testing.assert_array_equal(found.total, expected.total)


def test_the_more_promising_policy_is_kept() -> None:
    """Over all problems; rows that only pad have no say, nor has the memory."""
    gate = Gate.of(2, 4)
    assert gate.most_promising(CONFIG).tolist() == [TRANSFERRED] * 2
    for problem in range(3):
        history = history_of(*EARLIER, problem=problem)
        gate = after(gate, MEMORY, (9.0, -9.0), history, problem)
        gate = after(gate, NEW, (9.0, -9.0), history, problem)
        gate = after(gate, TRANSFERRED, (3.5, -3.5), history, problem)
    assert gate.most_promising(CONFIG).tolist() == [NEW, TRANSFERRED]
