"""Models of scikit-learn that are trained for each trial, on a part of a data set that scikit-learn ships.

A model is judged on another part of the data: by the log loss, or on `diabetes` by the squared error over the variance.
The seed chooses the parts.
"""

import functools
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from transfernas.extras import needed

from .number_functions import AskedTrial

with needed("bench", __name__):
    from sklearn import datasets, ensemble, linear_model, neighbors, neural_network, svm, tree
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

ModelFn = Callable[[AskedTrial, int, str], float]
"""Function from a trial, a seed and the name of a data set to the loss of the model that is trained."""

_WORST = 10.0  # the loss of a fit that diverges
_MOST_ROWS = 300  # of the training, and of the loss


def machine(trial: AskedTrial, seed: int, data: str) -> float:
    """Returns the loss of a support vector machine; the parameters of a kernel depend on the kernel."""
    kernel = trial.suggest_categorical("kernel", ("linear", "rbf", "poly", "sigmoid"))
    more: dict[str, Any] = {"C": trial.suggest_float("C", 1e-3, 1e3, log=True), "kernel": kernel}
    if kernel != "linear":
        more["gamma"] = trial.suggest_float("gamma", 1e-5, 10.0, log=True)
    if kernel == "poly":
        more |= {"degree": trial.suggest_int("degree", 2, 5), "coef0": trial.suggest_float("coef0", 0.0, 1.0)}
    if data == "diabetes":
        return _judged(
            svm.SVR(epsilon=trial.suggest_float("epsilon", 1e-3, 50.0, log=True), max_iter=20_000, **more), data, seed
        )
    return _judged(svm.SVC(probability=True, random_state=0, max_iter=20_000, **more), data, seed)


def boosting(trial: AskedTrial, seed: int, data: str) -> float:
    """Returns the loss of gradient boosting of trees."""
    options = {
        "learning_rate": trial.suggest_float("learning_rate", 1e-3, 1.0, log=True),
        "max_iter": trial.suggest_int("max_iter", 5, 60, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 2, 64, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 50, log=True),
        "l2_regularization": trial.suggest_float("l2_regularization", 1e-6, 100.0, log=True),
        "max_features": trial.suggest_float("max_features", 0.1, 1.0),
    }
    kind = ensemble.HistGradientBoostingRegressor if data == "diabetes" else ensemble.HistGradientBoostingClassifier
    return _judged(kind(random_state=0, early_stopping=False, **options), data, seed)


def forest(trial: AskedTrial, seed: int, data: str) -> float:
    """Returns the loss of a forest of random trees."""
    options = {
        "n_estimators": trial.suggest_int("n_estimators", 4, 60, log=True),
        "max_depth": trial.suggest_int("max_depth", 1, 20, log=True),
        "min_samples_split": trial.suggest_int("min_samples_split", 2, 40, log=True),
        "max_features": trial.suggest_float("max_features", 0.05, 1.0),
        "bootstrap": trial.suggest_categorical("bootstrap", (False, True)),
    }
    kind = ensemble.RandomForestRegressor if data == "diabetes" else ensemble.ExtraTreesClassifier
    return _judged(kind(random_state=0, **options), data, seed)


def nearest(trial: AskedTrial, seed: int, data: str) -> float:
    """Returns the loss of a classifier by nearest neighbours."""
    count = trial.suggest_int("n_neighbors", 1, 60, log=True)
    weights = trial.suggest_categorical("weights", ("uniform", "distance"))
    power = trial.suggest_float("p", 1.0, 5.0)
    return _judged(neighbors.KNeighborsClassifier(count, weights=weights, p=power), data, seed)


def logistic(trial: AskedTrial, seed: int, data: str) -> float:
    """Returns the loss of logistic regression with both penalties, trained by stochastic gradients."""
    options = {
        "alpha": trial.suggest_float("alpha", 1e-7, 1.0, log=True),
        "l1_ratio": trial.suggest_float("l1_ratio", 0.0, 1.0),
        "eta0": trial.suggest_float("eta0", 1e-4, 1.0, log=True),
        "power_t": trial.suggest_float("power_t", 0.0, 0.9),
        "max_iter": trial.suggest_int("max_iter", 5, 60, log=True),
    }
    model = linear_model.SGDClassifier(
        loss="log_loss", penalty="elasticnet", learning_rate="invscaling", tol=None, random_state=0, **options
    )
    return _judged(model, data, seed)


def network(trial: AskedTrial, seed: int, data: str) -> float:
    """Returns the loss of a network with as many widths as layers; some parameters depend on the optimizer."""
    count = trial.suggest_int("layers", 1, 3)
    sizes = tuple(trial.suggest_int(f"units {at}", 4, 64, log=True) for at in range(count))
    solver = trial.suggest_categorical("solver", ("adam", "sgd"))
    options: dict[str, Any] = {
        "learning_rate_init": trial.suggest_float("learning_rate_init", 1e-4, 1.0, log=True),
        "alpha": trial.suggest_float("alpha", 1e-6, 10.0, log=True),
        "activation": trial.suggest_categorical("activation", ("relu", "tanh")),
        "batch_size": trial.suggest_int("batch_size", 8, 128, log=True),
    }
    if solver == "sgd":
        options["momentum"] = trial.suggest_float("momentum", 0.0, 0.99)
    kind = neural_network.MLPRegressor if data == "diabetes" else neural_network.MLPClassifier
    return _judged(kind(hidden_layer_sizes=sizes, solver=solver, max_iter=15, random_state=0, **options), data, seed)


def pipeline(trial: AskedTrial, seed: int, data: str) -> float:
    """Returns the loss of a model of a kind that is a parameter itself."""
    match trial.suggest_categorical("model", ("tree", "nearest", "logistic", "forest")):
        case "tree":
            depth = trial.suggest_int("tree depth", 1, 20, log=True)
            leaf = trial.suggest_int("tree leaf", 1, 40, log=True)
            return _judged(
                tree.DecisionTreeClassifier(max_depth=depth, min_samples_leaf=leaf, random_state=0), data, seed
            )
        case "nearest":
            count = trial.suggest_int("neighbors", 1, 60, log=True)
            return _judged(neighbors.KNeighborsClassifier(count, p=trial.suggest_float("p", 1.0, 5.0)), data, seed)
        case "logistic":
            strength = trial.suggest_float("C", 1e-4, 1e3, log=True)
            return _judged(linear_model.LogisticRegression(C=strength, max_iter=200), data, seed)
        case _:
            share = trial.suggest_float("forest features", 0.05, 1.0)
            depth = trial.suggest_int("forest depth", 1, 20, log=True)
            return _judged(
                ensemble.ExtraTreesClassifier(30, max_depth=depth, max_features=share, random_state=0), data, seed
            )


MODELS: Mapping[str, ModelFn] = MappingProxyType(
    {
        "machine": machine,
        "boosting": boosting,
        "forest": forest,
        "nearest": nearest,
        "logistic": logistic,
        "network": network,
        "pipeline": pipeline,
    }
)
"""Models by name."""


class _Parts(NamedTuple):
    """Rows of a data set for the training of a model, and as many other rows for its loss."""

    left: Float[np.ndarray, "rows columns"]
    left_of: Shaped[np.ndarray, "rows"]
    right: Float[np.ndarray, "rows columns"]
    right_of: Shaped[np.ndarray, "rows"]


@functools.lru_cache(maxsize=64)
def _parts(data: str, seed: int) -> _Parts:
    points, target = getattr(datasets, f"load_{data}")(return_X_y=True)
    stratify = target if len(np.unique(target)) < 20 else None
    half = min(len(target) // 2, _MOST_ROWS)
    left, right, left_of, right_of = train_test_split(
        points, target, train_size=half, test_size=half, random_state=seed, stratify=stratify
    )
    return _Parts(left, left_of, right, right_of)


def _judged(model: Any, data: str, seed: int) -> float:
    """Returns the loss of a model after its training."""
    left, left_of, right, right_of = _parts(data, seed)
    fitted = make_pipeline(StandardScaler(), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits that do not converge
        try:
            fitted.fit(left, left_of)
        except ValueError:  # scikit-learn raises it where the parameters of a fit become infinite
            return _WORST
    if data == "diabetes":
        error = float(np.mean((fitted.predict(right) - right_of) ** 2) / np.var(right_of))
        return min(error, _WORST)
    chance = np.clip(np.nan_to_num(fitted.predict_proba(right), nan=1e-6), 1e-6, 1.0)
    chance /= chance.sum(axis=1, keepdims=True)
    return float(log_loss(right_of, chance, labels=fitted.classes_))
