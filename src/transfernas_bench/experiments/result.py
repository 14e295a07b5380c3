"""Results of experiments: `result.json`, in the form of `docs/project/architecture.md`."""

import importlib.metadata
import json
import math
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from transfernas.files import write_atomically

from .statistics import Ratio, Reached, mean_interval

try:
    import resource
except ImportError:  # Windows has no resource
    resource = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Curve:
    """Values of a search over its trials.

    Attributes:
        values: Shape `[replicas, trials]`, the noise-free value of the incumbent, which has the best observed reward so
            far. With several problems, the incumbent is that of the trial's problem. For double XOR the rewards; for
            problems of numbers the least observed value so far.
        test: Shape `[replicas, trials]`, the test accuracy of the incumbent; None if there is no test accuracy.
    """

    values: Float[np.ndarray, "replicas trials"]
    test: Float[np.ndarray, "replicas trials"] | None = None


@dataclass(frozen=True, slots=True)
class TableRow:
    """Entry of a table: the mean of a curve after a number of trials, with its 95 % interval."""

    name: str
    trials: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class NamedRatio:
    """Ratio of trials, with the names of the two curves."""

    of: str
    to: str
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class NamedReached:
    """Trial at which a curve reaches a target, with the name of the curve."""

    name: str
    reached: Reached


@dataclass(frozen=True, slots=True)
class Result:
    """Result of an experiment.

    Attributes:
        command: Command of the experiment.
        seed: Seed of all random draws.
        seconds: Duration of the experiment.
        curves: Curves by name.
        table: Means of the curves after some numbers of trials.
        ratios: Ratios of the trials needed to reach a target.
        interrupted: Whether the experiment was stopped before its end.
        settings: Further settings that determine the results.
        reached: Trials at which the curves reach some targets.
        choice: Table of a separate experiment that chose a setting, such as the best setting of a method.
        summary: Statistics over several curves, for JSON.
        kept_trials: Trials of the curves that are written; None for all.
        decimals: Number of decimals of the values of curves that are written; None for all.
    """

    command: str
    seed: int
    seconds: float
    curves: Mapping[str, Curve]
    table: tuple[TableRow, ...]
    ratios: tuple[NamedRatio, ...]
    interrupted: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)
    reached: tuple[NamedReached, ...] = ()
    choice: tuple[TableRow, ...] = ()
    summary: Mapping[str, object] = field(default_factory=dict)
    kept_trials: tuple[int, ...] | None = None
    decimals: int | None = 6


def table_of(curves: Mapping[str, Curve], trials: Sequence[int], test: bool = False) -> tuple[TableRow, ...]:
    """Returns the mean of each curve after each number of trials that the curve has, of test accuracies if `test`."""
    return tuple(
        TableRow(name, count, *mean_interval(values[:, count - 1]))
        for name, curve in curves.items()
        if (values := curve.test if test else curve.values) is not None
        for count in trials
        if count <= values.shape[1]
    )


def peak_memory_mib() -> float | None:
    """Returns the peak memory of this process in MiB; None on Windows."""
    if resource is None:
        return None
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
        "peak_memory_mib": None if (peak := peak_memory_mib()) is None else round(peak),
        "interrupted": result.interrupted,
        "curves": {name: _curve_document(curve, result) for name, curve in result.curves.items()},
        "settings": dict(result.settings),
        "table": [_row_document(row) for row in result.table],
        "choice": [_row_document(row) for row in result.choice],
        "reached": [{"name": named.name, **named.reached._asdict()} for named in result.reached],
        "ratios": [_ratio_document(named) for named in result.ratios],
        "summary": dict(result.summary),
    }
    write_atomically(path, (json.dumps(document, allow_nan=False) + "\n").encode())
    return path


def _curve_document(curve: Curve, result: Result) -> dict[str, object]:
    every, kept = range(1, curve.values.shape[1] + 1), result.kept_trials
    trials = list(every) if kept is None else [count for count in kept if count in every]
    columns = [count - 1 for count in trials]
    document = {"trials": trials, "values": _rounded(curve.values[:, columns], result.decimals)}
    return document if curve.test is None else {**document, "test": _rounded(curve.test[:, columns], result.decimals)}


def _rounded(values: Float[np.ndarray, "replicas trials"], decimals: int | None) -> list[list[float | None]]:
    rows = (values if decimals is None else np.round(values, decimals)).tolist()
    return [[_finite(value) for value in row] for row in rows]


def _row_document(row: TableRow) -> dict[str, object]:
    return {
        "name": row.name,
        "trials": row.trials,
        "mean": _finite(row.mean),
        "low": _finite(row.low),
        "high": _finite(row.high),
    }


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
