"""The contents of an agent's file as plain data, which `transfernas inspect` prints as text or as JSON."""

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import jax

from ..checkpoint.snapshot import Snapshot
from ..checkpoint.tensors import bytes_of
from ..fields import flat, to_json
from ..insight.beliefs import importances_in
from ..insight.importances import Importance, too_weak
from ..insight.likeness import ValueRanks, likeness_in, ranks_in
from ..insight.number_ranges import ranges_in
from ..insight.told import best_reward, taken_actions
from ..learning.archive import ArchivedProblem
from ..learning.config import TrainingConfig
from ..learning.learner import Learner, update_archive
from ..spaces.choice import Choice
from ..spaces.condition import Action
from ..spaces.grid import Bin, bins_among_names, bins_of_names
from ..spaces.space import SearchSpace

_FEW = 4  # values are listed
_LOG = 0.02  # of a step: so even are the steps of the logarithms of a range


def inspection(path: Path, snapshot: Snapshot) -> dict[str, Any]:
    """Returns the contents of an agent's file, for JSON.

    Numbers of an experiment's file are those of all replicas; the parts that only an agent has are left out there.

    Args:
        path: of the file, which was read.
        snapshot: its contents.
    """
    learner, file = update_archive(snapshot.learner), path.stat()
    sizes = bytes_of(learner)
    sizes["names and the rest"] = file.st_size - sum(sizes.values())
    names, ranks = learner.vocabulary, ranks_in(learner)
    base, changes = differences(learner.config)
    return {
        "file": str(path),
        "saved": datetime.fromtimestamp(file.st_mtime).astimezone().isoformat(timespec="seconds"),
        "replicas": learner.replicas,
        "seed": learner.seed,
        "trials": learner.learned,
        "open_trials": len(snapshot.open_trials),
        "network": learner.config.network.kind,
        "network_parameters": _network_size(learner),
        "policies": ["policy"] if learner.policies == 1 else ["transferred policy", "new policy"],
        "names": {"states": len(names.states) - 1, "actions": len(names.actions), "tasks": len(names.tasks)},
        "configuration": to_json(learner.config),
        "configuration_differs": {"from": base, "in": changes},
        "bytes": sizes,
        "records": [{"record": name, "trials": snapshot.processed.count(name)} for name in snapshot.processed],
        "learned_from": _learned_from(learner),
        "problems": [_problem(learner, row, ranks) for row in range(len(learner.encoding.problems))],
    }


def differences(config: TrainingConfig) -> tuple[str, dict[str, Any]]:
    """Returns the default or the paper's settings, whichever are nearer, and the fields that differ from them."""
    found, differing = flat(config), dict[str, dict[str, Any]]()
    for name, base in (("TrainingConfig()", TrainingConfig()), ("TrainingConfig.paper()", TrainingConfig.paper())):
        its = flat(base)
        differing[name] = {path: value for path, value in found.items() if path not in its or its[path] != value}
    nearer = min(differing, key=lambda name: len(differing[name]))
    return nearer, differing[nearer]


ABOUT = "about "
"""Begins the words for a range whose bins alone are known: the range may be shorter than its bins."""


def range_of(choice: Choice, parts: bool, taken: Collection[Action] = ()) -> str:
    """Returns the values of a choice in words, such as "about 0.0001 to 0.1 (log), 12 bins".

    Args:
        choice: its actions.
        parts: whether a number may stand for a bin of a range, as in agents of other tools: the bins show between which
            numbers the range lies.
        taken: the actions of the trials of a problem, which tell the problem's range if problems with several ranges
            share the space; none if they are not known.
    """
    if choice.numbers is not None:
        its, whole = choice.numbers, " (whole)" if choice.numbers.integer else ""
        steps = f" in steps of {its.step:g}" if its.step not in (None, 1) else ""
        return f"{its.low:g} to {its.high:g}{steps}{whole}" + " (log)" * its.log
    numbers = [action for action in choice.actions if type(action) in (int, float)]
    if len(numbers) < len(choice.actions) or len(numbers) <= _FEW:
        return ", ".join(str(action) for action in choice.actions)
    bins = bins_of_names(choice.actions) if parts else None
    ordered = sorted(float(number) for number in numbers)  # type: ignore[arg-type]
    log = ordered[0] > 0 and _even([math.log(number) for number in ordered])
    kind, count = " (log)" if log else "", len(numbers)
    if bins is None and parts and (some := bins_among_names(choice.actions)) is not None:
        return _mixed(ordered, {each.action: each for each in some}, taken)
    if bins is None:
        return f"{ordered[0]:g} to {ordered[-1]:g}{kind}, {count} values"
    low, high = min(each.low for each in bins), max(each.high for each in bins)
    return f"{ABOUT}{low:g} to {high:g}{kind}, {count} bins"


def _mixed(numbers: Sequence[float], bins: Mapping[Action, Bin], taken: Collection[Action]) -> str:
    """Returns the values of a choice that has bins and other numbers, by those that a problem's trials had."""
    its = [number for number in numbers if number in taken] or numbers
    low, high = min(its), max(its)
    if all(number in bins for number in its):
        low, high = bins[low].low, bins[high].high
    log = len({each.high - each.low for each in bins.values()}) > 2  # the last bin may be longer by 1
    where = f" in its trials, {len(its)} of {len(numbers)} values" if taken else f", {len(numbers)} values"
    return f"{ABOUT}{low:g} to {high:g}{' (log)' * log}{where}"


def size_of(space: SearchSpace) -> int | None:
    """Returns how many configurations a space has; None where its conditions are too many to count them."""
    try:
        return space.size
    except ValueError:
        return None


def _even(values: Sequence[float]) -> bool:
    steps = [after - before for before, after in zip(values, values[1:], strict=False)]
    return max(steps) - min(steps) < _LOG * max(steps)


def _network_size(learner: Learner) -> int:
    return sum(leaf[0].size for leaf in jax.tree.leaves(learner.state.policy))


def _learned_from(learner: Learner) -> list[dict[str, Any]]:
    """Returns the problems that were learned from; counts are lists where there are several replicas."""
    kept = {entry.name: entry for entry in learner.archive}
    found = []
    for past in learner.provenance:
        entry = kept.get((past.space, past.task))
        remembered = [0] * learner.replicas if entry is None else entry.count.tolist()
        one: dict[str, Any] = {"space": past.space, "task": past.task}
        one |= {"trials": _one(past.trials), "kept": _one(remembered)}
        if learner.replicas == 1:
            one["best_reward"] = None if entry is None else _best(entry)
        found.append(one)
    return found


def _one(counts: Sequence[int]) -> int | list[int]:
    return counts[0] if len(counts) == 1 else list(counts)


def _best(entry: ArchivedProblem) -> float | None:
    if not entry.count[0]:
        return None
    return _finite(float(entry.scores.at((0, slice(1))).shown()[0]))


def _problem(learner: Learner, row: int, ranks: dict[tuple[str, str], ValueRanks]) -> dict[str, Any]:
    problem, alone = learner.encoding.problems[row], learner.replicas == 1
    importances, source = importances_in(learner, row) if alone else ({}, "nothing")
    best = best_reward(learner, row) if alone else None
    found: dict[str, Any] = {
        "space": problem.space.name,
        "task": problem.task,
        "trials": _one(learner.trial_stats.trials[:, row].tolist()),
        "best_reward": None if best is None else _finite(best),
        "configurations": size_of(problem.space),
        "has_parts": bool(ranges_in(learner, row)) if alone else problem.space.has_ranges,
        "importances_from": source,
        "importances_too_weak": too_weak(importances),
        "parameters": _parameters(learner, row, importances),
    }
    if alone:
        found["likeness"] = [
            {
                name: getattr(each, name)
                for name in ("space", "task", "trials", "cosine", "too_early", "agreement", "shared")
            }
            for each in likeness_in(learner, row, ranks)
        ]
    return found


def _parameters(learner: Learner, row: int, importances: dict[str, Importance]) -> list[dict[str, Any]]:
    problem, parts = learner.encoding.problems[row], learner.encoding.grows
    taken = taken_actions(learner, row) if parts and learner.replicas == 1 else {}
    return [
        {
            "name": choice.name,
            "actions": list(choice.actions),
            "range": range_of(choice, parts, taken.get(choice.name, ())),
            "conditional": choice.when is not None,
            "importance": importances[choice.name].share if choice.name in importances else None,
        }
        for choice in problem.space.choices
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
