import dataclasses

import jax
import numpy as np
import pytest

import kept
from compilations import counted
from policies import every_trajectory, one, scores, stacked
from problems import PROBLEMS, cnn, ffn
from sampling import sampled
from transfernas import Agent, Choice, LstmConfig, Problem, SearchSpace, TrainingConfig
from transfernas.learning.eligibility import ActionIndices, RowIndices
from transfernas.learning.learner import Learner, learn, new_learner, select
from transfernas.learning.proposal import LARGE_BATCH, SMALL_BATCH, count_candidates, propose
from transfernas.learning.randomness import Purpose, generator
from transfernas.learning.rollout import Rollout
from transfernas.learning.transfer import transfer
from transfernas.spaces.condition import Config
from transfernas.spaces.trajectory import Trajectory
from transfernas_bench.experiments.runner import AgentReplicas

CONFIG = TrainingConfig.paper()
LSTM = TrainingConfig.paper(network=LstmConfig(units=8, layers=2, anchors=True))


def run(learner: Learner, trials: int) -> Learner:
    for trial in range(trials):
        learner, (problem, rollout, _) = propose(learner)
        reward = (rollout.action_indices[:, 1] + problem + trial % 3) / 3.0
        learner = learn(learner, problem, rollout.trajectory, reward)
    return learner


def assert_equal(left: object, right: object) -> None:
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.thorough
def test_replicas_learn_as_if_alone() -> None:
    """One step of three replicas is, for each of them, the step that it takes by itself."""
    # With the default epsilon, Adam makes whole steps of gradients that are rounding errors, on some processors.
    config = CONFIG.with_changes({"rule.adam_epsilon": 1e-5})
    together = run(new_learner(PROBLEMS, config, 0, replicas=3), 6)
    proposed, (problem, rollout, _) = propose(together)
    reward = np.array([0.1, 0.5, 0.9])
    after = learn(proposed, problem, rollout.trajectory, reward)
    for replica in range(3):
        single = dataclasses.replace(select(proposed, replica), seed=proposed.seed)
        pick = slice(replica, replica + 1)
        trajectory = jax.tree.map(lambda leaf, at=pick: leaf[at], rollout.trajectory)
        # The queue's draw of the first replica is that of a single one; of the others it differs, so compare the rest.
        alone = learn(single, problem[pick], trajectory, reward[pick])
        for left, right in zip(*((*kept.counted(each), *kept.queued(each)) for each in (after, alone)), strict=True):
            np.testing.assert_array_equal(left[pick], right)
        if replica == 0:
            for left, right in zip(
                jax.tree.leaves(after.state.policy), jax.tree.leaves(alone.state.policy), strict=True
            ):
                np.testing.assert_allclose(np.asarray(left)[pick], right, atol=1e-6)


def test_replicas_differ() -> None:
    learner = new_learner(PROBLEMS, CONFIG, 0, replicas=8)
    _, proposal = propose(learner)
    assert len(set(proposal.problem.tolist())) > 1
    assert len({row.tobytes() for row in proposal.rollout.action_indices}) > 1


def test_the_same_seed_gives_the_same_weights_and_trials() -> None:
    left, right, other = (run(new_learner(PROBLEMS, CONFIG, seed), 5) for seed in (1, 1, 2))
    assert_equal(left.state, right.state)
    assert not np.array_equal(left.state.policy.task, other.state.policy.task)


@pytest.mark.thorough
def test_problems_are_drawn_uniformly() -> None:
    learner, counts = new_learner(PROBLEMS, CONFIG, 0, replicas=64), np.zeros(3)
    for _ in range(30):
        learner, proposal = propose(learner)
        counts += np.bincount(proposal.problem, minlength=3)
    assert (np.abs(counts - 640) < 5 * np.sqrt(640)).all()


def test_one_pair_transferred_to_itself_keeps_its_policy() -> None:
    """Nothing is new, so nothing is drawn: the transferred policy is the old one."""
    learner = run(new_learner(PROBLEMS, CONFIG, 0), 5)
    again = transfer(learner, PROBLEMS)
    everything = stacked(every_trajectory(learner, 0))
    assert_equal(*(scores(one(each), each.tables, everything) for each in (learner, again)))
    assert again.known == learner.vocabulary and not again.trial_stats.started.any()
    assert [(past.space, past.task) for past in again.past] == [problem.name for problem in PROBLEMS]
    assert sum(past.trials[0] for past in again.past) == 5


@pytest.mark.thorough
def test_batched_resampling_takes_the_first_valid_candidate_and_adapts() -> None:
    refuse = Problem(cnn, "digits", valid=lambda config: config["filters"] == 64)

    def first_valid(_rows: RowIndices, action_indices: ActionIndices) -> RowIndices:
        valid = action_indices[:, :, 1] == 2
        return np.where(valid.any(axis=1), valid.argmax(axis=1), valid.shape[1])

    drawn: list[int] = []
    learner = new_learner((refuse,), CONFIG, 0, replicas=16)
    assert count_candidates(learner) == LARGE_BATCH
    for _ in range(10):
        learner, proposal = propose(learner, first_valid, drawn.append)
        assert (proposal.rollout.action_indices[:, 1] == 2).all()
    assert set(drawn) == {LARGE_BATCH} and len(drawn) > 10  # a third is valid: 16 replicas often need a second draw
    assert 0.1 < learner.acceptance < 0.6

    for _ in range(5):  # where everything is valid, one candidate is enough
        learner, _ = propose(learner, lambda rows, action_indices: np.zeros(len(rows), int))
    assert count_candidates(learner) == SMALL_BATCH


def rare(config: Config) -> bool:
    return config["fingerprint"] == 7


@pytest.mark.parametrize("replicas", [1, 3, 5, 17])
@pytest.mark.thorough
def test_retries_are_what_drawing_for_all_would_give(replicas: int) -> None:
    """Only the replicas that miss a valid candidate are drawn for again; each gets what it would have got among all."""
    locked = SearchSpace("locked", [Choice("fingerprint", range(12)), Choice("a", range(8)), Choice("b", range(8))])
    problems = (Problem(locked, "digits", valid=rare), Problem(ffn, "digits"))
    config = TrainingConfig.paper().with_changes(
        {"network.layers": 1, "network.embedding_size": 4, "network.feed_forward": 16, "network.logit_scale": 2.0}
    )
    learner = transfer(new_learner(problems, config, 5, replicas), problems)  # so that gamma is not 0
    sought: list[list[int]] = []

    def first_valid(rows: RowIndices, action_indices: ActionIndices) -> RowIndices:
        sought[-1].append(len(rows))
        return np.array(
            [
                next((at for at, actions in enumerate(each) if accepts(learner, row, actions)), len(each))
                for row, each in zip(rows.tolist(), action_indices, strict=True)
            ]
        )

    for _ in range(3):
        sought.append([])
        before = learner
        learner, proposal = propose(before, first_valid)
        expected = drawn_for_all(before, proposal.problem)
        for name, found in zip(Trajectory._fields, proposal.rollout.trajectory, strict=True):
            np.testing.assert_array_equal(found, getattr(expected.trajectory, name))
        np.testing.assert_array_equal(proposal.rollout.action_indices, expected.action_indices)
        np.testing.assert_allclose(proposal.rollout.log_prob, expected.log_prob, atol=1e-5)
        by_default, same = propose(before)
        assert_equal(same, proposal)
        assert by_default.acceptance == learner.acceptance
    assert all(draws[0] == replicas and draws == sorted(draws, reverse=True) for draws in sought)
    assert max(map(len, sought)) > 3  # a twelfth is valid
    if replicas > 1:
        assert {draws[1] for draws in sought} != {replicas} and any(draws[-1] < draws[1] for draws in sought)


def accepts(learner: Learner, row: int, actions: np.ndarray) -> bool:
    valid = learner.encoding.problems[row].valid
    return valid is None or valid(learner.encoding.config_of_indices(row, actions))


def drawn_for_all(learner: Learner, problem: np.ndarray) -> Rollout:
    """The first valid candidate of each replica, where every attempt draws for all of them."""
    chosen: dict[int, Rollout] = {}
    share = learner.config.transfer.uniform_share(learner.sampled)
    for attempt in range(1000):
        count = LARGE_BATCH if attempt else count_candidates(learner)
        rng = generator(learner.seed, Purpose.ACTIONS, learner.sampled, attempt)
        noise = rng.random((learner.replicas, count, learner.encoding.steps), np.float32)
        rollout = sampled(learner, problem, noise, share)
        for replica, at in np.ndindex(learner.replicas, count):
            if replica not in chosen and accepts(learner, int(problem[replica]), rollout.action_indices[replica, at]):
                chosen[replica] = jax.tree.map(lambda leaf, where=(replica, at): leaf[where], rollout)
        if len(chosen) == learner.replicas:
            break
    return jax.tree.map(lambda *leaves: np.stack(leaves), *(chosen[replica] for replica in range(learner.replicas)))


@pytest.mark.parametrize("config", [CONFIG, LSTM], ids=["transformer", "lstm"])
@pytest.mark.thorough
def test_nothing_is_compiled_once_a_search_runs(config: TrainingConfig) -> None:
    """Also with another problem of the same shapes, and for conditions, refusals and transfer gammas of any kind."""
    problems = (Problem(cnn, "digits", valid=lambda config: config["filters"] != 16), Problem(ffn, "digits"))
    agent = Agent(problems, config, seed=0)
    agent.tell(agent.ask(), 0.5)
    warm_up = agent._compiling()
    for count in (SMALL_BATCH, LARGE_BATCH):
        warm_up.wait_for_sample(count)
    with counted() as compilations:
        for trial in agent.ask(40):
            agent.tell(trial, 0.01 * trial.number)
        other = Agent(problems, config, seed=1)
        other.learn_from([(problems[1], {"dense units": 32, "activation": "relu"}, 0.5)])
        moved = agent.transfer_to(problems)
        for trial in moved.ask(10):
            moved.tell(trial, 0.5)
    assert compilations == []


@pytest.mark.thorough
def test_a_new_name_rarely_compiles_anew() -> None:
    """Shapes grow in powers of two: a few more actions, choices or tasks fit in what is there."""
    small = SearchSpace("s", [Choice(f"c{number}", (0, 1, 2)) for number in range(4)])
    wider = SearchSpace("s", [*small.choices, Choice("c4", (0, 1, "new"))])
    agent = Agent([Problem(small, "t")], seed=0)
    agent.tell(agent.ask(), 0.5)
    for task in ("u", "v", "u"):  # that an agent which knows several rehearses them is compiled once
        agent = agent.transfer_to([Problem(small, task)])
        agent.tell(agent.ask(), 0.5)
    with counted() as compilations:
        moved = agent.transfer_to([Problem(wider, "u")])
        moved.tell(moved.ask(), 0.5)
    assert compilations == []


@pytest.mark.thorough
def test_an_agents_replicas_heed_the_rule_of_a_problem() -> None:
    refuse = Problem(cnn, "digits", valid=lambda config: config["filters"] == 64)
    replicas = AgentReplicas(new_learner((refuse,), CONFIG, 0, replicas=16))
    for _ in range(5):
        batch = replicas.ask()
        assert (batch.action_indices[:, 0] == 2).all()
        replicas.tell(np.ones(16))


@pytest.mark.thorough
def test_an_impossible_problem_does_not_block_the_others() -> None:
    never = Problem(cnn, "never", valid=lambda config: False)
    agent = Agent(
        [never, Problem(ffn, "digits")], TrainingConfig.paper().with_changes({"proposal.max_candidates": 8}), seed=0
    )
    outcomes = []
    for _ in range(20):
        try:
            outcomes.append(agent.ask().problem.task)
        except ValueError as error:
            assert 'search space "cnn" (task "never") was valid' in str(error)
            outcomes.append("error")
    assert outcomes.count("digits") >= 5 and outcomes.count("error") == 20 - outcomes.count("digits")
