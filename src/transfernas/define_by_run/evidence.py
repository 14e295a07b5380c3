"""What trials say of a space that nobody declared, and how values that a user names are called there."""

from collections.abc import Mapping

from ..learning.learner import Learner
from ..spaces.condition import Action
from ..spaces.domain import Domain, NumericDomain
from ..spaces.trajectory import Trajectory

# Not for tuning. It bounds what the discovery of conditions costs.
EVIDENCE = 300
"""So many trials at most tell when a parameter is asked for."""


def recent_configs(learner: Learner, row: int) -> list[dict[str, Action]]:
    """Returns what the latest trials of a problem of an agent's took, at most `EVIDENCE`."""
    encoding, replay = learner.encoding, learner.replay
    return [
        encoding.config(row, Trajectory(*(leaf[0, number] for leaf in replay.trials)))
        for number in replay.of(0, row)[-EVIDENCE:].tolist()
    ]


def resolve_fill(fill: Mapping[str, Action], domains: Mapping[str, Domain]) -> dict[str, Action]:
    """Returns what of `fill` concerns parameters that are known, as actions.

    Raises:
        ValueError: a parameter cannot have the value.
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
