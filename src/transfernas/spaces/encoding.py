"""Converts configurations to trajectories and back, for the problems of a search.

Shapes: `steps` is the number of decisions in a trajectory, `choices` the number of choices in a space, S among them.
Both are padded to powers of two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .choice import Choice
from .condition import Action, Config, holds
from .problem import Problem
from .space import SearchSpace
from .tables import EXACT, MinShapes, Tables, power_of_two, tables_of
from .trajectory import Trajectory
from .vocabulary import Vocabulary

WIDE = 64
"""Trajectories of more steps are long, and the cost of a trial is bounded."""

_INT = np.int32


@dataclass(frozen=True, slots=True)
class Encoding:
    """Problems with their arrays, and the conversion between configurations and trajectories.

    Attributes:
        problems: Problems, in the order of their rows.
        tables: The problems as NumPy arrays.
        min_shapes: Least sizes of the arrays.
    """

    problems: tuple[Problem, ...]
    tables: Tables
    min_shapes: MinShapes = EXACT

    @property
    def steps(self) -> int:
        """Padded length of a trajectory."""
        return max(power_of_two(int(self.tables.longest)), self.min_shapes.steps)

    @property
    def grows(self) -> bool:
        """Whether the arrays have room for choices that are not known yet, as for define-by-run spaces."""
        return self.min_shapes != EXACT

    @property
    def has_ranges(self) -> bool:
        """Whether an action of some choice stands for several numbers of a range."""
        return any(problem.space.has_ranges for problem in self.problems)

    @property
    def wide(self) -> bool:
        """Whether trajectories are so long that the cost of a trial must be bounded."""
        return self.steps > WIDE

    @property
    def steps_made(self) -> int:
        """Upper bound of the length of trajectories, with less padding than `steps` if the problems can grow.

        The bound is a multiple of four, or of an eighth of `steps` if the encoding is `wide`.
        """
        if not self.grows:
            return self.steps
        part = self.steps // 8 if self.wide else 4
        return part * math.ceil((1 + max(len(problem.space.choices) for problem in self.problems)) / part)

    @property
    def steps_drawn(self) -> int:
        """Length of the trajectories that a draw makes: `steps_made` if the encoding is `wide`, else `steps`."""
        return self.steps_made if self.wide else self.steps

    def row(self, problem: Problem) -> int:
        """Returns the row of a problem, by the names of its space and task.

        Raises:
            ValueError: The encoding has no problem of these names.
        """
        for index, known in enumerate(self.problems):
            if known.name == problem.name:
                return index
        known_names = ", ".join(f"{known.name}" for known in self.problems)
        raise ValueError(f"{problem.name} is not a problem of this search; (space, task) can be {known_names}")

    def trajectory(self, row: int, config: Config) -> Trajectory:
        """Returns a configuration of a problem as a trajectory of shape `[steps]`.

        Raises:
            ValueError: The configuration does not fit the space.
        """
        return self.sequence(row, self.ordered(row, config))

    def ordered(self, row: int, config: Config) -> dict[str, Action]:
        """Returns a configuration of a problem in the order of the space.

        Raises:
            ValueError: The configuration does not fit the space.
        """
        space = self.problems[row].space
        space.validate(config)
        made = [choice for choice in space.choices if choice.name in config]
        return {
            choice.name: config[choice.name] if choice.range is None else choice.value(config[choice.name])
            for choice in made
        }

    def sequence(self, row: int, config: Config) -> Trajectory:
        """Returns the choices of a configuration as a trajectory in the order of the mapping; conditions are ignored.

        Args:
            row: Row of the problem.
            config: Actions of at most `steps` - 1 choices of the space.

        Raises:
            KeyError: The space has no choice of a name.
            ValueError: A choice has no such action.
        """
        return self.sequences([row], [config]).at(0)

    def sequences(self, rows: Sequence[int], configs: Sequence[Config]) -> Trajectory:
        """Returns many configurations as trajectories of shape `[len(configs), steps]`; see `sequence`.

        Args:
            rows: Row of the problem of each configuration.
            configs: Actions of each configuration.

        Raises:
            KeyError, ValueError: See `sequence`.
        """
        problem, places = np.array(rows, np.intp), dict[SearchSpace, dict[str, tuple[int, Choice]]]()
        choices, actions = np.zeros((2, len(configs), self.steps), _INT)
        length = np.array([1 + len(config) for config in configs], _INT)
        for at, (row, config) in enumerate(zip(rows, configs, strict=True)):
            space = self.problems[row].space
            if (order := places.get(space)) is None:
                order = places[space] = {choice.name: (n, choice) for n, choice in enumerate(space.choices, start=1)}
            made = [(order[name][0], order[name][1].index(action)) for name, action in config.items()]
            if made:
                choices[at, 1 : 1 + len(made)], actions[at, 1 : 1 + len(made)] = zip(*made, strict=True)
        decisions = self.tables.rules.decision[self.tables.space[problem][:, None], choices]
        return Trajectory(
            task=self.tables.task[problem],
            decisions=np.where(np.arange(self.steps) < length[:, None], decisions, 0),
            actions=actions,
            length=length,
        )

    def configs(self, row: int, trajectories: Trajectory) -> list[dict[str, Action]]:
        """Returns trajectories of shape `[trials, steps]` as configurations; see `config`."""
        return [self.config(row, trajectories.at(number)) for number in range(len(trajectories.length))]

    def config(self, row: int, trajectory: Trajectory) -> dict[str, Action]:
        """Returns a trajectory of shape `[steps]` as a configuration, in the order of the decisions."""
        space, config = self.problems[row].space, dict[str, Action]()
        decision_of = self.tables.rules.decision[self.tables.space[row], 1 : 1 + len(space.choices)].tolist()
        made = slice(1, int(trajectory.length))
        decisions, actions = np.asarray(trajectory.decisions)[made].tolist(), np.asarray(trajectory.actions)[made]
        alone = dict(zip(decision_of, space.choices, strict=True))
        if len(alone) == len(space.choices):  # no two choices share a decision, as those of a repeated block do
            steps = zip(decisions, actions.tolist(), strict=True)
            return {(choice := alone[decision]).name: choice.at(action) for decision, action in steps}
        at, passed = 0, dict[str, Action]()
        for decision, action in zip(decisions, actions.tolist(), strict=True):
            at = _next_choice(space.choices, at, config, passed)
            if decision_of[at : at + 1] != [decision]:  # from `sequence`, which ignores conditions
                choices = zip(space.choices, decision_of, strict=False)
                choice = next(c for c, its in choices if its == decision and c.name not in config)
            else:
                choice = space.choices[at]
            config[choice.name] = choice.at(action)
        return config

    def config_of_indices(
        self,
        row: int,
        action_indices: Int[np.ndarray, "choices"],
        numbers: Float[np.ndarray, "choices"] | None = None,
    ) -> dict[str, Action]:
        """Returns a configuration from the positions of its actions; the inverse of `action_indices`.

        Args:
            row: Row of the problem.
            action_indices: Shape `[choices]`, S first.
            numbers: Shape `[choices]`, S first, the numbers of ranges; None for those in the middle of the parts.
        """
        choices = self.problems[row].space.choices
        pairs = zip(choices, action_indices[1:].tolist(), strict=False)
        config = {choice.name: choice.at(action) for choice, action in pairs if action < len(choice.actions)}
        return config if numbers is None else put_numbers(choices, config, numbers)

    def action_indices(self, row: int, config: Config) -> Int[np.ndarray, "choices"]:
        """Returns the position of the action of each choice, S first, in the form of a rollout.

        Returns:
            Shape `[choices]`. The padded number of actions marks an inactive choice and padding.
        """
        choices = self.problems[row].space.choices
        action_indices = np.full(self.tables.rules.decision.shape[1], self.tables.decisions.actions.shape[1], _INT)
        action_indices[0] = 0
        for index, choice in enumerate(choices, start=1):
            if choice.name in config:
                action_indices[index] = choice.index(config[choice.name])
        return action_indices

    def numbers(self, row: int, config: Config) -> Float[np.ndarray, "choices"]:
        """Returns the numbers of a configuration whose actions stand for several numbers; NaN for all other choices.

        Args:
            row: Row of the problem.
            config: A configuration, in which any choices may be missing.

        Returns:
            Shape `[choices]`, S first; `[0]` if no choice of any problem has a range of more than 16 numbers.
        """
        found = np.full(self.tables.rules.decision.shape[1] if self.has_ranges else 0, np.nan)
        for index, choice in enumerate(self.problems[row].space.choices if self.has_ranges else (), start=1):
            if choice.numbers is not None and choice.name in config:
                found[index] = choice.value(config[choice.name])
        return found


def put_numbers(
    choices: Sequence[Choice], config: dict[str, Action], numbers: Float[np.ndarray, "choices"]
) -> dict[str, Action]:
    """Puts the numbers of ranges into a configuration, and returns the configuration.

    Args:
        choices: Choices of the space.
        config: The configuration.
        numbers: Shape `[choices]`, S first, the numbers; NaN for a number that is not known.
    """
    for choice, number in zip(choices, numbers[1:].tolist(), strict=False):
        if choice.range is not None and choice.name in config and number == number:
            config[choice.name] = int(number) if choice.range.integer else number
    return config


def _next_choice(choices: Sequence[Choice], start: int, config: Config, made: dict[str, Action]) -> int:
    """Returns the position of the next choice of a configuration, as `SearchSpace.next_choice` does, or the end.

    Args:
        choices: The choices of the space.
        start: The position of the choice before, so that each condition is evaluated once while a configuration grows.
        config: The configuration so far.
        made: The actions before `start`, to which those before the next choice are added.
    """
    for at in range(start, len(choices)):
        if holds(choices[at].when, made):
            if choices[at].name not in config:
                return at
            made[choices[at].name] = config[choices[at].name]
    return len(choices)


def encode(problems: tuple[Problem, ...], vocabulary: Vocabulary, min_shapes: MinShapes = EXACT) -> Encoding:
    """Returns the problems as arrays; see `tables_of`."""
    return Encoding(problems, tables_of(problems, vocabulary, min_shapes), min_shapes)
