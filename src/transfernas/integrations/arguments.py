"""Checks of what every integration is given."""

import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from ..agent import Agent


def check_name(what: str, name: object, optional: bool = False) -> None:
    """Checks the name of a space or a task.

    Args:
        what: begins the sentence of the error, as in "task is named by".
        name: what was given.
        optional: whether it may be None.

    Raises:
        TypeError: it is no non-empty string.
    """
    if not (isinstance(name, str) and name) and not (optional and name is None):
        raise TypeError(f"{what} a non-empty string, not {name!r}")


def check_on_failure(on_failure: object) -> None:
    """Checks what a trial that failed is to say.

    Raises:
        ValueError: it is neither "ignore" nor "worst".
    """
    if on_failure not in ("ignore", "worst"):
        raise ValueError(f'on_failure must be "ignore" or "worst", not {on_failure!r}')


def check_mode(mode: object) -> None:
    """Checks whether a result is to be small or large.

    Raises:
        ValueError: it is neither "min" nor "max", nor None for what is not known yet.
    """
    if mode not in (None, "min", "max"):
        raise ValueError(f'mode must be "min" or "max", not {mode!r}')


def check_key(key: object) -> None:
    """Checks that a user's key, if there is one, is a function.

    Raises:
        TypeError: The key is not callable.
    """
    if key is not None and not callable(key):
        raise TypeError(
            f"key must be a function from the parameters of a trial to a hashable value, as in "
            f"key=lambda params: tuple(params.values()), not {key!r}"
        )


def check_rename(rename: Iterable[str], agent: Agent | None) -> None:
    """Checks that an agent, if there is one, knows the parameters that others are to mean.

    Raises:
        ValueError: it does not know one.
    """
    if agent is None:
        return
    known = agent.learner.vocabulary.states[1:]
    for name in rename:
        if name not in known:
            raise ValueError(
                f"rename: {name!r} is no parameter that the agent knows; it knows {resolve_name(known, name)}"
            )


def check_parameters(argument: str, names: Iterable[str], parameters: Iterable[str]) -> None:
    """Checks that each name is of a parameter of the studies, if they have any.

    Raises:
        ValueError: one is not.
    """
    known = tuple(dict.fromkeys(parameters))
    for name in names:
        if known and name not in known:
            have = resolve_name(known, name)
            raise ValueError(
                f"{argument} names {name!r}, which is no parameter of any of the studies; they have {have}"
            )


def resolve_name(known: Sequence[str], meant: str) -> str:
    """Returns the names that there are, and the one that another name may be a slip of."""
    close = get_close_matches(meant, known, n=1)
    return (", ".join(known) or "none") + (f". Did you mean {close[0]!r}?" if close else "")


def as_agent(agent: Agent | str | os.PathLike[str] | None) -> Agent | None:
    """Returns an agent, or the one in a file; None for None.

    Raises:
        CheckpointError, OSError: the file cannot be read.
        TypeError: it is none of these.
    """
    if not isinstance(agent, (Agent, str, os.PathLike, type(None))):
        raise TypeError(f"agent is an Agent, the path of its file, or None, not {agent!r}")
    return agent if isinstance(agent, Agent) or agent is None else Agent.load(agent)
