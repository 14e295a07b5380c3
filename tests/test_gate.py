"""Who proposes after a transfer: the one whose proposals did better, and none is given up for good."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import quick
from test_history import told
from transfernas import GateConfig
from transfernas.learning.gate import CURIOUS, MEMORY, NEW, PROPOSERS, TRANSFERRED, Gate, Record
from transfernas.learning.history import History
from transfernas.learning.scores import Scores

pytestmark = pytest.mark.usefixtures("unchecked")  # so many draws
CONFIG = GateConfig(trust=0.6, trust_memory=0.6, control=0)
EARLIER = (1.0, 2.0, 3.0, 4.0)
NOTHING = History.empty(2, 3)
EACH = range(PROPOSERS)


def history_of(*rewards: float, members: Sequence[int], problem: int = 0) -> History:
    """Trials of two replicas, proposed in turn; the second one's rewards are the negative ones."""
    history = NOTHING
    for number, reward in enumerate(rewards):
        history = told(history, number, problem, reward, members[number % len(members)])
    return history


def after(
    gate: Gate, member: int, rewards: tuple[float, float], history: History, problem: int = 0, times: int = 1
) -> Gate:
    """The gate after as many trials of each of two replicas that one proposer proposed, each as if it were the next."""
    rows, members = np.full(2, problem), np.full(2, member)
    for _ in range(times):
        gate = gate.told(rows, members, Scores.of(np.array(rewards, float)), history, CONFIG)
    return gate


def shares(
    gate: Gate,
    remembered: bool = False,
    problem: int = 0,
    config: GateConfig = CONFIG,
    curious: bool = False,
    met: bool = True,
    history: History | None = None,
    others: tuple[float, float] | None = None,
) -> np.ndarray:
    """How often each replica's proposers propose, in 1,000 draws, give or take 0.05: Shape `[replicas, proposers]`."""
    rng, rows = np.random.default_rng(0), np.full(2, problem)
    known, left, new = (np.full(2, each) for each in (met, remembered, curious))
    # The memory's own trials come from one earlier problem, unless the record of another one is given.
    weight, won = gate.count[:, problem, MEMORY], gate.total[:, problem, MEMORY]
    if others is not None:
        weight, won = (np.full(2, each) for each in others)
    record = Record(left, weight, won)
    if history is None:  # the first trial is the memory's
        history = told(NOTHING, 0, problem, 1.0, TRANSFERRED)
    drawn = np.array([gate.draw(rows, known, record, new, history, rng, config) for _ in range(1000)])
    return np.mean(drawn[..., None] == np.arange(PROPOSERS), axis=0)


def transferred(gate: Gate, **fields: Any) -> tuple[float, float]:
    found = shares(gate, **fields)[:, TRANSFERRED].tolist()
    return found[0], found[1]


@pytest.mark.thorough
def test_at_first_trust_decides() -> None:
    # 0.593 is how often a normal variable is above -0.1 / (0.3 * sqrt(2)).
    np.testing.assert_allclose(shares(Gate.of(2, 4)), [[0.593, 0.407, 0, 0]] * 2, atol=0.05)
    np.testing.assert_allclose(shares(Gate.of(2, 4), remembered=True), [[0.297, 0.407, 0.297, 0]] * 2, atol=0.05)
    for trust, share in ((0.5, 0.5), (1.0, 0.88), (0.0, 0.12)):
        found = transferred(Gate.of(2, 4), config=dataclasses.replace(CONFIG, trust=trust))
        assert found == pytest.approx((share, share), abs=0.05)


@pytest.mark.thorough
@pytest.mark.parametrize("member", EACH)
def test_proposals_that_do_well_gain_trust_and_others_lose_it(member: int) -> None:
    """The better, the more; a draw is half a win."""
    history, found = history_of(*EARLIER, members=[each for each in EACH if each != member]), []
    for reward in (9.0, 3.5, 3.0, 2.5, 0.0):
        gate = after(Gate.of(2, 1), member, (reward, -reward), history, times=2)
        found.append(shares(gate, remembered=True, curious=True)[:, member])
    gains, losses = np.transpose(found)
    assert (np.diff(gains) < 0).all() and (np.diff(losses) > 0).all()
    start = shares(Gate.of(2, 1), remembered=True, curious=True)[0, member]
    assert gains[0] > start + 0.1 > start - 0.1 > gains[-1]


TRIALS = st.lists(st.tuples(st.integers(-1, PROPOSERS - 1), st.integers(0, 3), st.integers(0, 1)), max_size=30)


@quick
@given(TRIALS)
def test_trials_are_compared_with_those_that_others_proposed(trials: list[tuple[int, int, int]]) -> None:
    """Pair by pair, the loser hears of it as the winner does."""
    gate, history = Gate.of(2, 2), NOTHING
    count, won = np.zeros((2, 2, PROPOSERS)), np.zeros((2, 2, PROPOSERS))  # of replicas and problems
    for number, (member, reward, problem) in enumerate(trials):
        recent = [(m, r) for m, r, p in trials[:number] if p == problem][-20:]
        gate = after(gate, member, (reward, -reward), history, problem)
        history = told(history, number, problem, reward, member)
        if member < 0 or not recent:
            continue
        for replica, sign in enumerate((1, -1)):
            count[replica, problem] *= CONFIG.decay
            won[replica, problem] *= CONFIG.decay
            for other, earlier in recent:
                if other not in (-1, member):
                    win = 0.5 + 0.5 * np.sign(sign * (reward - earlier))
                    for who, share in ((member, win), (other, 1 - win)):
                        count[replica, problem, who] += 1 / len(recent)
                        won[replica, problem, who] += share / len(recent)
    np.testing.assert_allclose(gate.count, count, atol=1e-12)
    np.testing.assert_allclose(gate.total, won, atol=1e-12)


@pytest.mark.thorough
def test_whose_proposals_are_beaten_loses_trust() -> None:
    """One good trial of the new policy is enough to doubt all before it."""
    history = history_of(*EARLIER, members=[TRANSFERRED])
    beaten = transferred(after(Gate.of(2, 1), NEW, (9.0, 9.0), history))
    beating = transferred(after(Gate.of(2, 1), NEW, (0.0, 0.0), history))
    assert beaten[0] < 0.25 and beating[0] > 0.75
    own = after(Gate.of(2, 1), TRANSFERRED, (0.0, 0.0), history, times=9)
    assert transferred(own) == transferred(Gate.of(2, 1))  # to lose against itself says nothing


@pytest.mark.thorough
def test_one_of_the_first_trials_is_the_new_policys() -> None:
    def new(*members: int, control: int = 3) -> float:
        config = dataclasses.replace(CONFIG, trust=1.0, control=control)
        history = history_of(*[1.0] * len(members), members=members) if members else NOTHING
        return float(shares(Gate.of(2, 1), config=config, history=history)[0, NEW])

    assert new(TRANSFERRED, MEMORY) == 1
    assert new(-1, TRANSFERRED, -1, CURIOUS, -1) == 1  # those from elsewhere do not count
    assert new() == new(TRANSFERRED) == 0
    for seldom in (new(TRANSFERRED, NEW), new(*[MEMORY] * 3), new(*[MEMORY] * 2, control=0)):
        assert seldom < 0.2
    assert new(control=1) == 1


@pytest.mark.thorough
def test_before_that_trial_only_knowledge_proposes() -> None:
    """As nothing speaks against it; not where nothing of the problem was met."""
    config = dataclasses.replace(CONFIG, control=4)
    for members in ((TRANSFERRED,), (-1, MEMORY, -1, TRANSFERRED, -1)):
        history = history_of(*[1.0] * len(members), members=members) if members else NOTHING
        found = shares(Gate.of(2, 1), remembered=True, curious=True, config=config, history=history)
        assert found[:, [NEW, CURIOUS]].max() == 0 < 0.4 < found[:, [TRANSFERRED, MEMORY]].min()
        assert shares(Gate.of(2, 1), met=False, config=config, history=history)[:, NEW].min() == 1
    beyond = history_of(*[1.0] * 4, members=[TRANSFERRED] * 3 + [NEW])
    assert shares(Gate.of(2, 1), curious=True, config=config, history=beyond)[:, [NEW, CURIOUS]].min() > 0.1


@pytest.mark.thorough
def test_the_first_trial_is_what_was_best_before() -> None:
    for history in (NOTHING, history_of(1.0, 2.0, members=[-1])):
        found = shares(Gate.of(2, 1), remembered=True, curious=True, history=history)
        assert found[:, MEMORY].tolist() == [1, 1]
        assert shares(Gate.of(2, 1), history=history)[:, MEMORY].tolist() == [0, 0]  # where nothing is remembered


def test_an_earlier_problem_that_disappoints_says_less_of_the_others() -> None:
    history = history_of(*EARLIER, members=[CURIOUS])
    start = shares(Gate.of(2, 1), remembered=True)[0, MEMORY]
    failed = after(Gate.of(2, 1), MEMORY, (-9.0, -9.0), history, times=4)
    own = shares(failed, remembered=True)[0, MEMORY]
    other = shares(failed, remembered=True, others=(0.0, 0.0))[0, MEMORY]
    good = shares(failed, remembered=True, others=(3.0, 3.0))[0, MEMORY]
    assert own < other < 0.1 < start < good


def test_who_knows_nothing_of_a_problem_does_not_propose() -> None:
    found = shares(Gate.of(2, 1), met=False, config=dataclasses.replace(CONFIG, trust=1.0))
    assert found[:, NEW].tolist() == [1, 1]


@pytest.mark.thorough
def test_none_is_given_up_for_good() -> None:
    """After ever so many proposals of one, few more turn it round; and what was found out is forgotten in time."""
    start, history = Gate.of(2, 1), history_of(*EARLIER, members=[NEW])
    gate = after(start, TRANSFERRED, (9.0, -9.0), history, times=500)
    assert transferred(gate)[0] > 0.9 and transferred(gate)[1] < 0.1
    gate = after(gate, TRANSFERRED, (-9.0, 9.0), history, times=25)
    assert transferred(gate)[0] < 0.1 and transferred(gate)[1] > 0.9
    gate = after(gate, NEW, (9.0, -9.0), history, times=60)  # where it fails, it is tried again
    assert transferred(gate) == pytest.approx(transferred(start), abs=0.1)


def test_two_kinds_of_knowledge_stand_together_against_none() -> None:
    """A memory that fails is drawn less, and so is all knowledge, but less so than if both had failed."""
    history = history_of(*EARLIER, members=[CURIOUS])
    gate = after(Gate.of(2, 1), MEMORY, (-9.0, -9.0), history, times=4)
    one = shares(gate, remembered=True)[0]
    gate = after(gate, TRANSFERRED, (-9.0, -9.0), history, times=4)
    both = shares(gate, remembered=True)[0]
    assert one[MEMORY] < 0.1 < one[TRANSFERRED] and both[NEW] > one[NEW] > 0.5
    assert shares(gate)[0, MEMORY] == 0  # what has nothing left proposes nothing


def test_curiosity_stands_for_itself() -> None:
    """Drawn where there is something new, as often as its proposals deserve; its failures are not knowledge's."""
    start = Gate.of(2, 1)
    assert shares(start)[:, CURIOUS].max() == 0 < 0.3 < shares(start, curious=True)[:, CURIOUS].min()
    for member, other in ((TRANSFERRED, MEMORY), (MEMORY, NEW)):
        history = history_of(*EARLIER, members=[member])
        found = after(start, CURIOUS, (9.0, -9.0), history, times=4)
        did_well, failed = shares(found, curious=True)[:, CURIOUS]
        assert did_well > 0.7 and failed < 0.05
        np.testing.assert_array_equal(found.count[..., other], 0)


def test_the_memory_may_be_trusted_more() -> None:
    eager = dataclasses.replace(CONFIG, trust_memory=1.0)
    calm, found = (shares(Gate.of(2, 1), remembered=True, config=config)[0] for config in (CONFIG, eager))
    assert found[MEMORY] > calm[MEMORY] + 0.1 and found[NEW] == pytest.approx(calm[NEW], abs=0.01)


def test_only_what_was_proposed_and_can_be_compared_counts() -> None:
    gate = after(Gate.of(2, 2), NEW, (2.5, -2.5), history_of(*EARLIER, members=[MEMORY]))
    for member, history in (
        (-1, history_of(*EARLIER, members=[MEMORY])),  # from elsewhere
        (TRANSFERRED, NOTHING),
        (TRANSFERRED, history_of(*EARLIER, members=[MEMORY], problem=1)),  # no other of its problem
    ):
        np.testing.assert_array_equal(shares(after(gate, member, (9.0, 9.0), history)), shares(gate))


@pytest.mark.thorough
def test_each_problem_and_each_replica_has_its_own() -> None:
    start = Gate.of(2, 3)
    found = after(start, TRANSFERRED, (9.0, -9.0), history_of(*EARLIER, members=[NEW], problem=1), problem=1)
    for problem in (0, 2):
        np.testing.assert_array_equal(shares(found, problem=problem), shares(start))
    better, worse = transferred(found, problem=1)
    assert better > transferred(start)[0] > worse
    for replica in (0, 1):
        alone = found.selected(replica)
        np.testing.assert_array_equal(alone.count, found.count[replica : replica + 1])
        np.testing.assert_array_equal(alone.total, found.total[replica : replica + 1])


def test_proposals_are_compared_with_the_trials_just_before() -> None:
    """A search has come so far that everything beats its first trials."""
    late = history_of(*[5.0] * 20, members=[MEMORY])
    longer = history_of(*[1.0] * 100, *[5.0] * 20, members=[MEMORY])
    found, expected = (after(Gate.of(2, 1), NEW, (3.0, 3.0), history) for history in (longer, late))
    np.testing.assert_array_equal(found.total, expected.total)


def test_the_more_promising_policy_is_kept() -> None:
    """Over all problems; rows that only pad have no say, nor has the memory."""
    gate = Gate.of(2, 4)
    assert gate.most_promising(CONFIG).tolist() == [TRANSFERRED] * 2
    for problem in range(3):
        history = history_of(*EARLIER, members=[CURIOUS], problem=problem)
        gate = after(gate, MEMORY, (9.0, -9.0), history, problem)
        gate = after(gate, NEW, (9.0, -9.0), history, problem)
        gate = after(gate, TRANSFERRED, (3.5, -3.5), history, problem)
    assert gate.most_promising(CONFIG).tolist() == [NEW, TRANSFERRED]


def test_trust_is_the_chance_that_knowledge_promises_more() -> None:
    gate, config = Gate.of(1, 2), GateConfig()
    gate.count[0, 1], gate.total[0, 1] = (3.0, 2.0, 1.0, 0.5), (2.4, 0.5, 0.7, 0.5)
    for row, (known, new) in enumerate((((0.0, 0.0), (0.0, 0.0)), ((4.0, 3.1), (2.0, 0.5)))):
        means = (config.trust + known[1]) / (1 + known[0]), (0.5 + new[1]) / (1 + new[0])
        draws = [
            mean + 0.3 / np.sqrt(1 + count) * np.random.default_rng(which).standard_normal(200_000)
            for which, (mean, count) in enumerate(zip(means, (known[0], new[0]), strict=True))
        ]
        assert gate.trust(config)[0, row] == pytest.approx(np.mean(draws[0] > draws[1]), abs=0.005)
