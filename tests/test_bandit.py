"""Who proposes after a transfer: the one whose proposals did better, and none is given up for good."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept import told
from strategies import quick
from transfernas import BanditConfig
from transfernas.learning.bandit import (
    EXPLORING,
    N_PROPOSERS,
    NEW_POLICY,
    TRANSFERRED,
    WARM_START,
    SourceRecord,
)
from transfernas.learning.replay import ReplayBuffer
from transfernas.learning.scores import Scores
from transfernas.learning.thompson import ProposerBandit

pytestmark = pytest.mark.usefixtures("unchecked")  # so many draws
CONFIG = BanditConfig(trust=0.6, trust_warm_start=0.6, control=0)
EARLIER = (1.0, 2.0, 3.0, 4.0)
NOTHING = ReplayBuffer.empty(2, 3)
EACH = range(N_PROPOSERS)


def replay_of(*rewards: float, proposers: Sequence[int], problem: int = 0) -> ReplayBuffer:
    """Trials of two replicas, proposed in turn; the second one's rewards are the negative ones."""
    replay = NOTHING
    for number, reward in enumerate(rewards):
        replay = told(replay, number, problem, reward, proposers[number % len(proposers)])
    return replay


def after(
    bandit: ProposerBandit,
    proposer: int,
    rewards: tuple[float, float],
    replay: ReplayBuffer,
    problem: int = 0,
    times: int = 1,
) -> ProposerBandit:
    """The bandit after some trials of each of two replicas, all of one proposer, each as if it were the next."""
    rows, proposers = np.full(2, problem), np.full(2, proposer)
    for _ in range(times):
        bandit = bandit.update(rows, proposers, Scores.of(np.array(rewards, float)), replay, CONFIG)
    return bandit


def shares(
    bandit: ProposerBandit,
    remembered: bool = False,
    problem: int = 0,
    config: BanditConfig = CONFIG,
    has_unseen: bool = False,
    seen: bool = True,
    replay: ReplayBuffer | None = None,
    others: tuple[float, float] | None = None,
) -> np.ndarray:
    """How often each replica's proposers propose, in 1,000 draws, give or take 0.05: Shape `[replicas, proposers]`."""
    rng, rows = np.random.default_rng(0), np.full(2, problem)
    known, left, new = (np.full(2, each) for each in (seen, remembered, has_unseen))
    # The warm start's own trials come from one earlier problem, unless the record of another one is given.
    weight, won = bandit.comparisons[:, problem, WARM_START], bandit.wins[:, problem, WARM_START]
    if others is not None:
        weight, won = (np.full(2, each) for each in others)
    record = SourceRecord(left, weight, won)
    if replay is None:  # the first trial is the warm start's
        replay = told(NOTHING, 0, problem, 1.0, TRANSFERRED)
    drawn = np.array([bandit.draw(rows, known, record, new, replay, rng, config) for _ in range(1000)])
    return np.mean(drawn[..., None] == np.arange(N_PROPOSERS), axis=0)


def transferred(bandit: ProposerBandit, **fields: Any) -> tuple[float, float]:
    found = shares(bandit, **fields)[:, TRANSFERRED].tolist()
    return found[0], found[1]


@pytest.mark.thorough
def test_at_first_trust_decides() -> None:
    # 0.593 is how often a normal variable is above -0.1 / (0.3 * sqrt(2)).
    np.testing.assert_allclose(shares(ProposerBandit.of(2, 4)), [[0.593, 0.407, 0, 0]] * 2, atol=0.05)
    np.testing.assert_allclose(
        shares(ProposerBandit.of(2, 4), remembered=True), [[0.297, 0.407, 0.297, 0]] * 2, atol=0.05
    )
    for trust, share in ((0.5, 0.5), (1.0, 0.88), (0.0, 0.12)):
        found = transferred(ProposerBandit.of(2, 4), config=dataclasses.replace(CONFIG, trust=trust))
        assert found == pytest.approx((share, share), abs=0.05)


@pytest.mark.thorough
@pytest.mark.parametrize("proposer", EACH)
def test_proposals_that_do_well_gain_trust_and_others_lose_it(proposer: int) -> None:
    """The better, the more; a draw is half a win."""
    replay, found = replay_of(*EARLIER, proposers=[each for each in EACH if each != proposer]), []
    for reward in (9.0, 3.5, 3.0, 2.5, 0.0):
        bandit = after(ProposerBandit.of(2, 1), proposer, (reward, -reward), replay, times=2)
        found.append(shares(bandit, remembered=True, has_unseen=True)[:, proposer])
    gains, losses = np.transpose(found)
    assert (np.diff(gains) < 0).all() and (np.diff(losses) > 0).all()
    start = shares(ProposerBandit.of(2, 1), remembered=True, has_unseen=True)[0, proposer]
    assert gains[0] > start + 0.1 > start - 0.1 > gains[-1]


TRIALS = st.lists(st.tuples(st.integers(-1, N_PROPOSERS - 1), st.integers(0, 3), st.integers(0, 1)), max_size=30)


@quick
@given(TRIALS)
def test_trials_are_compared_with_those_that_others_proposed(trials: list[tuple[int, int, int]]) -> None:
    """Pair by pair, the loser hears of it as the winner does."""
    bandit, replay = ProposerBandit.of(2, 2), NOTHING
    count, won = np.zeros((2, 2, N_PROPOSERS)), np.zeros((2, 2, N_PROPOSERS))  # of replicas and problems
    for number, (proposer, reward, problem) in enumerate(trials):
        recent = [(m, r) for m, r, p in trials[:number] if p == problem][-20:]
        bandit = after(bandit, proposer, (reward, -reward), replay, problem)
        replay = told(replay, number, problem, reward, proposer)
        if proposer < 0 or not recent:
            continue
        for replica, sign in enumerate((1, -1)):
            count[replica, problem] *= CONFIG.decay
            won[replica, problem] *= CONFIG.decay
            for other, earlier in recent:
                if other not in (-1, proposer):
                    win = 0.5 + 0.5 * np.sign(sign * (reward - earlier))
                    for who, share in ((proposer, win), (other, 1 - win)):
                        count[replica, problem, who] += 1 / len(recent)
                        won[replica, problem, who] += share / len(recent)
    np.testing.assert_allclose(bandit.comparisons, count, atol=1e-12)
    np.testing.assert_allclose(bandit.wins, won, atol=1e-12)


@pytest.mark.thorough
def test_whose_proposals_are_beaten_loses_trust() -> None:
    """One good trial of the new policy is enough to doubt all before it."""
    replay = replay_of(*EARLIER, proposers=[TRANSFERRED])
    beaten = transferred(after(ProposerBandit.of(2, 1), NEW_POLICY, (9.0, 9.0), replay))
    beating = transferred(after(ProposerBandit.of(2, 1), NEW_POLICY, (0.0, 0.0), replay))
    assert beaten[0] < 0.25 and beating[0] > 0.75
    own = after(ProposerBandit.of(2, 1), TRANSFERRED, (0.0, 0.0), replay, times=9)
    assert transferred(own) == transferred(ProposerBandit.of(2, 1))  # to lose against itself says nothing


@pytest.mark.thorough
def test_one_of_the_first_trials_is_the_new_policys() -> None:
    def new(*proposers: int, control: int = 3) -> float:
        config = dataclasses.replace(CONFIG, trust=1.0, control=control)
        replay = replay_of(*[1.0] * len(proposers), proposers=proposers) if proposers else NOTHING
        return float(shares(ProposerBandit.of(2, 1), config=config, replay=replay)[0, NEW_POLICY])

    assert new(TRANSFERRED, WARM_START) == 1
    assert new(-1, TRANSFERRED, -1, EXPLORING, -1) == 1  # those from elsewhere do not count
    assert new() == new(TRANSFERRED) == 0
    for seldom in (new(TRANSFERRED, NEW_POLICY), new(*[WARM_START] * 3), new(*[WARM_START] * 2, control=0)):
        assert seldom < 0.2
    assert new(control=1) == 1


@pytest.mark.thorough
def test_before_that_trial_only_knowledge_proposes() -> None:
    """As nothing speaks against it; not where nothing of the problem was seen."""
    config = dataclasses.replace(CONFIG, control=4)
    for proposers in ((TRANSFERRED,), (-1, WARM_START, -1, TRANSFERRED, -1)):
        replay = replay_of(*[1.0] * len(proposers), proposers=proposers) if proposers else NOTHING
        found = shares(ProposerBandit.of(2, 1), remembered=True, has_unseen=True, config=config, replay=replay)
        assert found[:, [NEW_POLICY, EXPLORING]].max() == 0 < 0.4 < found[:, [TRANSFERRED, WARM_START]].min()
        assert shares(ProposerBandit.of(2, 1), seen=False, config=config, replay=replay)[:, NEW_POLICY].min() == 1
    beyond = replay_of(*[1.0] * 4, proposers=[TRANSFERRED] * 3 + [NEW_POLICY])
    assert (
        shares(ProposerBandit.of(2, 1), has_unseen=True, config=config, replay=beyond)[:, [NEW_POLICY, EXPLORING]].min()
        > 0.1
    )


@pytest.mark.thorough
def test_the_first_trial_is_what_was_best_before() -> None:
    for replay in (NOTHING, replay_of(1.0, 2.0, proposers=[-1])):
        found = shares(ProposerBandit.of(2, 1), remembered=True, has_unseen=True, replay=replay)
        assert found[:, WARM_START].tolist() == [1, 1]
        assert shares(ProposerBandit.of(2, 1), replay=replay)[:, WARM_START].tolist() == [
            0,
            0,
        ]  # where nothing is remembered


def test_an_earlier_problem_that_disappoints_says_less_of_the_others() -> None:
    replay = replay_of(*EARLIER, proposers=[EXPLORING])
    start = shares(ProposerBandit.of(2, 1), remembered=True)[0, WARM_START]
    failed = after(ProposerBandit.of(2, 1), WARM_START, (-9.0, -9.0), replay, times=4)
    own = shares(failed, remembered=True)[0, WARM_START]
    other = shares(failed, remembered=True, others=(0.0, 0.0))[0, WARM_START]
    good = shares(failed, remembered=True, others=(3.0, 3.0))[0, WARM_START]
    assert own < other < 0.1 < start < good


def test_who_knows_nothing_of_a_problem_does_not_propose() -> None:
    found = shares(ProposerBandit.of(2, 1), seen=False, config=dataclasses.replace(CONFIG, trust=1.0))
    assert found[:, NEW_POLICY].tolist() == [1, 1]


@pytest.mark.thorough
def test_none_is_given_up_for_good() -> None:
    """After ever so many proposals of one, few more turn it round; and what was found out is forgotten in time."""
    start, replay = ProposerBandit.of(2, 1), replay_of(*EARLIER, proposers=[NEW_POLICY])
    bandit = after(start, TRANSFERRED, (9.0, -9.0), replay, times=500)
    assert transferred(bandit)[0] > 0.9 and transferred(bandit)[1] < 0.1
    bandit = after(bandit, TRANSFERRED, (-9.0, 9.0), replay, times=25)
    assert transferred(bandit)[0] < 0.1 and transferred(bandit)[1] > 0.9
    bandit = after(bandit, NEW_POLICY, (9.0, -9.0), replay, times=60)  # where it fails, it is tried again
    assert transferred(bandit) == pytest.approx(transferred(start), abs=0.1)


def test_two_kinds_of_knowledge_stand_together_against_none() -> None:
    """A memory that fails is drawn less, and so is all knowledge, but less so than if both had failed."""
    replay = replay_of(*EARLIER, proposers=[EXPLORING])
    bandit = after(ProposerBandit.of(2, 1), WARM_START, (-9.0, -9.0), replay, times=4)
    one = shares(bandit, remembered=True)[0]
    bandit = after(bandit, TRANSFERRED, (-9.0, -9.0), replay, times=4)
    both = shares(bandit, remembered=True)[0]
    assert one[WARM_START] < 0.1 < one[TRANSFERRED] and both[NEW_POLICY] > one[NEW_POLICY] > 0.5
    assert shares(bandit)[0, WARM_START] == 0  # what has nothing left proposes nothing


@pytest.mark.thorough
def test_exploration_stands_for_itself() -> None:
    """Drawn where there is something new, as often as its proposals deserve; its failures are not knowledge's."""
    start = ProposerBandit.of(2, 1)
    assert shares(start)[:, EXPLORING].max() == 0 < 0.3 < shares(start, has_unseen=True)[:, EXPLORING].min()
    for proposer, other in ((TRANSFERRED, WARM_START), (WARM_START, NEW_POLICY)):
        replay = replay_of(*EARLIER, proposers=[proposer])
        found = after(start, EXPLORING, (9.0, -9.0), replay, times=4)
        did_well, failed = shares(found, has_unseen=True)[:, EXPLORING]
        assert did_well > 0.7 and failed < 0.05
        np.testing.assert_array_equal(found.comparisons[..., other], 0)


def test_the_warm_start_may_be_trusted_more() -> None:
    eager = dataclasses.replace(CONFIG, trust_warm_start=1.0)
    calm, found = (shares(ProposerBandit.of(2, 1), remembered=True, config=config)[0] for config in (CONFIG, eager))
    assert found[WARM_START] > calm[WARM_START] + 0.1 and found[NEW_POLICY] == pytest.approx(calm[NEW_POLICY], abs=0.01)


def test_only_what_was_proposed_and_can_be_compared_counts() -> None:
    bandit = after(ProposerBandit.of(2, 2), NEW_POLICY, (2.5, -2.5), replay_of(*EARLIER, proposers=[WARM_START]))
    for proposer, replay in (
        (-1, replay_of(*EARLIER, proposers=[WARM_START])),  # from elsewhere
        (TRANSFERRED, NOTHING),
        (TRANSFERRED, replay_of(*EARLIER, proposers=[WARM_START], problem=1)),  # no other of its problem
    ):
        np.testing.assert_array_equal(shares(after(bandit, proposer, (9.0, 9.0), replay)), shares(bandit))


@pytest.mark.thorough
def test_each_problem_and_each_replica_has_its_own() -> None:
    start = ProposerBandit.of(2, 3)
    found = after(start, TRANSFERRED, (9.0, -9.0), replay_of(*EARLIER, proposers=[NEW_POLICY], problem=1), problem=1)
    for problem in (0, 2):
        np.testing.assert_array_equal(shares(found, problem=problem), shares(start))
    better, worse = transferred(found, problem=1)
    assert better > transferred(start)[0] > worse
    for replica in (0, 1):
        alone = found.selected(replica).arrays()
        for name, array in found.arrays().items():
            np.testing.assert_array_equal(alone[name], array[replica : replica + 1])


def test_proposals_are_compared_with_the_trials_just_before() -> None:
    """A search has come so far that everything beats its first trials."""
    late = replay_of(*[5.0] * 20, proposers=[WARM_START])
    longer = replay_of(*[1.0] * 100, *[5.0] * 20, proposers=[WARM_START])
    found, expected = (after(ProposerBandit.of(2, 1), NEW_POLICY, (3.0, 3.0), replay) for replay in (longer, late))
    np.testing.assert_array_equal(found.wins, expected.wins)


def test_the_more_promising_policy_is_kept() -> None:
    """Over all problems; rows that only pad have no say, nor has the warm start."""
    bandit = ProposerBandit.of(2, 4)
    assert bandit.best_policy(CONFIG).tolist() == [TRANSFERRED] * 2
    for problem in range(3):
        replay = replay_of(*EARLIER, proposers=[EXPLORING], problem=problem)
        bandit = after(bandit, WARM_START, (9.0, -9.0), replay, problem)
        bandit = after(bandit, NEW_POLICY, (9.0, -9.0), replay, problem)
        bandit = after(bandit, TRANSFERRED, (3.5, -3.5), replay, problem)
    assert bandit.best_policy(CONFIG).tolist() == [NEW_POLICY, TRANSFERRED]


def test_trust_is_the_chance_that_knowledge_promises_more() -> None:
    bandit, config = ProposerBandit.of(1, 2), BanditConfig()
    bandit.comparisons[0, 1], bandit.wins[0, 1] = (3.0, 2.0, 1.0, 0.5), (2.4, 0.5, 0.7, 0.5)
    for row, (known, new) in enumerate((((0.0, 0.0), (0.0, 0.0)), ((4.0, 3.1), (2.0, 0.5)))):
        means = (config.trust + known[1]) / (1 + known[0]), (0.5 + new[1]) / (1 + new[0])
        draws = [
            mean + 0.3 / np.sqrt(1 + count) * np.random.default_rng(which).standard_normal(200_000)
            for which, (mean, count) in enumerate(zip(means, (known[0], new[0]), strict=True))
        ]
        assert bandit.trust(config)[0, row] == pytest.approx(np.mean(draws[0] > draws[1]), abs=0.005)
