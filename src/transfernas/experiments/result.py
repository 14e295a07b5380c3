"""What every experiment leaves behind: `result.json`, in the form of `docs/design.md`."""

import importlib.metadata
import json
import math
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..files import write_atomically
from .statistics import Ratio, mean_interval


@dataclass(frozen=True, slots=True)
class Curve:
    """How a search went.

    Attributes:
        values: Shape `[replicas, trials]`, the noise-free value of the incumbent, which is the best single observation
            so far; with several problems, of the problem that the trial was of.
        interrupted: whether it was stopped before its last trial.
    """

    values: Float[np.ndarray, "replicas trials"]
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the table: the mean of a curve after so many trials, with its 95 % interval."""

    name: str
    trials: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class NamedRatio:
    """A ratio of trials, with the names of the two curves."""

    of: str
    to: str
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class Result:
    """An experiment's outcome.

    Attributes:
        command: what ran.
        seed: of everything random.
        seconds: how long it took.
        curves: by name.
        table: rows for some numbers of trials.
        ratios: of the trials needed to reach a target.
        interrupted: whether it was stopped before its end.
    """

    command: str
    seed: int
    seconds: float
    curves: Mapping[str, Curve]
    table: tuple[Row, ...]
    ratios: tuple[NamedRatio, ...]
    interrupted: bool = False


def table_of(curves: Mapping[str, Curve], trials: Sequence[int]) -> tuple[Row, ...]:
    """Returns the mean of each curve after each number of trials that it got to."""
    return tuple(
        Row(name, count, *mean_interval(curve.values[:, count - 1]))
        for name, curve in curves.items()
        for count in trials
        if count <= curve.values.shape[1]
    )


def peak_memory_mib() -> float:
    """Returns the largest amount of memory that this process has held, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def write_result(path: Path, result: Result) -> Path:
    """Writes `result.json`; a number that is not finite becomes null."""
    document = {
        "command": result.command,
        "seed": result.seed,
        "versions": {name: importlib.metadata.version(name) for name in ("transfernas", "jax", "numpy")}
        | {"python": platform.python_version()},
        "seconds": round(result.seconds, 1),
        "peak_memory_mib": round(peak_memory_mib()),
        "interrupted": result.interrupted,
        "curves": {name: _curve_document(curve) for name, curve in result.curves.items()},
        "table": [
            {"name": row.name, "trials": row.trials, "mean": _finite(row.mean)}
            | {"low": _finite(row.low), "high": _finite(row.high)}
            for row in result.table
        ],
        "ratios": [_ratio_document(named) for named in result.ratios],
    }
    write_atomically(path, (json.dumps(document, allow_nan=False) + "\n").encode())
    return path


def _curve_document(curve: Curve) -> dict[str, object]:
    values = np.round(curve.values, 6)
    return {"trials": list(range(1, values.shape[1] + 1)), "values": values.tolist()}


def _ratio_document(named: NamedRatio) -> dict[str, object]:
    ratio = named.ratio
    return {
        "target": ratio.target,
        "of": named.of,
        "to": named.to,
        "trials_of": ratio.trials_of,
        "trials_to": ratio.trials_to,
        "ratio": ratio.ratio,
        "low": ratio.low,
        "high": ratio.high,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
