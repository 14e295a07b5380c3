"""What was best before a transfer, as it fits the new problems, is tried again."""

import pytest

from kept import Configs, Told, remembered, taught
from searchers import CONFIG, FAST
from transfernas import Agent, Choice, DecoderConfig, Problem, Repeat, SearchSpace, TrainingConfig
from transfernas.learning.archive import archive_of_trials
from transfernas.learning.bandit import WARM_START
from transfernas.learning.transfer import transfer
from transfernas.learning.warm_start import empty_warm_start
from transfernas.spaces.condition import Action

SMALL = SearchSpace("small", [Choice("lr", (0.1, 0.2, 0.3)), Choice("units", (8, 16))])
OTHER = SearchSpace("other", [Choice("lr", (0.1, 0.2, 0.4)), Choice("units", (8, 16)), Choice("depth", (1, 2))])
DROP, ACT, DEPTH = Choice("drop", (0.0, 0.5)), Choice("act", ("relu", "tanh")), Choice("depth", (1, 2))
ONE, TWO = Problem(SMALL, "one"), Problem(OTHER, "one")


RANKED = [(0.2, 16), (0.3, 16), (0.3, 8), (0.1, 16), (0.1, 8)]
TOLD: list[Told] = [(ONE, RANKED[at], -float(at)) for at in (4, 0, 2, 1, 3)]


def small(*pairs: tuple[float, int]) -> Configs:
    return [{"lr": rate, "units": units} for rate, units in pairs]


@pytest.mark.parametrize(
    "config", [FAST, CONFIG.with_changes({"network": DecoderConfig(embedding_size=4)})], ids=["fast", "paper"]
)
def test_the_best_are_remembered_best_first(config: TrainingConfig) -> None:
    """Whatever the learning: the queue is what counts."""
    learner = taught(TOLD, config.with_changes({"network.feed_forward": 8}))
    assert learner.warm_start is None
    assert remembered(transfer(learner, (ONE,), FAST)) == small(*RANKED)
    assert remembered(transfer(learner, (ONE,), FAST.with_changes({"transfer.bandit.warm_start": 2}))) == small(
        *RANKED[:2]
    )
    valid = Problem(SMALL, "one", valid=lambda config: config["units"] == 8)
    assert remembered(transfer(learner, (valid,), FAST)) == small((0.3, 8), (0.1, 8))
    assert transfer(learner, (ONE,), FAST.with_changes({"transfer.bandit": None})).warm_start is None


def test_sources_give_in_turn_and_each_configuration_once() -> None:
    first: list[Told] = [(ONE, (0.1, 8), 0.9), (ONE, (0.2, 8), 0.5), (ONE, (0.3, 8), 0.4)]
    second: list[Told] = [(TWO, (0.2, 8, 1), 7.0), (TWO, (0.2, 8, 2), 6.0), (TWO, (0.1, 16, 2), 5.0)]
    learner = taught([*first, *second])
    assert remembered(transfer(learner, (ONE,))) == small((0.1, 8), (0.2, 8), (0.3, 8), (0.1, 16))
    elsewhere = Problem(SearchSpace("elsewhere", SMALL.choices), "three")
    several = transfer(learner, (Problem(SMALL, "two"), elsewhere, ONE, TWO))
    assert remembered(several, 2) == remembered(transfer(learner, (ONE,)))
    assert remembered(several, 0) == small((0.1, 8), (0.2, 8), (0.3, 8))  # of another task in its space
    assert remembered(several, 1) == []  # of another task in another space
    last = [config for config in remembered(several, 3) if (config["lr"], config["units"]) == (0.1, 16)]
    assert last == [{"lr": 0.1, "units": 16, "depth": 2}]


def test_what_is_new_is_filled_and_what_is_renamed_is_found() -> None:
    learner, space = taught(TOLD), SearchSpace("renamed", [Choice("rate", (0.1, 0.2, 0.3)), SMALL.choices[1], DROP])
    target, rename = (Problem(space, "one"),), {"lr": "rate"}
    found = remembered(transfer(learner, target, rename=rename, fill={"drop": 0.0}))
    assert found == [{"rate": rate, "units": units, "drop": 0.0} for rate, units in RANKED]
    usual = remembered(transfer(learner, target, rename=rename))
    assert usual == found  # the first action, where nobody says anything of it
    numbers = SearchSpace("renamed", [*space.choices[:2], Choice("drop", (0.0, 0.25, 0.5))])
    assert {config["drop"] for config in remembered(transfer(learner, (Problem(numbers, "one"),), rename=rename))} == {
        0.25
    }


def test_half_of_a_configuration_is_enough() -> None:
    learner = taught(TOLD)
    half, less = (
        SearchSpace("half", [*SMALL.choices, DROP, ACT]),
        SearchSpace("less", [*SMALL.choices, DROP, ACT, DEPTH]),
    )
    found = remembered(transfer(learner, (Problem(half, "one"),)))
    assert [(config["lr"], config["units"]) for config in found] == RANKED
    assert remembered(transfer(learner, (Problem(less, "one"),))) == []
    filled = remembered(transfer(learner, (Problem(less, "one"),), fill={"act": "tanh"}))
    assert len(filled) == 5 and {config["act"] for config in filled} == {"tanh"}


@pytest.mark.thorough
def test_the_warm_start_proposes_each_once_and_in_order() -> None:
    learner, members = transfer(taught(TOLD), (ONE,), seed=1), set[bool]()
    agent, seen = Agent.of(learner), Configs()
    for number in range(SMALL.size + 5):
        trial = agent.ask()
        proposed = agent._open[trial.number].kept.proposer == WARM_START
        if proposed:
            assert trial.config == next(config for config in small(*RANKED) if config not in seen)
        members.add(proposed)
        seen.append(dict(trial.config))
        agent.tell(trial, float(number))
    assert members == {True, False} and all(seen.index(config) < SMALL.size for config in seen)


def test_the_warm_start_does_not_try_again_what_is_open() -> None:
    agent = Agent.of(transfer(taught(TOLD), (ONE,), seed=1))
    trials = agent.ask(SMALL.size)
    assert {agent._open[trial.number].kept.proposer == WARM_START for trial in trials} == {True, False}
    assert len({tuple(trial.config.items()) for trial in trials}) == SMALL.size


def test_repetitions_are_renamed_as_well() -> None:
    old, new = (
        SearchSpace(name, [Repeat("layers", (1, 2), [Choice(name, (8, 16, 32))])]) for name in ("units", "width")
    )
    learner = taught([(Problem(old, "one"), (1, 8), 1.0), (Problem(old, "one"), (1, 16), 0.5)])
    for seed in range(5):
        found = remembered(transfer(learner, (Problem(new, "one"),), seed=seed, rename={"units": "width"}))
        assert found == [{"layers": 1, "width[0]": 8}, {"layers": 1, "width[0]": 16}]


def test_the_warm_start_does_not_try_again_what_failed() -> None:
    agent, proposed = Agent.of(transfer(taught(TOLD), (ONE,), seed=1)), []
    for _ in range(40):
        trial = agent.ask()
        if agent._open[trial.number].kept.proposer == WARM_START:
            proposed.append(tuple(trial.config.items()))
        agent.tell(trial, failed=True)
    assert len(proposed) == len(set(proposed))


@pytest.mark.parametrize(
    ("fill", "said"), [({"dorp": 0.0}, "fill names 'dorp'"), ({"drop": 0.1}, r"its actions are \(0.0, 0.5\)")]
)
def test_a_fill_that_fits_nothing_is_an_error(fill: dict[str, Action], said: str) -> None:
    target = (Problem(SearchSpace("wider", [*SMALL.choices, DROP]), "one"),)
    with pytest.raises(ValueError, match=said):
        transfer(taught(TOLD), target, fill=fill)


@pytest.mark.parametrize("actions", [(1, True, 1.0), (0, False, 0.0), ("1", 1, None), (2.0, 2, "2.0")])
def test_actions_that_are_equal_but_of_other_types_are_remembered_each(actions: tuple[Action, ...]) -> None:
    problem = Problem(SearchSpace("typed", [Choice("lr", actions), Choice("units", (8, 16))]), "one")
    pairs = [(action, units) for action in actions for units in (8, 16)]
    known = taught([(problem, pair, -float(at)) for at, pair in enumerate(pairs)])
    found = [(config["lr"], config["units"]) for config in remembered(transfer(known, (problem,)))]
    assert list(map(repr, found)) == list(map(repr, pairs[: FAST.queue.size]))


def test_sources_keep_their_problems_while_the_archive_changes_its_order() -> None:
    warm_start = empty_warm_start(1, 1, 4, 2, 2)
    warm_start.source[:] = [0, 2, 1, 0]
    mine, one, two, new = (archive_of_trials("s", task, []) for task in ("mine", "one", "two", "new"))
    assert warm_start.moved([mine, one, two], [one, two, mine]).source.tolist() == [[[2, 1, 0, 2]]]
    assert warm_start.moved([mine, one, two], [mine, one, two, new]).source.tolist() == [[[0, 2, 1, 0]]]
    # The archive was full and let its first problem go: the source is still another one than those of the others.
    assert warm_start.moved([mine, one, two], [one, two, new]).source.tolist() == [[[2, 1, 0, 2]]]
    assert warm_start.moved([], [new]).source.tolist() == warm_start.source.tolist()
