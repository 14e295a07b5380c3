"""Evidence about a space that nobody declared: the latest configurations, and values that a user gave as actions."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..learning.learner import Learner
from ..spaces.condition import Action
from ..spaces.domain import Domain, NumericDomain

# Not for tuning. This number bounds the time that the discovery of conditions takes.
EVIDENCE = 300
"""The number of trials from which conditions are discovered, at most."""


class Evidence(NamedTuple):
    """The trials from which conditions are discovered.

    Attributes:
        configs: The configurations of the latest trials.
        wholes: The number of trials of the search that came to their end.
        patience: The number of such trials after which the space is discovered anew if it does not explain a trial.
    """

    configs: Sequence[dict[str, Action]] = ()
    wholes: int = 0
    patience: int = 0


def recent_configs(learner: Learner, row: int) -> list[dict[str, Action]]:
    """Returns the configurations of the latest trials of a problem, at most `EVIDENCE`."""
    replay = learner.replay
    return learner.encoding.configs(row, replay.trials.at((0, replay.of(0, row)[-EVIDENCE:])))


def resolve_fill(fill: Mapping[str, Action], domains: Mapping[str, Domain]) -> dict[str, Action]:
    """Returns the values of known parameters in `fill`, as actions.

    Raises:
        ValueError: A parameter cannot have its value.

    Example:
        ```python
        assert resolve_fill({"kind": "a", "later": 1}, {"kind": CategoricalDomain(("a", "b"))}) == {"kind": "a"}
        ```
    """
    found: dict[str, Action] = {}
    for name, value in fill.items():
        if (domain := domains.get(name)) is None:
            continue
        try:
            found[name] = domain.action(value)  # type: ignore[arg-type]
            if isinstance(domain, NumericDomain) and not domain.low <= value <= domain.high:  # type: ignore[operator]
                raise ValueError(f"{value!r} is not from {domain.low} to {domain.high}")
        except ValueError as error:
            raise ValueError(f"fill gives {name!r} a value that it cannot have: {error}") from None
    return found
