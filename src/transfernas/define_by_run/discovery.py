"""The search space of a program that asks for one parameter after the other, from what it asked for so far.

Such a program never says when it asks for what. That is inferred: each parameter is always there, or its being there
follows from what earlier ones took. Of the explanations the shortest is taken, by description length: what is to be
said of the trials given the explanation, and of the explanation itself (Rissanen 1978). It is a guess, and good for
planning ahead; what was asked in truth is learned from, whatever was guessed.
"""

import math
from collections.abc import Collection, Mapping, Sequence

from ..spaces.choice import Choice
from ..spaces.condition import Action, And, Condition, Config, In, Not, Or, are_numbers, is_any_of, is_same_action
from ..spaces.space import SearchSpace

_DEPTH = 3  # a parameter's being there is explained by so many earlier ones at most

Groups = list[tuple[Action, list[Config]]]


class Parameters:
    """The parameters that a program asked for so far, in order, with all actions that any of them could take.

    A new action comes behind those that a parameter had, a new parameter behind those asked for before it.
    """

    def __init__(self) -> None:
        """Knows of none yet."""
        self.actions: dict[str, tuple[Action, ...]] = {}
        self._position: dict[str, dict[tuple[type, Action], int]] = {}

    def take(self, asked: Mapping[str, tuple[Action, ...]]) -> bool:
        """Takes up what a trial could take, parameter by parameter, and returns whether any of it is new."""
        names, place = list(self.actions), 0
        known_actions, positions = (
            self.actions,
            self._position,
        )  # replaced, never changed: a copy of this goes on with them
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
        """Returns the parameters but for some."""
        rest = Parameters()
        rest.take({name: actions for name, actions in self.actions.items() if name not in names})
        return rest

    def position(self, name: str, action: Action) -> int | None:
        """Returns the position of an action among those of a parameter; None where there is no such action."""
        return self._position.get(name, {}).get((type(action), action))


def discover(name: str, actions: Mapping[str, tuple[Action, ...]], trials: Sequence[Config]) -> SearchSpace:
    """Returns the space that a program searches.

    Args:
        name: of the space.
        actions: of every parameter, in the order in which they are asked for.
        trials: what was taken of them, in trials that came to their end.

    Raises:
        ValueError: a parameter cannot be a choice, for its name or its actions.
    """
    choices: list[Choice] = []
    for parameter, available in actions.items():
        when = _when(parameter, choices, trials, _DEPTH)
        choices.append(Choice(parameter, available, None if isinstance(when, bool) else when))
    try:
        return SearchSpace(name, choices)
    except ValueError:  # the conditions have too many alternatives
        return SearchSpace(name, [Choice(choice.name, choice.actions) for choice in choices])


def _when(name: str, earlier: Sequence[Choice], trials: Sequence[Config], depth: int) -> Condition | bool:
    """Returns when a parameter is there; True for always, False for never."""
    there = sum(name in trial for trial in trials)
    if there in (0, len(trials)) or not depth or not earlier:
        return 2 * there >= len(trials)
    lengths = [_length(name, choice, trials) for choice in earlier]
    shortest = min(range(len(earlier)), key=lambda at: (lengths[at], -at))  # of equals, what was asked last
    often = 2 * there >= len(trials)
    # What is seldom there is best guessed by a poor explanation: without any it would be taken to be there always.
    explained = lengths[shortest] < _surprise(there, len(trials)) or not _mixed(name, earlier[shortest], trials)
    if not explained and (often or depth < _DEPTH):
        return often
    choice = earlier[shortest]
    others = [other for other in earlier if other is not choice]
    parts: list[Condition] = []
    always: list[Action] = []
    for action, group in _groups(choice, trials):
        when = _when(name, others, group, depth - 1)
        if when is True:
            always.append(action)
        elif when is not False:
            parts.append(And((In(choice.name, (action,)), when)))
    always += _unseen(name, choice, trials)
    if always:
        parts.insert(0, In(choice.name, tuple(action for action in choice.actions if is_any_of(action, always))))
    without = [trial for trial in trials if choice.name not in trial]
    if without and (when := _when(name, others, without, depth - 1)) is not False:
        absent = Not(In(choice.name, choice.actions))
        parts.append(absent if when is True else And((absent, when)))
    return False if not parts else parts[0] if len(parts) == 1 else Or(tuple(parts))


def _length(name: str, choice: Choice, trials: Sequence[Config]) -> float:
    """Returns the description length, in bits, of where a parameter is there, given what a choice took."""
    groups = [group for _, group in _groups(choice, trials)] + [[t for t in trials if choice.name not in t]]
    surprises = [_surprise(sum(name in trial for trial in group), len(group)) for group in groups if group]
    return sum(surprises) + len(surprises) * math.log2(1 + len(trials))


def _surprise(there: int, count: int) -> float:
    """Returns the bits that say in which trials a parameter is there, given in how many."""
    shares = [share for share in (there / count, 1 - there / count) if share]
    return -count * sum(share * math.log2(share) for share in shares)


def _mixed(name: str, choice: Choice, trials: Sequence[Config]) -> bool:
    """Returns whether a parameter is now there, now not, where a choice took the same."""
    groups = [group for _, group in _groups(choice, trials)] + [[t for t in trials if choice.name not in t]]
    return any(0 < sum(name in trial for trial in group) < len(group) for group in groups)


def _groups(choice: Choice, trials: Sequence[Config]) -> Groups:
    """Returns the trials by what a choice took, where it was made."""
    made = [trial for trial in trials if choice.name in trial]
    groups = [
        (action, [trial for trial in made if is_same_action(trial[choice.name], action)]) for action in choice.actions
    ]
    return [(action, group) for action, group in groups if group]


def _unseen(name: str, choice: Choice, trials: Sequence[Config]) -> list[Action]:
    """Returns those actions that were never taken, but where the parameter will be there as far as one can tell.

    For a number the nearest one that was taken tells, for others most of those that were.
    """
    seen = {action: 2 * sum(name in t for t in group) > len(group) for action, group in _groups(choice, trials)}
    if not seen:
        return []
    numbers = are_numbers(choice.actions)
    most = 2 * sum(seen.values()) > len(seen)

    def there(action: Action) -> bool:
        if not numbers:
            return most
        return seen[min(seen, key=lambda known: abs(known - action))]  # type: ignore[operator]

    return [action for action in choice.actions if not is_any_of(action, list(seen)) and there(action)]
