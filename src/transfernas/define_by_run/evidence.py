"""Evidence about a space that nobody declared: the latest configurations, and values that a user gave as actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..learning.learner import Learner
from ..spaces.condition import Action
from ..spaces.domain import Domain, NumericDomain
from ..spaces.trajectory import Trajectory

# Not for tuning. This number bounds the time that the discovery of conditions takes.
EVIDENCE = 300
"""The number of trials from which conditions are discovered, at most."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The trials from which conditions are discovered.

    Attributes:
        configs: The configurations of the latest trials.
        wholes: The number of trials of the search that came to their end.
        patience: The number of such trials after which the space is discovered anew if it does not explain a trial.
    """

    configs: tuple[dict[str, Action], ...] = ()
    wholes: int = 0
    patience: int = 0

    @property
    def is_due(self) -> bool:
        """Whether the space is to be discovered anew if it does not explain a trial."""
        return self.wholes >= self.patience

    def with_configs(self, configs: Sequence[dict[str, Action]], counted: bool) -> "Evidence":
        """Returns the evidence of further trials that came to their end, see `DefineByRunSpace.add_evidence`."""
        wholes = self.wholes + (len(configs) if counted else 0)
        return replace(self, configs=(*self.configs, *configs)[-EVIDENCE:], wholes=wholes)

    def discovered(self, explained: bool) -> "Evidence":
        """Returns the evidence after a discovery, see `DefineByRunSpace.discovered_for`."""
        return replace(self, patience=self.wholes + (0 if explained else self.wholes // 4))


def recent_configs(learner: Learner, row: int) -> list[dict[str, Action]]:
    """Returns the configurations of the latest trials of a problem, at most `EVIDENCE`."""
    encoding, replay = learner.encoding, learner.replay
    return [
        encoding.config(row, Trajectory(*(leaf[0, number] for leaf in replay.trials)))
        for number in replay.of(0, row)[-EVIDENCE:].tolist()
    ]


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
