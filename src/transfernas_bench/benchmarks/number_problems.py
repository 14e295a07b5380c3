"""Problems of numbers: functions, and models of scikit-learn, whose value an Optuna trial minimises.

The development half is for the choice of methods and settings, the held-out half for the report.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .number_functions import (
    AskedTrial,
    ackley,
    branches,
    ellipsoid,
    few_matter,
    layers,
    levy,
    mixed,
    noisy,
    rastrigin,
    rosenbrock,
    rotated,
)

ValueFn = Callable[[AskedTrial, int], float]
"""Function from a trial and a seed to the value that is minimised."""

DEVELOPMENT, HELD_OUT = HALVES = ("development", "held-out")

FUNCTIONS, MODELS, CONDITIONAL = KINDS = ("functions", "models", "conditional")
"""Kinds of problems: functions and models without conditional parameters, and all problems with such parameters."""


@dataclass(frozen=True, slots=True)
class NumberProblem:
    """A problem of numbers.

    Attributes:
        value: Function from a trial and a seed to the value that is minimised.
        half: A member of `HALVES`.
        text: Description of the value.
        conditional: Whether some parameters of a trial depend on others.
        data: Data set of the model that is trained; None for a function.
        least: Least value that exists; None if unknown.

    Example:
        ```python
        study = optuna.create_study()
        study.optimize(lambda trial: PROBLEMS["mixed"].value(trial, 0), n_trials=100)
        ```
    """

    value: ValueFn
    half: str
    text: str
    conditional: bool = False
    data: str | None = None
    least: float | None = None

    @property
    def kind(self) -> str:
        """A member of `KINDS`."""
        if self.conditional:
            return CONDITIONAL
        return FUNCTIONS if self.data is None else MODELS

    def load(self) -> None:
        """Imports the packages that the problem needs, so that a missing package is an error before the run.

        Raises:
            ModuleNotFoundError: The value is that of a model, and scikit-learn is not installed.
        """
        if self.data is not None:
            from . import number_models  # noqa: F401


def _function(
    function: Callable[..., float], half: str, text: str, conditional: bool = False, **options: int
) -> NumberProblem:
    least = None if function is noisy else 0.0
    return NumberProblem(functools.partial(function, **options), half, text, conditional, least=least)


def _model(model: str, data: str, half: str, conditional: bool = False) -> NumberProblem:
    loss = "squared error over the variance" if data == "diabetes" else "log loss"
    value = functools.partial(_model_value, model=model, data=data)
    return NumberProblem(value, half, f"{loss} of {_MODEL_TEXTS[model]}", conditional, data)


def _model_value(trial: AskedTrial, seed: int, model: str, data: str) -> float:
    from .number_models import MODELS  # needs scikit-learn, which functions do not

    return MODELS[model](trial, seed, data)


_MODEL_TEXTS = {
    "machine": "a support vector machine, whose kernel is a parameter",
    "boosting": "gradient boosting of trees",
    "forest": "a forest of random trees",
    "nearest": "nearest neighbours",
    "logistic": "logistic regression with both penalties",
    "network": "a network, whose layers and optimizer are parameters",
    "pipeline": "a tree, a forest, nearest neighbours or logistic regression, whichever is chosen",
}

PROBLEMS: Mapping[str, NumberProblem] = MappingProxyType(
    {
        "ellipsoid of 5": _function(ellipsoid, DEVELOPMENT, "an ellipsoid", count=5),
        "rosenbrock of 3": _function(rosenbrock, DEVELOPMENT, "Rosenbrock's function, a bent valley", count=3),
        "rastrigin of 4": _function(rastrigin, DEVELOPMENT, "Rastrigin's function, many local optima", count=4),
        "ackley of 20": _function(ackley, DEVELOPMENT, "Ackley's function, a rugged funnel", count=20),
        "noisy sphere of 6": _function(noisy, DEVELOPMENT, "a sphere with noise", count=6),
        "mixed": _function(mixed, DEVELOPMENT, "a function of whole numbers, real numbers and categories"),
        "branches": _function(
            branches,
            DEVELOPMENT,
            "a function of four branches with parameters of their own",
            True,
            count=4,
        ),
        "machine on wine": _model("machine", "wine", DEVELOPMENT, conditional=True),
        "boosting on breast_cancer": _model("boosting", "breast_cancer", DEVELOPMENT),
        "forest on digits": _model("forest", "digits", DEVELOPMENT),
        "nearest on wine": _model("nearest", "wine", DEVELOPMENT),
        "logistic on wine": _model("logistic", "wine", DEVELOPMENT),
        "network on breast_cancer": _model("network", "breast_cancer", DEVELOPMENT, conditional=True),
        "pipeline on digits": _model("pipeline", "digits", DEVELOPMENT, conditional=True),
        "rotated ellipsoid of 6": _function(rotated, HELD_OUT, "a rotated ellipsoid", count=6),
        "rosenbrock of 5": _function(rosenbrock, HELD_OUT, "Rosenbrock's function, a bent valley", count=5),
        "levy of 6": _function(levy, HELD_OUT, "Levy's function, waves", count=6),
        "ackley of 5": _function(ackley, HELD_OUT, "Ackley's function, a rugged funnel", count=5),
        "3 of 30 matter": _function(
            few_matter, HELD_OUT, "a sphere of three parameters among thirty", count=30, matter=3
        ),
        "noisy sphere of 4": _function(noisy, HELD_OUT, "a sphere with noise", count=4),
        "layers": _function(layers, HELD_OUT, "a function of as many widths as layers", True, most=5),
        "machine on diabetes": _model("machine", "diabetes", HELD_OUT, conditional=True),
        "boosting on digits": _model("boosting", "digits", HELD_OUT),
        "forest on diabetes": _model("forest", "diabetes", HELD_OUT),
        "nearest on breast_cancer": _model("nearest", "breast_cancer", HELD_OUT),
        "logistic on digits": _model("logistic", "digits", HELD_OUT),
        "network on diabetes": _model("network", "diabetes", HELD_OUT, conditional=True),
        "pipeline on breast_cancer": _model("pipeline", "breast_cancer", HELD_OUT, conditional=True),
    }
)
"""Problems by name. The names and values do not change, because results name them; "of 5" means five parameters."""
