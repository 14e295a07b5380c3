"""Trials that a learner was told, as configurations, in the order in which it learned from them."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ..learning.bandit import PROPOSER_NAMES
from ..learning.expected_best import ExpectedBest
from ..learning.learner import Learner, update_archive
from ..learning.replay import fingerprints
from ..learning.scores import Scores
from ..learning.surrogate_proposals import expected_best
from ..spaces.condition import Action, action_key
from ..spaces.encoding import put_numbers
from .importances import mean_ranks
from .number_ranges import ranges_in, with_actions

MOST_TRIALS = 2_000
"""Of more trials of a problem, so many are looked at, spread evenly."""


class ToldTrial(NamedTuple):
    """A trial of a problem.

    Attributes:
        config: from the names of its choices to their actions.
        outcome: see `learning.scores.TrialOutcome`.
        reward: higher is better; infinite where the trial came to no finite one.
        proposer: who proposed it; None for other programs.
    """

    config: dict[str, Action]
    outcome: int
    reward: float
    proposer: str | None


def told_trials(learner: Learner, row: int) -> list[ToldTrial]:
    """Returns the trials of a problem, oldest first.

    The paper's agent keeps no trials but its best ones: these are returned then, the best first.
    """
    replay, encoding = learner.replay, learner.encoding
    numbers = replay.of(0, row)
    if not len(numbers):
        return _archived(learner, encoding.problems[row].name)
    if len(numbers) > MOST_TRIALS:
        numbers = numbers[np.linspace(0, len(numbers) - 1, MOST_TRIALS).round().astype(int)]
    configs, scores = _configs(learner, row, numbers), replay.scores.at((0, numbers))
    proposers = map(PROPOSER_NAMES.get, replay.proposer[0, numbers].tolist())
    return [*map(ToldTrial, configs, scores.outcome.tolist(), scores.shown().tolist(), proposers)]


def taken_actions(learner: Learner, row: int) -> dict[str, set[Action]]:
    """Returns the actions that the trials of a problem took, by the names of the choices."""
    found = dict[str, set[Action]]()
    for trial in told_trials(learner, row):
        for name, action in trial.config.items():
            found.setdefault(name, set()).add(action)
    return found


def best_trials(learner: Learner, row: int) -> list[tuple[dict[str, Action], float]]:
    """Returns distinct configurations of a problem and their rewards, best first, at most as many as a queue holds.

    Of equally good ones, the one that was told first comes first. If the space was discovered, the configurations have
    the numbers that were tried, and the `NumberRange` of a number that is not known.
    """
    queue, replay = learner.queue, learner.replay
    if not learner.encoding.problems[row].space.has_ranges:
        here = (0, row, _queue_order(learner, row))
        configs, scores = learner.encoding.configs(row, queue.trials.at(here)), queue.scores.at(here)
        if learner.encoding.grows:
            configs = _tried(learner, row, configs, scores.shown().tolist())
    else:
        ranked = replay.ranked(0, replay.of(0, row), distinct=False)
        _, first = np.unique(np.array(replay.identities(0, ranked), np.uint64), return_index=True)
        ranked = ranked[np.sort(first)[: learner.config.queue.size]]
        configs, scores = _configs(learner, row, ranked), replay.scores.at((0, ranked))
    return list(zip(configs, scores.shown().tolist(), strict=True))


def expected_best_trial(learner: Learner, row: int) -> ExpectedBest | None:
    """Returns the trial of a problem with the best expected reward; None before the first trial with a finite one.

    Its configuration is as in `best_trials`.
    """
    found = expected_best(learner, row)
    if found is None:
        return None
    trial, rewards = np.array([found[0]]), found[1]
    configs = _configs(learner, row, trial)
    if learner.encoding.grows:
        configs = _tried(learner, row, configs, learner.replay.scores.at((0, trial)).shown().tolist())
    return ExpectedBest(configs[0], *rewards)


def _queue_order(learner: Learner, row: int) -> Int[np.ndarray, "filled"]:
    """Returns the slots of a problem in the priority queue, best trial first, and of equal ones the one told first.

    A full queue puts a new trial in any slot, so the order comes from the replay buffer, if that has trials.
    """
    queue, replay = learner.queue, learner.replay
    order, told = queue.best_first(0, row), replay.of(0, row)
    if not len(told):
        return order
    scores, known = queue.scores.at((0, row, order)), replay.scores.at((0, told))
    same = fingerprints(np.full(len(order), row, np.int32), queue.trials.at((0, row, order)))[:, None]
    same = same == replay.fingerprint[0, told]
    same &= (scores.outcome[:, None] == known.outcome) & (scores.reward[:, None] == known.reward)
    return order[np.lexsort((same.argmax(axis=1), -scores.reward, -scores.outcome))]


def trial_key(config: Mapping[str, Action], reward: float) -> Hashable:
    """Returns a key of a trial, equal for a trial that was told and the same trial in the archive."""
    return frozenset((name, action_key(action)) for name, action in config.items()), reward


def exact_configs(learner: Learner, row: int) -> dict[Hashable, dict[str, Action]]:
    """Returns the archived trials of a problem by `trial_key`, with the numbers that were tried if these are known."""
    return {key: with_numbers(config, numbers) for key, (config, numbers) in _kept(learner, row).items()}


def _kept(learner: Learner, row: int) -> dict[Hashable, tuple[dict[str, Action], dict[str, float]]]:
    """Returns the archived trials of a problem by `trial_key`: their actions, and the known numbers."""
    name = learner.encoding.problems[row].name
    found = dict[Hashable, tuple[dict[str, Action], dict[str, float]]]()
    for entry in update_archive(learner).archive:
        if entry.name == name:
            rewards = entry.scores.at((0, slice(int(entry.count[0])))).shown().tolist()
            for slot, reward in enumerate(rewards):
                config = entry.config(0, slot)
                found.setdefault(trial_key(config, reward), (config, entry.numbers(0, slot)))
    return found


def _tried(
    learner: Learner, row: int, configs: Sequence[dict[str, Action]], rewards: Sequence[float]
) -> list[dict[str, Action]]:
    """Returns configurations of actions with the numbers that were tried, or with ranges if these are not known."""
    kept, found = _kept(learner, row), list[dict[str, Action]]()
    several = {
        name: {action: part for action, part in its.items() if part.low < part.high}
        for name, its in ranges_in(learner, row).items()
    }
    for config, reward in zip(configs, rewards, strict=True):
        _, numbers = kept.get(trial_key(config, reward), (config, dict[str, float]()))
        unknown = {name: several.get(name, {}).get(action, action) for name, action in config.items()}
        found.append(with_numbers(config, numbers) | {n: its for n, its in unknown.items() if n not in numbers})  # type: ignore[arg-type]
    return found


def actions_in(learner: Learner, row: int, config: Mapping[str, Action]) -> Mapping[str, Action]:
    """Returns a configuration of `best_trials` with the actions of its numbers, if the space was discovered."""
    if not learner.encoding.grows or not isinstance(config, Mapping):
        return config  # whoever encodes it says which configuration would be right
    return with_actions(config, ranges_in(learner, row))


def with_numbers(config: Mapping[str, Action], numbers: Mapping[str, float]) -> dict[str, Action]:
    """Returns a configuration with numbers in place of the actions that stand for them.

    Example:
        ```python
        assert with_numbers({"units": 12, "act": "relu"}, {"units": 13.0}) == {"units": 13, "act": "relu"}
        ```
    """
    found = dict(config)
    for name, number in numbers.items():
        if name in found:
            found[name] = int(number) if type(found[name]) is int and number.is_integer() else number
    return found


def ranks_of(trials: Sequence[ToldTrial]) -> Float[np.ndarray, "trials"]:
    """Returns the place of each trial in their order, see `importances.mean_ranks`."""
    rewards = np.nan_to_num(np.array([trial.reward for trial in trials], np.float64), posinf=0.0, neginf=0.0)
    return mean_ranks(np.array([trial.outcome for trial in trials], np.int32), rewards)


def _configs(learner: Learner, row: int, trials: Int[np.ndarray, "trials"]) -> list[dict[str, Action]]:
    """Returns trials in the replay buffer as configurations, with the numbers of ranges."""
    encoding, replay = learner.encoding, learner.replay
    configs = encoding.configs(row, replay.trials.at((0, trials)))
    choices, numbers = encoding.problems[row].space.choices, replay.numbers[0, trials]
    return [put_numbers(choices, config, its) for config, its in zip(configs, numbers, strict=True)]


def _archived(learner: Learner, name: tuple[str, str]) -> list[ToldTrial]:
    for entry in update_archive(learner).archive:
        if entry.name == name:
            slots = range(int(entry.count[0]))
            scores: Scores = entry.scores.at((0, slice(len(slots))))
            pairs = zip(slots, scores.outcome.tolist(), scores.shown().tolist(), strict=True)
            return [ToldTrial(entry.config(0, slot), outcome, reward, None) for slot, outcome, reward in pairs]
    return []


def best_reward(learner: Learner, row: int) -> float | None:
    """Returns the best reward of a problem in the priority queue; None before the first trial."""
    order = learner.queue.best_first(0, row)
    return float(learner.queue.scores.at((0, row, order[:1])).shown()[0]) if len(order) else None
