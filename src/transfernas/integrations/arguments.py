"""Checks of the arguments that the integrations share."""

import os
from collections.abc import Iterable, Mapping

from ..agent import Agent
from ..spaces.problem import check_rename
from ..spaces.vocabulary import resolve_name, resolve_renamed


def check_name(subject: str, name: object, optional: bool = False) -> None:
    """Checks the name of a space or a task.

    Args:
        subject: The begin of the error's sentence, as in "task is named by".
        name: The name.
        optional: Whether the name may be None.

    Raises:
        TypeError: The name is no non-empty string.
    """
    if not (isinstance(name, str) and name) and not (optional and name is None):
        raise TypeError(f"{subject} a non-empty string, not {name!r}")


def check_on_failure(on_failure: object) -> None:
    """Checks how failed trials count.

    Raises:
        ValueError: `on_failure` is neither "ignore" nor "worst".
    """
    if on_failure not in ("ignore", "worst"):
        raise ValueError(f'on_failure must be "ignore" or "worst", not {on_failure!r}')


def check_mode(mode: object) -> None:
    """Checks the direction of a search; None if the direction is not known yet.

    Raises:
        ValueError: The mode is neither "min" nor "max" nor None.
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


def check_renamed(rename: Mapping[str, str] | None, agent: Agent | None) -> dict[str, str]:
    """Returns `rename` as a dict, if it fits an agent, or there is none.

    Raises:
        TypeError: `rename` is no mapping from names to names.
        ValueError: The agent does not know an old name, or knows a new name as another parameter.
    """
    rename = check_rename(rename)
    if agent is None:
        return rename
    known = agent.learner.vocabulary.states[1:]
    for name, other in rename.items():
        if name not in known:
            have = resolve_renamed(known, name, other)
            raise ValueError(f"rename: {name!r} is no parameter that the agent knows; it knows {have}")
    agent.learner.vocabulary.renamed(rename)
    return rename


def check_parameters(argument: str, names: Iterable[str], parameters: Iterable[str]) -> None:
    """Checks that each name is that of a parameter of the studies, if the studies have parameters.

    Raises:
        ValueError: A name is that of no parameter.
    """
    known = tuple(dict.fromkeys(parameters))
    for name in names:
        if known and name not in known:
            have = resolve_name(known, name)
            raise ValueError(
                f"{argument} names {name!r}, which is no parameter of any of the studies; they have {have}"
            )


def as_agent(agent: Agent | str | os.PathLike[str] | None) -> Agent | None:
    """Returns an agent, or loads it from its file; None for None.

    Raises:
        CheckpointError, OSError: The file cannot be read.
        TypeError: The argument is no agent, path, or None.
        ValueError: The path is empty.
    """
    if agent == "":
        raise ValueError("agent is '', which names no file; give a file such as 'agent.safetensors', an Agent, or None")
    if not isinstance(agent, (Agent, str, os.PathLike, type(None))):
        hint = f"; did you mean seed={agent}?" if type(agent) is int else ""
        raise TypeError(f"agent is an Agent, the path of its file, or None, not {agent!r}{hint}")
    return agent if isinstance(agent, Agent) or agent is None else Agent.load(agent)
