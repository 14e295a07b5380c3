"""The search space of a program that asks for one parameter after the other, discovered from its trials.

Such a program does not declare its conditions, so they are inferred: each parameter is either always active, or active
for some values of earlier parameters. Of all explanations the one of the least description length is taken, which
counts the bits of the explanation and those of the trials given the explanation (Rissanen 1978). A program decides by
rules, not by chance, so an explanation that tells all trials from one another is short. The result is a guess, and
serves to plan trials. Learning uses the parameters that the program asked for.
"""

import math
from collections.abc import Collection, Mapping, Sequence

from ..spaces.choice import Choice
from ..spaces.condition import Action, And, Condition, Config, In, Not, Or, action_key, are_numbers, is_any_of
from ..spaces.space import SearchSpace

_DEPTH = 3  # conditions read at most so many earlier parameters
_TRIED = 3  # of the choices that explain most alone, so many are tried with others

Groups = list[tuple[Action, list[Config]]]


class Parameters:
    """The parameters that a program asked for so far, in order, with all actions that they could take.

    A new action comes after the earlier actions of its parameter. A new parameter comes after those that its trial
    asked for before.

    Attributes:
        actions: The actions of each parameter.

    Example:
        ```python
        parameters = Parameters()
        assert parameters.take({"kind": ("a", "b"), "rate": (0.1, 0.2)})
        assert parameters.position("kind", "b") == 1
        ```
    """

    def __init__(self) -> None:
        """Begins without parameters."""
        self.actions: dict[str, tuple[Action, ...]] = {}
        self._position: dict[str, dict[tuple[type, Action], int]] = {}

    def take(self, asked: Mapping[str, tuple[Action, ...]]) -> bool:
        """Takes up the parameters and actions of a trial, and returns whether any of them is new."""
        names, place = list(self.actions), 0
        known_actions, positions = self.actions, self._position  # replaced, never changed: copies share them
        for name, actions in asked.items():
            known = positions.get(name, {})
            new = [action for action in actions if (type(action), action) not in known]
            if name not in known_actions:
                names.insert(place, name)
            place = max(place, names.index(name) + 1)
            if new:
                known_actions = {**known_actions, name: (*known_actions.get(name, ()), *new)}
                known = known | {(type(action), action): len(known) + at for at, action in enumerate(new)}
                positions = {**positions, name: known}
        grown = known_actions is not self.actions
        if grown:
            self.actions, self._position = {name: known_actions[name] for name in names}, positions
        return grown

    def without(self, names: Collection[str]) -> "Parameters":
        """Returns the parameters without some of them."""
        rest = Parameters()
        rest.take({name: actions for name, actions in self.actions.items() if name not in names})
        return rest

    def position(self, name: str, action: Action) -> int | None:
        """Returns the position of an action among those of a parameter; None if there is no such action."""
        return self._position.get(name, {}).get((type(action), action))


def discover(
    name: str, actions: Mapping[str, tuple[Action, ...]], trials: Sequence[Config], stopped: Sequence[Config] = ()
) -> SearchSpace:
    """Returns the space that a program searches.

    Args:
        name: The name of the space.
        actions: The actions of every parameter, in the order in which a program asks for them.
        trials: The configurations of trials that came to their end.
        stopped: The configurations of trials that may have stopped before they asked for all parameters. They tell the
            conditions of parameters that no trial of the others has, such as those of a model that always fails.

    Raises:
        ValueError: The name or the actions of a parameter cannot be those of a choice.

    Example:
        ```python
        actions = {"kind": ("a", "b"), "rate": (0.1, 0.2)}
        space = discover("networks", actions, [{"kind": "a", "rate": 0.1}, {"kind": "b"}])
        assert space.fits({"kind": "b"})
        ```
    """
    choices: list[Choice] = []
    for parameter, available in actions.items():
        its = trials
        if not any(parameter in trial for trial in trials):
            its = [*trials, *(trial for trial in stopped if parameter in trial)]
        when, _ = _explain(parameter, choices, its, _DEPTH)
        choices.append(Choice(parameter, available, None if isinstance(when, bool) else when))
    try:
        return SearchSpace(name, choices)
    except ValueError:  # the conditions have too many alternatives
        return SearchSpace(name, [Choice(choice.name, choice.actions) for choice in choices])


def _explain(
    name: str, earlier: Sequence[Choice], trials: Sequence[Config], depth: int
) -> tuple[Condition | bool, float]:
    """Returns the condition on which a parameter is active, and the description length of its trials in bits.

    The condition is True for always, and False for never.
    """
    there = sum(name in trial for trial in trials)
    often, plain = 2 * there >= len(trials), _bits(there, len(trials))
    if there in (0, len(trials)) or not depth or not earlier:
        return often, plain
    lengths = [_length(name, choice, trials) for choice in earlier]
    shortest = sorted(range(len(earlier)), key=lambda at: (lengths[at], -at))  # of equals, the latest
    alone = not _mixed(name, earlier[shortest[0]], trials)
    # The choice that explains most alone need not be part of the best explanation by several choices.
    tried = shortest[: 1 if alone or depth < _DEPTH else _TRIED]
    found = [_explain_by(name, earlier[at], earlier, trials, depth) for at in tried]
    when, length = min(found, key=lambda each: each[1])
    length += math.log2(1 + len(earlier))  # which choice it is
    # A parameter that is seldom active takes even a poor explanation: without one it would count as always active.
    explained = alone or length < plain or (depth == _DEPTH and not often)
    return (when, length) if explained else (often, plain)


def _explain_by(
    name: str, choice: Choice, earlier: Sequence[Choice], trials: Sequence[Config], depth: int
) -> tuple[Condition | bool, float]:
    """Returns the condition by the actions of a choice, and of others where these are not enough, with its bits."""
    others = [other for other in earlier if other is not choice]
    parts: list[Condition] = []
    always: list[Action] = []
    total = 0.0
    for action, group in _groups(choice, trials):
        when, length = _explain(name, others, group, depth - 1)
        total += length
        if when is True:
            always.append(action)
        elif when is not False:
            parts.append(And((In(choice.name, (action,)), when)))
    always += _unseen(name, choice, trials)
    if always:
        parts.insert(0, In(choice.name, tuple(action for action in choice.actions if is_any_of(action, always))))
    if without := [trial for trial in trials if choice.name not in trial]:
        when, length = _explain(name, others, without, depth - 1)
        total += length
        if when is not False:
            absent = Not(In(choice.name, choice.actions))
            parts.append(absent if when is True else And((absent, when)))
    return False if not parts else parts[0] if len(parts) == 1 else Or(tuple(parts)), total


def _length(name: str, choice: Choice, trials: Sequence[Config]) -> float:
    """Returns the description length, in bits, of the trials that have a parameter, given the actions of a choice."""
    return sum(_bits(there, count) for there, count in _counts(name, choice, trials))


def _bits(there: int, count: int) -> float:
    """Returns the bits that tell which trials have a parameter: a bit for all or none of them, else more.

    For some of them these are a bit that says so, the number of those that have the parameter, and which ones they are.
    """
    if there in (0, count):
        return 1.0
    which = -sum(part * math.log2(part / count) for part in (there, count - there))
    return 1.0 + math.log2(1 + count) + which


def _mixed(name: str, choice: Choice, trials: Sequence[Config]) -> bool:
    """Returns whether some trials of one action of a choice have a parameter, and others do not."""
    return any(0 < there < count for there, count in _counts(name, choice, trials))


def _counts(name: str, choice: Choice, trials: Sequence[Config]) -> list[tuple[int, int]]:
    """Returns how many trials have a parameter, and how many there are, for each action and without the choice."""
    groups = [group for _, group in _groups(choice, trials)] + [[t for t in trials if choice.name not in t]]
    return [(sum(name in trial for trial in group), len(group)) for group in groups if group]


def _groups(choice: Choice, trials: Sequence[Config]) -> Groups:
    """Returns the trials that made a choice, grouped by action."""
    groups: dict[object, tuple[Action, list[Config]]] = {action_key(action): (action, []) for action in choice.actions}
    for trial in trials:
        if choice.name in trial and (group := groups.get(action_key(trial[choice.name]))):
            group[1].append(trial)
    return [group for group in groups.values() if group[1]]


def _unseen(name: str, choice: Choice, trials: Sequence[Config]) -> list[Action]:
    """Returns the actions that no trial took, and for which a parameter is expected to be active.

    A number follows the nearest number that was taken; any other action follows the majority of those taken.
    """
    groups = _groups(choice, trials)
    if not groups:
        return []
    seen = [action for action, _ in groups]
    active = [2 * sum(name in trial for trial in group) > len(group) for _, group in groups]
    numbers = are_numbers(choice.actions)
    most = 2 * sum(active) > len(active)

    def there(action: Action) -> bool:
        if not numbers:
            return most
        return active[min(range(len(seen)), key=lambda at: abs(seen[at] - action))]  # type: ignore[operator]

    return [action for action in choice.actions if not is_any_of(action, seen) and there(action)]
