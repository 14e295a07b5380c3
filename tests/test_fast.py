"""The agent as `TrainingConfig()` has it: no repeats, preferences, two policies after a transfer."""

import dataclasses
import logging
import threading
from collections import Counter

import jax
import numpy as np
import pytest

from agents import NEXT_PROBLEMS, leaves
from compilations import counted
from kept import queued
from policies import every_trajectory
from sampling import sampled
from searchers import CONFIG, FAST, LEFT, ONE, PROBLEMS, RIGHT, TWO, play, play_in_threads
from transfernas import Agent, Choice, Preferences, Problem, SearchSpace
from transfernas.learning.bandit import N_PROPOSERS, NEW_POLICY, TRANSFERRED, WARM_START
from transfernas.learning.learner import Learner, learn, new_learner, select
from transfernas.learning.preferences import draw_pairs
from transfernas.learning.proposal import MIXED_DRAWS, count_candidates, propose
from transfernas.learning.randomness import Purpose, generator
from transfernas.learning.scores import Scores
from transfernas.learning.steps import climb
from transfernas.learning.transfer import transfer
from transfernas.policy.decoder import Decoder
from transfernas.spaces.condition import Config

SPACE = SearchSpace("sum", [Choice("a", (0, 1, 2, 3)), Choice("b", (0, 1, 2, 3)), Choice("c", (0, 1, 2, 3))])
SUM = Problem(SPACE, "one")


def total(config: Config) -> float:
    return float(sum(value for value in config.values() if isinstance(value, int)))


def run(learner: Learner, trials: int) -> Learner:
    for trial in range(trials):
        learner, (problem, rollout, proposer) = propose(learner)
        reward = (rollout.action_indices[:, 1] + problem + trial % 3) / 3.0
        learner = learn(learner, problem, rollout.trajectory, reward, proposer)
    return learner


assert isinstance(FAST.rule, Preferences)
RULE = FAST.rule


def forgetful(learner: Learner) -> Learner:
    """The same replicas without what was best before."""
    assert learner.warm_start is not None
    warm_start = dataclasses.replace(learner.warm_start, count=np.zeros_like(learner.warm_start.count))
    return dataclasses.replace(learner, warm_start=warm_start)


def rows_of(learner: Learner, replica: int) -> slice:
    return slice(replica * learner.policies, (replica + 1) * learner.policies)


@pytest.mark.thorough
@pytest.mark.parametrize("transferred", [False, True], ids=["new", "transferred"])
def test_nothing_is_evaluated_twice_before_all_is(transferred: bool) -> None:
    agent = Agent(PROBLEMS, FAST, seed=1)
    if transferred:
        play(agent, 5)
        agent = agent.transfer_to(PROBLEMS)
    configs: dict[str, list[Config]] = {"one": [], "two": []}
    for _, problem, config in play(agent, 90):
        configs[problem.task].append(config)
    for problem in PROBLEMS:
        size, found = problem.space.size, [tuple(config.items()) for config in configs[problem.task]]
        assert len(set(found[:size])) == size < len(found)  # and the search goes on


@pytest.mark.thorough
@pytest.mark.parametrize("transferred", [False, True], ids=["new", "transferred"])
def test_nor_is_what_is_valid(transferred: bool) -> None:
    problem = Problem(LEFT, "one", valid=lambda config: config["kind"] != "conv" or config["width"] == 8)
    agent = Agent([problem], FAST, seed=2)
    if transferred:
        play(agent, 3)
        agent = agent.transfer_to([problem])
    found = [tuple(config.items()) for _, _, config in play(agent, 12)]
    assert len(set(found[:5])) == 5 == len(set(found))


@pytest.mark.parametrize("transferred", [False, True], ids=["new", "transferred"])
def test_open_trials_differ_while_there_is_something_else(transferred: bool) -> None:
    agent = Agent([ONE], FAST, seed=3)
    if transferred:
        play(agent, 5)
        agent = agent.transfer_to([ONE])
    trials = agent.ask(LEFT.size)
    assert len({tuple(trial.config.items()) for trial in trials}) == LEFT.size
    agent.tell(trials[3], failed=True)  # what it is worth is not known
    agent.tell(trials[5], 1.0)
    assert agent.ask().config == trials[3].config
    assert agent.ask().number == LEFT.size + 1  # and where there is nothing else, the search goes on


def test_what_somebody_else_evaluated_is_not_proposed() -> None:
    agent = Agent([ONE], FAST)
    everything = list(LEFT.enumerate())
    agent.learn_from([(ONE, config, 0.1 * number) for number, config in enumerate(everything[:-2])])
    assert [config for _, _, config in play(agent, 2)] in (everything[-2:], everything[:-3:-1])


def test_a_failed_trial_is_not_known_and_may_come_again() -> None:
    agent = Agent([ONE], FAST)
    for _ in range(30):
        agent.tell(agent.ask(), failed=True)
    assert agent.provenance == () and agent.best() is None
    assert len({tuple(config.items()) for _, _, config in play(agent, LEFT.size)}) == LEFT.size


def test_foreign_trials_teach() -> None:
    """What is proposed next has a larger sum than what an agent proposes that knows nothing."""
    rng = np.random.default_rng(0)
    everything = list(SPACE.enumerate())
    some = [everything[at] for at in rng.permutation(len(everything))[:32]]
    fresh, taught = Agent([SUM], FAST, seed=1), Agent([SUM], FAST, seed=1)
    taught.learn_from([(SUM, config, total(config)) for config in some] * 3)
    before, after = (np.mean([total(trial.config) for trial in agent.ask(16)]) for agent in (fresh, taught))
    assert before < 5.2 and after > before + 1


@pytest.mark.thorough
def test_a_seed_decides_the_trials_also_after_a_transfer() -> None:
    agents = [Agent(PROBLEMS, FAST, seed) for seed in (3, 3, 4)]
    first, second, other = ([play(agent, 15), play(agent.transfer_to(NEXT_PROBLEMS), 15)] for agent in agents)
    assert first == second and first[0] != other[0] and first[1] != other[1]


@pytest.mark.thorough
def test_a_proposal_is_the_most_probable_of_more_and_more_draws() -> None:
    learner = new_learner((SUM,), FAST, 5, replicas=3)
    config = FAST.with_changes({"proposal.repeats": True, "proposal.best_of.trials": 10, "proposal.surrogate": None})
    for trials, count in ((0, 1), (1, 3), (5, 9), (10, 16), (13, 16)):
        learner = run(learner, trials - learner.learned)
        _, (problem, rollout, _) = propose(dataclasses.replace(learner, config=config))
        noise = generator(5, Purpose.ACTIONS, trials, 0).random((3, 16, learner.encoding.steps), np.float32)
        drawn = sampled(learner, problem, noise).log_prob
        assert len(np.unique(drawn)) > 20
        np.testing.assert_array_equal(rollout.log_prob, drawn[:, :count].max(axis=1))


@pytest.mark.thorough
def test_a_proposal_is_not_the_shortest_of_the_draws() -> None:
    """A new policy takes a chain for as good as its beginning; the log-probability of a long trial is lower."""
    chain = [Choice("go 0", (True, False))]
    chain += [Choice(f"go {at}", (True, False), when={f"go {at - 1}": True}) for at in range(1, 6)]
    config = FAST.with_changes({"proposal.repeats": True, "proposal.best_of.trials": 1})
    learner = new_learner((Problem(SearchSpace("chain", chain), "one"),), config, 5, replicas=64)
    _, (problem, first, proposer) = propose(learner)
    told = learner.replay.append(problem, first.trajectory, Scores.of(np.zeros(64)), proposer)
    _, (_, best, _) = propose(dataclasses.replace(learner, replay=told))
    noise = generator(5, Purpose.ACTIONS, 0, 0).random((64, 16, learner.encoding.steps), np.float32)
    drawn = sampled(learner, problem, noise)
    assert (best.log_prob < drawn.log_prob.max(axis=1)).mean() > 0.5
    assert -0.5 < best.trajectory.length.mean() - drawn.trajectory.length.mean() < 1.0  # the shortest are 1 shorter


@pytest.mark.thorough
def test_after_a_transfer_each_policy_proposes_its_own() -> None:
    """What was transferred proposes the most probable of all draws at once, the new policy begins with one."""
    config = FAST.with_changes({"transfer.bandit.control": 0})  # so that the new policy may propose the first trial
    learner = transfer(run(new_learner((SUM,), config, 5, replicas=8), 3), (SUM,), seed=6)
    _, (_, rollout, proposer) = propose(learner)
    assert (
        set(proposer.tolist()) == {WARM_START} and np.isnan(rollout.log_prob).all()
    )  # what was best before comes first
    _, (problem, rollout, proposer) = propose(forgetful(learner))
    assert set(proposer.tolist()) == {TRANSFERRED, NEW_POLICY}
    noise = generator(6, Purpose.ACTIONS, 0, 0).random(
        (8, count_candidates(learner), learner.encoding.steps), np.float32
    )
    drawn = sampled(learner, problem, noise[:, :16], policies=2 * np.arange(8) + (proposer == NEW_POLICY)).log_prob
    np.testing.assert_array_equal(rollout.log_prob, np.where(proposer == TRANSFERRED, drawn.max(axis=1), drawn[:, 0]))


@pytest.mark.thorough
def test_what_was_not_met_before_a_transfer_is_explored_as_by_a_new_policy() -> None:
    """Half of the actions of one choice of two were seen, none of the other's: a quarter of the way is gone."""
    before = Problem(SearchSpace("before", [Choice("a", (0, 1))]), "one")
    after = Problem(SearchSpace("after", [Choice("a", (0, 1, 2, 3)), Choice("b", range(5))]), "one")
    config = FAST.with_changes(
        {
            "proposal.repeats": True,
            "proposal.surrogate": None,
            "proposal.best_of.trials": 16,
            "transfer.bandit.exploration": None,
            "transfer.bandit.control": 0,
        }
    )
    learner = forgetful(transfer(run(new_learner((before,), config, 5, replicas=8), 3), (after,), seed=6))
    for trials, transferred, new in ((0, 5, 1), (4, 9, 5), (14, 16, 15)):
        learner = run(learner, trials - learner.learned)
        _, (problem, rollout, proposer) = propose(learner)
        noise = generator(6, Purpose.ACTIONS, trials, 0).random((8, 16, learner.encoding.steps), np.float32)
        drawn = sampled(learner, problem, noise, policies=2 * np.arange(8) + (proposer == NEW_POLICY)).log_prob
        expected = np.where(proposer == NEW_POLICY, drawn[:, :new].max(axis=1), drawn[:, :transferred].max(axis=1))
        np.testing.assert_array_equal(rollout.log_prob, expected)
        assert set(proposer.tolist()) == {TRANSFERRED, NEW_POLICY}


@pytest.mark.parametrize("transferred", [False, True], ids=["new", "transferred"])
def test_replicas_learn_as_if_alone(transferred: bool) -> None:
    """One step of three replicas is, for each of them, the step that it takes by itself on the same pairs."""
    learner = run(new_learner(PROBLEMS, FAST, 0, replicas=3), 6)
    if transferred:
        learner = run(transfer(learner, PROBLEMS), 6)
    proposed, (problem, rollout, proposer) = propose(learner)
    reward = np.array([0.1, 0.5, 0.9])
    after = learn(proposed, problem, rollout.trajectory, reward, proposer)
    rng = generator(proposed.seed, Purpose.PAIRS, proposed.learned)
    pairs = draw_pairs(after.replay, problem, rng, RULE, learner.policies, new_task="mean")
    for replica in range(3):
        rows, at = rows_of(learner, replica), slice(replica, replica + 1)
        single = dataclasses.replace(select(proposed, replica), seed=proposed.seed)
        trajectory = jax.tree.map(lambda leaf, at=at: leaf[at], rollout.trajectory)
        alone = learn(single, problem[at], trajectory, reward[at], proposer[at])
        np.testing.assert_array_equal(after.trial_stats.trials[at], alone.trial_stats.trials)
        for left, right in zip(*(queued(each) for each in (after, alone)), strict=True):
            np.testing.assert_array_equal(left[at], right)
        selected = select(after, replica)
        for name in ("problem", "fingerprint"):
            left, right = (getattr(each.replay, name)[:, : each.replay.count] for each in (selected, alone))
            np.testing.assert_array_equal(left, right)
        scores = (each.replay.scores.at((slice(None), slice(each.replay.count))) for each in (selected, alone))
        for left, right in zip(*scores, strict=True):
            np.testing.assert_array_equal(left, right)
        if transferred:
            assert selected.bandit is not None and alone.bandit is not None
            for left, right in zip(*(each.arrays().values() for each in (selected.bandit, alone.bandit)), strict=True):
                np.testing.assert_array_equal(left, right)

        mine = jax.tree.map(lambda leaf, rows=rows: leaf[rows], pairs)
        state = climb(single.state, single.tables, mine, RULE)
        for left, right in zip(*(jax.tree.leaves(each.policy) for each in (after.state, state)), strict=True):
            np.testing.assert_allclose(np.asarray(left)[rows], right, atol=2e-5)
    if not transferred:  # the first replica's draws are those of a single one, but for who proposes
        _, same = propose(dataclasses.replace(select(learner, 0), seed=learner.seed))
        np.testing.assert_array_equal(same.rollout.action_indices[0], rollout.action_indices[0])


@pytest.mark.thorough
def test_nothing_is_compiled_once_a_search_runs() -> None:
    """Nor for another agent, a transfer, a refusal, foreign trials or a space that is used up."""
    problems = (ONE, Problem(RIGHT, "two", valid=lambda config: config["kind"] != "pool"))

    def search(seed: int, trials: int) -> None:
        agent = Agent(problems, FAST, seed)
        play(agent, trials)
        moved = agent.transfer_to(problems)
        moved.learn_from([(TWO, {"depth": 1, "kind": "pool"}, 0.5)])
        members = Counter(_proposer(moved) for _ in range(trials))
        assert trials < 10 or set(members) == {TRANSFERRED, NEW_POLICY, WARM_START}

    search(0, 4)
    with counted() as compilations:
        search(1, 40)
    assert compilations == []


def _proposer(agent: Agent) -> int:
    trial = agent.ask()
    proposer: int = agent._open[trial.number].kept.proposer
    agent.tell(trial, 0.1 * trial.number)
    return proposer


def test_the_bandit_hears_who_proposed() -> None:
    agent = Agent([SUM], FAST)
    play(agent, 3)
    agent = agent.transfer_to([SUM])
    proposers = [_proposer(agent) for _ in range(20)]
    assert {TRANSFERRED, NEW_POLICY} <= set(proposers) and proposers.index(NEW_POLICY) < 3
    replay, bandit = agent.learner.replay, agent.learner.bandit
    assert replay.proposer[0, : replay.count].tolist() == proposers and bandit is not None
    np.testing.assert_array_equal(
        bandit.arrays()["comparisons"][0, 0] > 0, [proposer in proposers for proposer in range(N_PROPOSERS)]
    )


def test_threads_may_share_a_transferred_agent() -> None:
    agent = Agent(PROBLEMS, FAST)
    play(agent, 3)
    agent = agent.transfer_to(PROBLEMS)
    play_in_threads(agent, 60)
    assert agent.learner.replay.count == agent.learner.sampled == 60


@pytest.mark.thorough
def test_a_transfer_leaves_the_old_agent_as_it_is() -> None:
    alone, transferred = Agent(PROBLEMS, FAST, seed=2), Agent(PROBLEMS, FAST, seed=2)
    assert play(alone, 6) == play(transferred, 6)
    new = transferred.transfer_to(NEXT_PROBLEMS)
    play(new.transfer_to(PROBLEMS), 5)
    play(new, 5)
    assert play(alone, 5) == play(transferred, 5)
    assert all(map(np.array_equal, leaves(alone), leaves(transferred)))


def test_agents_of_one_learner_do_not_disturb_each_other() -> None:
    """Their histories share arrays."""
    learner = run(new_learner(PROBLEMS, FAST, 0), 5)
    left, right, alone = (Agent.of(learner) for _ in range(3))
    trials = left.ask(4), right.ask(4)
    for number, (one, other) in enumerate(zip(*trials, strict=True)):
        left.tell(one, float(number))
        right.tell(other, -float(number))
    for number, trial in enumerate(alone.ask(4)):
        alone.tell(trial, float(number))
    assert all(map(np.array_equal, leaves(left), leaves(alone)))
    assert left.learner.replay.scores.reward[0, 5:9].tolist() == [0, 1, 2, 3]
    assert right.learner.replay.scores.reward[0, 5:9].tolist() == [0, -1, -2, -3]


OLD = SearchSpace("old", [Choice("lr", (0.001, 0.01, 0.1)), Choice("units", (16, 32))])
NEWER = SearchSpace("newer", [Choice("learning rate", (0.001, 0.01, 0.1, 1.0)), Choice("units", (16, 32))])


@pytest.mark.thorough
def test_a_renamed_state_keeps_what_it_learned() -> None:
    old = Agent([Problem(OLD, "one")], FAST)
    play(old, 6)
    target, rename = [Problem(NEWER, "one")], {"lr": "learning rate"}
    new, apart = old.transfer_to(target, rename=rename), old.transfer_to(target)
    assert new.transfer_report is not None and apart.transfer_report is not None
    assert new.transfer_report.known_states == ("learning rate", "units")
    assert new.transfer_report.new_actions == (("learning rate", 1.0),)
    assert apart.transfer_report.new_states == ("learning rate",)
    assert old.learner.vocabulary.states[1] == "lr"  # the old agent keeps its own names

    before, after, other = (each.learner for each in (old, new, apart))
    for table in ("state", "logit_weight"):
        was, now, drawn = (np.asarray(getattr(each.state.policy, table))[0] for each in (before, after, other))
        assert np.array_equal(was[before.vocabulary.state("lr")], now[after.vocabulary.state("learning rate")])
        assert not np.any(np.isin(drawn[other.vocabulary.state("learning rate")], was))
    for table in ("action", "action_bias"):
        was, now = (np.asarray(getattr(each.state.policy, table))[0] for each in (before, after))
        for rate in (0.001, 0.01, 0.1):
            row = after.vocabulary.action("learning rate", rate)
            assert np.array_equal(was[before.vocabulary.action("lr", rate)], now[row])
    play(new, 3)


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ({"rate": "learning rate"}, "rename: there is no state 'rate'; the known states are lr, units"),
        ({"<S>": "start"}, "rename: there is no state '<S>'"),
        (
            {"rate": "lr"},
            "states are lr, units. 'lr' is known, so either the names are the wrong way round, or the file",
        ),
        ({"lr": "units"}, "rename: the agent knows 'units' already, so 'lr' cannot become 'units'; leave"),
        ({"lr": "<S>"}, "rename: the agent knows '<S>' already, so 'lr' cannot become '<S>'"),
        ({"lr": "size", "units": "size"}, "rename: two states cannot both become 'size'"),
    ],
)
def test_a_bad_rename_is_refused(rename: dict[str, str], message: str) -> None:
    learner = new_learner((Problem(OLD, "one"),), FAST, 0)
    with pytest.raises(ValueError, match=message):
        transfer(learner, (Problem(NEWER, "one"),), rename=rename)


def test_a_rename_or_fill_that_is_no_mapping_is_refused() -> None:
    agent = Agent([Problem(OLD, "one")], FAST, 0)
    wrong: object
    for wrong in (["lr"], "lr", {"lr": 3}, {1: "lr"}, {"lr": ""}):
        with pytest.raises(TypeError, match=r"rename is a mapping from old names to new names, as in \{'lr': 'rate'\}"):
            agent.transfer_to([Problem(NEWER, "one")], rename=wrong)  # type: ignore[arg-type]
    for wrong in (["units"], "units", 3, {1: 2}):
        with pytest.raises(TypeError, match=r"fill is a mapping from names to values, as in \{'dropout': 0.0\}, not"):
            agent.transfer_to([Problem(NEWER, "one")], fill=wrong)  # type: ignore[arg-type]


def test_two_states_swap_their_names() -> None:
    old = Agent([Problem(OLD, "one")], FAST, 0)
    play(old, 6)
    swapped = old.transfer_to([Problem(OLD, "one")], rename={"lr": "units", "units": "lr"})
    before, after = old.learner.vocabulary, swapped.learner.vocabulary
    assert after.state("units") == before.state("lr") and after.state("lr") == before.state("units")
    table, taken = (np.asarray(each.learner.state.policy.state)[0] for each in (old, swapped))
    assert np.array_equal(table[before.state("lr")], taken[after.state("units")])
    found = next(entry for entry in swapped.learner.archive)
    assert [choice.name for choice in found.choices] == ["units", "lr"]
    play(swapped, 3)


def _hidden(learner: Learner) -> np.ndarray:
    policy = learner.state.policy
    assert isinstance(policy, Decoder)
    return np.asarray(policy.encoder.hidden)


@pytest.mark.parametrize("proposer", [TRANSFERRED, NEW_POLICY], ids=["transferred", "new"])
def test_a_second_transfer_takes_the_policy_that_did_better(proposer: int) -> None:
    learner = run(transfer(run(new_learner((ONE,), FAST, 0), 4), (ONE,)), 6)
    row, everything = np.zeros(1, np.int32), every_trajectory(learner, 0)
    for number, reward in enumerate((10.0, 20.0, 30.0, 40.0)):
        trajectory = jax.tree.map(lambda leaf: leaf[None], everything[number])
        learner = learn(learner, row, trajectory, np.array([reward]), np.array([proposer]))
    again, names = transfer(learner, (ONE,)), learner.vocabulary
    known = slice(len(names.actions))
    parts = [(_hidden(each), np.asarray(each.state.policy.action)[:, known]) for each in (learner, again)]
    for old, new in zip(*parts, strict=True):
        assert np.array_equal(new[TRANSFERRED], old[proposer]) and not np.array_equal(
            new[TRANSFERRED], old[1 - proposer]
        )
    assert not np.array_equal(again.state.policy.task[NEW_POLICY], learner.state.policy.task[NEW_POLICY])
    assert again.bandit is not None and not any(array.any() for array in again.bandit.arrays().values())
    assert again.replay.count == 0 and [past.trials for past in again.past] == [(4,), (10,)]


def test_a_transfer_can_do_without_the_new_policy_and_go_back_to_two() -> None:
    agent = Agent([ONE], FAST)
    play(agent, 4)
    single = agent.transfer_to([ONE], config=FAST.with_changes({"transfer.bandit": None}))
    play(single, 4)
    double = single.transfer_to([ONE], config=FAST)
    assert [each.learner.policies for each in (agent, single, double)] == [1, 1, 2]
    old, new = (_hidden(each.learner) for each in (single, double))
    assert np.array_equal(old[0], new[TRANSFERRED]) and not np.array_equal(old[0], new[NEW_POLICY])


def test_an_interrupt_while_learning_from_a_history_leaves_the_agent_whole() -> None:
    agent, alone = (Agent([ONE], FAST, seed=3) for _ in range(2))
    config = next(iter(LEFT.enumerate()))
    for each in (agent, alone):
        play(each, 3)

    def interrupted(learner: Learner, *rest: object, **named: object) -> Learner:
        if learner.learned == 5:
            raise KeyboardInterrupt
        return learn(learner, *rest, **named)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("transfernas.learning.studying.learn", interrupted)
        agent.learn_from([(ONE, config, 1.0)] * 5)
    assert play(agent, 4) == play(alone, 4)
    assert all(map(np.array_equal, leaves(agent), leaves(alone)))


def test_one_draw_for_a_proposal_is_enough() -> None:
    agent = Agent([ONE], FAST.with_changes({"proposal.best_of": None}))
    assert len({tuple(config.items()) for _, _, config in play(agent, LEFT.size)}) == LEFT.size


def test_at_first_a_proposal_is_the_first_valid_draw() -> None:
    problem = Problem(SPACE, "one", valid=lambda config: config["a"] == 3)
    learner = new_learner((problem,), FAST, 5, replicas=8)
    _, (row, rollout, _) = propose(learner)
    noise = generator(5, Purpose.ACTIONS, 0, 0).random(
        (8, count_candidates(learner), learner.encoding.steps), np.float32
    )
    drawn = sampled(learner, row, noise)
    first = (drawn.action_indices[:, :, 1] == 3).argmax(axis=1)
    assert first.max() < 16
    np.testing.assert_array_equal(rollout.log_prob, drawn.log_prob[np.arange(8), first])


@pytest.mark.thorough
def test_where_a_policy_is_sure_of_what_is_known_it_looks_about_itself() -> None:
    """In the same draw: the most probable of the draws in which some is uniform, in growing shares."""
    learner = run(new_learner((SUM,), FAST, 5, replicas=4), 3)
    policy = learner.state.policy
    assert isinstance(policy, Decoder)
    sure = np.zeros(np.shape(policy.action_bias), np.float32)
    sure[:, [learner.vocabulary.action(name, 3) for name in "abc"]] = 1000.0
    policy = dataclasses.replace(policy, action_bias=sure)
    best = learner.encoding.trajectory(0, {"a": 3, "b": 3, "c": 3})
    told = jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf)[None], 4, axis=0), best)
    learner = learn(learner, np.zeros(4, np.int32), told, np.ones(4))
    learner = dataclasses.replace(learner, state=dataclasses.replace(learner.state, policy=policy))
    draws: list[int] = []
    _, (problem, rollout, _) = propose(learner, before_draw=draws.append)
    assert draws == [16 + MIXED_DRAWS]
    noise = generator(5, Purpose.ACTIONS, learner.sampled, 0).random(
        (4, 16 + MIXED_DRAWS, learner.encoding.steps), np.float32
    )
    assert (sampled(learner, problem, noise[:, :16]).action_indices[:, :, 1:4] == 3).all()
    for replica in range(4):
        found = [
            sampled(learner, problem, noise[:, [16 + at]], share=((at + 1) / MIXED_DRAWS) ** 2)
            for at in range(MIXED_DRAWS)
        ]
        fresh = [one.log_prob[replica, 0] for one in found if (one.action_indices[replica, 0, 1:4] < 3).any()]
        assert rollout.log_prob[replica] == pytest.approx(max(fresh), rel=1e-5)


def test_a_transferred_agent_compiles_in_the_background(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "transfernas.learning.compilation")
    agent = Agent([ONE], FAST).transfer_to([ONE])
    warm_up = agent._compiling()
    warm_up.wait_for_sample(count_candidates(agent.learner))
    warm_up.wait_for_update()
    assert not caplog.records


def test_an_agent_searches_the_same_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    expected, refused = play(Agent([ONE], FAST), 3), list[str]()

    def refuse(thread: threading.Thread) -> None:
        refused.append(thread.name)
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert play(Agent([ONE], FAST), 3) == expected
    assert refused == ["transfernas-compiler"]


def test_a_search_goes_on_where_all_that_is_valid_was_evaluated_whatever_the_cap() -> None:
    problem = Problem(LEFT, "one", valid=lambda config: config["kind"] == "pool")
    play(Agent([problem], FAST.with_changes({"proposal.max_candidates": 100})), 4)


@pytest.mark.thorough
def test_the_papers_learning_can_do_without_repeats() -> None:
    agent = Agent([ONE], CONFIG.with_changes({"proposal.repeats": False, "proposal.max_candidates": 1000}), seed=1)
    assert len({tuple(config.items()) for _, _, config in play(agent, LEFT.size)}) == LEFT.size
