"""Search spaces and results of Ray Tune: the domains of parameters, and the values in configurations and results."""

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from ray.tune.search.sample import Categorical, Float, Integer, LogUniform, Normal, Quantized, Uniform
from ray.tune.search.sample import Domain as RayDomain
from ray.tune.search.variant_generator import parse_spec_vars

from ..define_by_run.declared import Domains, checked
from ..define_by_run.networks import Values
from ..learning.scores import Score, TrialOutcome
from ..spaces.condition import Action
from ..spaces.domain import CategoricalDomain, Domain, NumericDomain

_MISSING = object()
_DEVIATIONS = 3  # of a normal distribution, in the range that is proposed instead of it


def domains_of(space: Mapping[str, object]) -> dict[str, Domain]:
    """Returns the parameters of a space of Ray by their paths, as "optimizer/lr", without its constants.

    Raises:
        ValueError: A parameter cannot be searched; the message names a replacement.

    Example:
        ```python
        assert list(domains_of({"optimizer": {"lr": tune.uniform(0, 1)}, "epochs": 10})) == ["optimizer/lr"]
        ```
    """
    _, searched, grids = parse_spec_vars(dict(space))
    if grids:
        names = ", ".join("/".join(map(str, path)) for path, _ in grids)
        raise ValueError(f"TransferSearch searches no grids; use tune.choice instead of tune.grid_search for {names}")
    found: dict[str, Domain] = {}
    for path, domain in searched:
        name = _name(path)
        try:
            found[name] = _domain(domain)
        except ValueError as error:
            raise ValueError(f"parameter {name!r}: {error}") from None
    return found


def values_in(config: Mapping[str, object], domains: Domains, before: str = "") -> Values:
    """Returns the values of the parameters in a configuration, nested or by their paths.

    Args:
        config: The configuration.
        domains: The parameters.
        before: The path of the configuration in `config`, as in "config/".

    Raises:
        ValueError: A value is outside of the domain of its parameter.
    """
    found: Values = {}
    for name, domain in domains.items():
        value = look_up(config, before + name, _MISSING)
        if value is not _MISSING:
            found[name] = checked(name, domain, value)
    return found


def look_up(config: Mapping[str, object], path: str, default: object = None) -> object:
    """Returns the value at a path such as "a/b/c", in nested dicts or in flat ones with keys such as "a/b"."""
    if path in config:
        return config[path]
    keys = path.split("/")
    for length in range(1, len(keys)):
        inner = config.get("/".join(keys[:length]))
        if isinstance(inner, Mapping):
            found = look_up(inner, "/".join(keys[length:]), _MISSING)
            if found is not _MISSING:
                return found
    return default


def nested(values: Values) -> dict[str, Any]:
    """Returns copies of the values of parameters as a configuration, each at its path."""
    config: dict[str, Any] = {}
    for name, value in copy.deepcopy(values).items():
        inner, *keys = config, *name.split("/")
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = value
    return config


def as_number(value: object) -> float | None:
    """Returns a result as a number, infinite if too large for a float; None if the result is no number."""
    try:
        if np.ma.is_masked(value):
            return None
        value = value.item() if hasattr(value, "item") else value  # of an array or a tensor with one number
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]
    except (ArithmeticError, RuntimeError, TypeError, ValueError):
        return None
    return None if math.isnan(number) else number


def score_of(number: float | None, mode: str | None, on_failure: str) -> Score | None:
    """Returns the score of a trial; None for a trial that is not learned from.

    Args:
        number: The result, see `as_number`; None if the trial failed.
        mode: "max" if larger results are better, else "min".
        on_failure: See `TransferSearch`.
    """
    if number is None:
        return Score(TrialOutcome.FAILED, 0.0) if on_failure == "worst" else None
    return Score.of(number if mode == "max" else -number)


def fill_in(fill: Mapping[str, Action], rename: Mapping[str, str], domains: Domains) -> dict[str, Action]:
    """Returns the earlier values of new parameters as actions.

    Args:
        fill: The values, see `TransferSearch`.
        rename: New names by their old names; the new ones are checked.
        domains: The parameters.

    Raises:
        ValueError: `fill` or `rename` names no parameter, or `fill` has a value that its parameter cannot have.
    """
    check_names(fill, domains)
    for new in rename.values():
        if new not in domains:
            raise ValueError(f"rename: {new!r} is no parameter of the space, which has {list(domains)}")
    return {name: domains[name].action(value) for name, value in values_in(fill, domains).items()}  # type: ignore[arg-type]


def check_names(config: Mapping[str, object], domains: Domains, before: str = "") -> None:
    """Checks that all entries of a configuration, nested or by paths, are parameters.

    Raises:
        ValueError: An entry is no parameter; the message names the entry.
    """
    for key, value in config.items():
        name = f"{before}{key}"
        if name in domains:
            continue
        if not isinstance(value, Mapping):
            raise ValueError(f"{name!r} is no parameter of the space, which has {', '.join(map(repr, domains))}")
        check_names(value, domains, f"{name}/")


def _name(path: tuple[object, ...]) -> str:
    for key in path:
        if not isinstance(key, str) or "/" in key:
            raise ValueError(
                f"a parameter lies in dicts, under keys that are strings without '/', and not under {path!r}; for one "
                f"in a list, give it a key of its own and make the list in the trainable"
            )
    return "/".join(map(str, path))


def _domain(domain: RayDomain) -> Domain:
    """Returns the domain of a parameter of Ray.

    Raises:
        ValueError: The parameter cannot be searched, or its range is empty.
    """
    sampler = domain.get_sampler()
    step = sampler.q if isinstance(sampler, Quantized) else None
    inner = sampler.sampler if isinstance(sampler, Quantized) else sampler
    ratios = isinstance(inner, LogUniform)
    match domain:
        case Categorical() if isinstance(inner, Uniform):
            return CategoricalDomain(domain.categories)
        case Float() if ratios or isinstance(inner, Uniform):
            return NumericDomain(float(domain.lower), float(domain.upper), ratios, step)
        case Integer() if ratios or isinstance(inner, Uniform):
            # As Ray draws: the end is left out, but for steps of more than 1, which count from 0.
            if step is None or step == 1:
                return NumericDomain(int(domain.lower), int(domain.upper) - 1, ratios, 1, integer=True)
            low, high = math.ceil(domain.lower / step) * step, math.floor(domain.upper / step) * step
            return NumericDomain(low, high, ratios, step, integer=True)
        case Float() if isinstance(inner, Normal):
            ends = [inner.mean + side * _DEVIATIONS * inner.sd for side in (-1, 1)]
            instead = f"tune.uniform({ends[0]:g}, {ends[1]:g})"
            raise ValueError(f"a normal distribution has no ends, which TransferSearch needs; use {instead}")
    raise ValueError(
        f"TransferSearch does not search {type(domain).__name__} with {type(inner).__name__}; use tune.choice, "
        f"tune.uniform, tune.randint, or these in steps (tune.quniform) or by ratios (tune.loguniform), and compute "
        f"in the trainable what follows from them"
    )
