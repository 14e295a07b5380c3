"""Beliefs of an agent about a problem, as plain data: which values it would draw, which parameters matter, and why.

The policy is asked by draws of its own, from a seed that nothing else uses. A learner is immutable and stays as it is,
so an agent's next trials do not depend on whether you looked at its beliefs.

Shapes: `draws` of configurations, `choices` of a space, S among them.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ..learning.archive import NOT_MADE, ArchivedProblem
from ..learning.bandit import TRANSFERRED
from ..learning.learner import Learner, update_archive
from ..learning.proposal import count_candidates, draw_rollouts, excess_log_prob
from ..learning.randomness import Purpose, generator
from ..notebook import html_table
from ..spaces.choice import Choice
from ..spaces.condition import Action, Config, action_key
from ..spaces.vocabulary import counted
from .attention import DecisionAttention, attention_in, with_values
from .importances import LEAST_TRIALS, Importance, importances, mean_ranks
from .likeness import TaskLikeness, likeness_in
from .number_ranges import NumberRange, Ranges, ranges_in, with_actions, with_ranges
from .plane import EmbeddingMap, space_map, task_map
from .told import ToldTrial, actions_in, ranks_of, told_trials, with_numbers

DRAWS = 480
"""So many configurations are drawn, unless you say otherwise: the standard error of a probability is 0.023 at most."""

_EXPECTED = 5  # configurations
_BEST_OF_SOURCE = 8  # trials of another problem say which values were good there


@dataclass(frozen=True, slots=True)
class SourceValues:
    """Which values of a parameter were good in another problem.

    Attributes:
        space: the name of that problem's space.
        task: the name of its task.
        probabilities: the share of its best eight trials that took each of the parameter's values here; their sum is
            below 1 where those trials took values that the parameter does not have here, or did not have the parameter.

    Example:
        ```python
        filters = agent.beliefs()["filters"]
        for source in filters.sources:
            print(source.task, dict(zip(filters.values, source.probabilities)))
        ```
    """

    space: str
    task: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ParameterBeliefs:
    """Beliefs about one parameter.

    Attributes:
        name: of the choice.
        values: its actions; a number may stand for a part of a range, see `ranges`.
        active: the share of draws in which the parameter is decided, in [0, 1].
        probabilities: of each value among these draws; their sum is 1, or 0 where no draw decided the parameter.
        sources: the same of other problems that have the parameter.
        importance: the parameter's share of all parameters' effects, in [0, 1]; None where trials are too few.
        effect: the share of the variance of the trials' ranks that the parameter explains alone; None likewise.
        ranges: the numbers for which each value stands; None where each value stands for itself.
        chance: the probability that a parameter without any effect would show at least this one; None likewise.

    Example:
        ```python
        filters = agent.beliefs()["filters"]
        print(filters.favourite, filters.probabilities, filters.importance)
        ```
    """

    name: str
    values: tuple[Action, ...]
    active: float
    probabilities: tuple[float, ...]
    sources: tuple[SourceValues, ...]
    importance: float | None
    effect: float | None
    ranges: tuple[NumberRange, ...] | None = None
    chance: float | None = None

    @property
    def favourite(self) -> Action:
        """The value with the largest probability, the first of equals."""
        return self.values[int(np.argmax(self.probabilities))]


@dataclass(frozen=True, slots=True)
class ExpectedConfig:
    """A configuration that the policy expects to be good.

    Attributes:
        config: from the names of its choices to their actions; a number may stand for a part of a range, see
            `Beliefs.ranges`.
        score: by how much it is likelier than by chance, as a natural logarithm, over the root of its decisions.
        reward: the best reward of a trial with these actions, higher is better; None if there was no such trial. A
            number of that trial may be any of its part.

    Example:
        ```python
        for expected in agent.beliefs().expected_best:
            print(expected.config, expected.score, expected.reward)
        ```
    """

    config: dict[str, Action]
    score: float
    reward: float | None


@dataclass(frozen=True, slots=True)
class Beliefs:
    """Beliefs about a problem, as plain data.

    Attributes:
        space: the name of the problem's space.
        task: the name of its task.
        trials: how many of its trials the agent learned from.
        policy: "policy", or after a transfer "transferred policy" or "new policy": that whose proposals did best.
        draws: how many configurations were drawn.
        parameters: beliefs about each, in the order of the space.
        importances_from: "this problem"; "other problems", where this one has fewer than eight trials; or "nothing".
        likeness: of the other problems, the most like first.
        tasks: all tasks that the policy knows, in two dimensions.
        spaces: all spaces that it knows, likewise.
        expected_best: up to five configurations, the best first; a problem's `valid` is respected.
        warm_start: configurations of earlier problems that are tried unless they disappoint, as far as they fit, with
            their exact numbers where these are known. If a number lies beyond the range, the nearest one is tried.
        attention: between the decisions of the configuration that you gave; None if you gave none.

    Example:
        ```python
        beliefs = agent.beliefs()
        print(beliefs["filters"].favourite, beliefs.expected_best[0].config, beliefs.importances_from)
        ```
    """

    space: str
    task: str
    trials: int
    policy: str
    draws: int
    parameters: tuple[ParameterBeliefs, ...]
    importances_from: str
    likeness: tuple[TaskLikeness, ...]
    tasks: EmbeddingMap
    spaces: EmbeddingMap
    expected_best: tuple[ExpectedConfig, ...]
    warm_start: tuple[dict[str, Action], ...]
    attention: DecisionAttention | None = None

    def __getitem__(self, name: str) -> ParameterBeliefs:
        """Returns the beliefs about a parameter.

        Raises:
            KeyError: there is no such parameter; the message lists those there are.
        """
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(f"there is no parameter {name!r}; there are {', '.join(each.name for each in self.parameters)}")

    @property
    def importances(self) -> dict[str, Importance]:
        """The importances of the parameters that have one, by name, see `insight.importances`."""
        known = [each for each in self.parameters if each.importance is not None]
        return {each.name: Importance(each.effect or 0.0, each.importance or 0.0, each.chance or 0.0) for each in known}

    @property
    def ranges(self) -> Ranges:
        """The ranges of the parameters whose values stand for several numbers, see `insight.number_ranges`."""
        found = {each.name: (each.values, each.ranges) for each in self.parameters if each.ranges is not None}
        return {name: dict(zip(values, ranges, strict=True)) for name, (values, ranges) in found.items()}

    def to_json(self) -> dict[str, Any]:
        """Returns the beliefs as values that `json.dumps` takes, with the names of the attributes as keys."""
        return dataclasses.asdict(self)

    def _repr_html_(self) -> str:
        """Returns a table of the parameters, which notebooks show."""
        words = f"about space {self.space}, task {self.task}, after {counted(self.trials, 'trial')}"
        favourites = with_ranges({each.name: each.favourite for each in self.parameters}, self.ranges)
        rows = []
        for each in self.parameters:
            importance = "not known" if each.importance is None else f"{100 * each.importance:.0f} %"
            favourite = favourites[each.name] if each.active else "never decided"
            rows.append((each.name, favourite, f"{100 * max(each.probabilities):.0f} %", importance))
        return html_table("Beliefs", words, ("parameter", "favourite value", "probability", "importance"), rows)


def beliefs_of(
    learner: Learner, row: int, draws: int = DRAWS, seed: int = 0, attention: Config | None = None
) -> Beliefs:
    """Returns the beliefs of a learner of a single replica about a problem.

    Args:
        learner: stays as it is.
        row: of the problem.
        draws: how many configurations are drawn, at least.
        seed: of the draws; the same seed gives the same beliefs of the same learner.
        attention: the configuration whose `DecisionAttention` the beliefs have; None for none.

    Raises:
        ValueError: `draws` is not a whole number of at least 1, `attention` is no configuration of the problem, or the
            network has no layers of attention.
    """
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 1:
        raise ValueError(f"draws must be a whole number of at least 1, not {draws!r}")
    learner = update_archive(learner)
    problem, told = learner.encoding.problems[row], told_trials(learner, row)
    others = _others(learner, row)
    which, name = _policy(learner)
    indices, scores = _draw(learner, row, which, int(draws), seed)
    found, source = importances_in(learner, row)
    ranges = ranges_in(learner, row)
    looked = None if attention is None else attention_in(learner, row, which, actions_in(learner, row, attention))
    return Beliefs(
        *problem.name,
        trials=int(learner.trial_stats.trials[0, row]),
        policy=name,
        draws=len(indices),
        parameters=tuple(
            _parameter(choice, indices[:, at], others, found.get(choice.name), ranges)
            for at, choice in enumerate(problem.space.choices, start=1)
        ),
        importances_from=source,
        likeness=likeness_in(learner, row),
        tasks=task_map(learner),
        spaces=space_map(learner),
        expected_best=_expected_best(learner, row, indices, scores, told, ranges),
        warm_start=_warm_start(learner, row),
        attention=None if looked is None or attention is None else with_values(looked, with_ranges(attention, ranges)),
    )


def importances_in(learner: Learner, row: int) -> tuple[dict[str, Importance], str]:
    """Returns the importances of a problem's parameters, and whose trials say so, see `Beliefs.importances_from`."""
    told = told_trials(learner, row)
    if len(told) >= LEAST_TRIALS:
        return importances([trial.config for trial in told], ranks_of(told)), "this problem"
    effects: dict[str, list[float]] = {}
    chances: dict[str, float] = {}
    for entry in _others(update_archive(learner), row):
        kept = range(int(entry.count[0]))
        scores = entry.scores.at((0, slice(len(kept))))
        ranks = mean_ranks(scores.outcome, scores.reward)
        for name, its in importances([entry.config(0, slot) for slot in kept], ranks).items():
            effects.setdefault(name, []).append(its.effect)
            chances[name] = min(its.chance, chances.get(name, 1.0))
    names = [choice.name for choice in learner.encoding.problems[row].space.choices if choice.name in effects]
    means = {name: float(np.mean(effects[name])) for name in names}
    total = sum(means.values())
    found = {
        name: Importance(mean, mean / total if total > 0 else 0.0, min(1.0, chances[name] * len(effects[name])))
        for name, mean in means.items()
    }
    return found, "other problems" if found else "nothing"


def _policy(learner: Learner) -> tuple[int, str]:
    """Returns the row of the policy whose proposals did best, and its name."""
    if learner.bandit is None:
        return 0, "policy"
    which = int(learner.bandit.best_policy(learner.bandit_config)[0])
    return which, "transferred policy" if which == TRANSFERRED else "new policy"


def _draw(
    learner: Learner, row: int, policy: int, draws: int, seed: int
) -> tuple[Int[np.ndarray, "draws choices"], Float[np.ndarray, "draws"]]:
    """Returns the actions of drawn configurations, and their scores.

    As many are drawn at once as for a trial, so that a search that goes on has compiled all of this.
    """
    count, problem, policies = count_candidates(learner), np.array([row], np.int32), np.array([policy])
    bonus = np.zeros((1, 1), np.float32) * learner.unseen.actions
    indices, scores, done = list[np.ndarray](), list[np.ndarray](), 0
    while done < draws:
        rng = generator(seed, Purpose.BELIEFS, done)
        noise = rng.random((1, count, learner.encoding.steps_drawn), np.float32)
        drawn = draw_rollouts(learner, policies, problem, noise, np.zeros(count, np.float32), bonus)
        indices.append(drawn.action_indices[0])
        scores.append(excess_log_prob(learner, problem, drawn, None)[0])
        done += count
    return np.concatenate(indices), np.concatenate(scores)


def _parameter(
    choice: Choice,
    drawn: Int[np.ndarray, "draws"],
    others: Sequence[ArchivedProblem],
    importance: Importance | None,
    ranges: Ranges,
) -> ParameterBeliefs:
    made = drawn[drawn < len(choice.actions)]
    counts = np.bincount(made, minlength=len(choice.actions))
    probabilities = counts / max(1, len(made))
    sources = (_source(choice, entry, ranges) for entry in others)
    return ParameterBeliefs(
        choice.name,
        choice.actions,
        active=len(made) / len(drawn),
        probabilities=tuple(probabilities.tolist()),
        sources=tuple(each for each in sources if each is not None),
        importance=None if importance is None else importance.share,
        effect=None if importance is None else importance.effect,
        ranges=tuple(ranges[choice.name].values()) if choice.name in ranges else None,
        chance=None if importance is None else importance.chance,
    )


def _source(choice: Choice, entry: ArchivedProblem, ranges: Ranges) -> SourceValues | None:
    """Returns which values were good in another problem; None if it lacks the parameter."""
    at = next((at for at, its in enumerate(entry.choices) if its.state == choice.state), None)
    if at is None:
        return None
    taken = entry.action_indices[0, : min(int(entry.count[0]), _BEST_OF_SOURCE), at].tolist()
    actions = [entry.choices[at].actions[a] for a in taken]
    if choice.name in ranges:  # the parts of the earlier range may be others
        tried = zip(actions, entry.values[0, : len(taken), at].tolist(), strict=True)
        values = [action if math.isnan(value) else value for action, value in tried]
        actions = [with_actions({choice.name: value}, ranges)[choice.name] for value in values]
    keys = [action_key(action) for a, action in zip(taken, actions, strict=True) if a != NOT_MADE]
    shares = tuple(keys.count(action_key(action)) / len(taken) for action in choice.actions)
    return SourceValues(entry.space, entry.task, shares)


def _others(learner: Learner, row: int) -> list[ArchivedProblem]:
    """Returns the archived trials of every other problem; the archive must be up to date."""
    name = learner.encoding.problems[row].name
    return [entry for entry in learner.archive if entry.name != name and entry.count[0]]


def _expected_best(
    learner: Learner,
    row: int,
    indices: Int[np.ndarray, "draws choices"],
    scores: Float[np.ndarray, "draws"],
    told: Sequence[ToldTrial],
    ranges: Ranges,
) -> tuple[ExpectedConfig, ...]:
    rewards: dict[tuple[object, ...], float] = {}
    for trial in told:
        key = _key(with_actions(trial.config, ranges))
        rewards[key] = max(trial.reward, rewards.get(key, -np.inf))
    valid, found = learner.encoding.problems[row].valid, list[ExpectedConfig]()
    _, first = np.unique(indices, axis=0, return_index=True)
    for at in first[np.argsort(-scores[first], kind="stable")].tolist():
        config = learner.encoding.config_of_indices(row, indices[at])
        if valid is None or valid(dict(config)):
            actions = with_actions(config, ranges)
            found.append(ExpectedConfig(actions, float(scores[at]), rewards.get(_key(actions))))
        if len(found) == _EXPECTED:
            break
    return tuple(found)


def _key(config: dict[str, Action]) -> tuple[object, ...]:
    return tuple(sorted((name, str(type(action)), repr(action)) for name, action in config.items()))


def _warm_start(learner: Learner, row: int) -> tuple[dict[str, Action], ...]:
    found = learner.warm_start
    if found is None:
        return ()
    names = [choice.name for choice in learner.encoding.problems[row].space.choices]
    configs = list[dict[str, Action]]()
    for slot in range(int(found.count[0, row])):
        config = learner.encoding.config_of_indices(row, found.action_indices[0, row, slot])
        tried = zip(names, found.values[0, row, slot, 1 : 1 + len(names)].tolist(), strict=True)
        configs.append(with_numbers(config, {name: number for name, number in tried if not math.isnan(number)}))
    return tuple(configs)
