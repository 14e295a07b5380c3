"""Problems of numbers for `number_suite.py`: functions, and models of scikit-learn that really train.

Each problem belongs to a half: `development` for choosing methods and settings, `held-out` for the report. Values are
to be minimised. A function has its optimum elsewhere for each seed; a model is fitted to a part of a data set that
scikit-learn ships, and judged by the log loss, or the squared error over the variance, on another part.
"""

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from sklearn import datasets, ensemble, linear_model, neighbors, neural_network, svm, tree
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ValueFn = Callable[[optuna.Trial, int], float]
"""From a trial and a seed to a value to minimise."""

DEVELOPMENT, HELD_OUT = "development", "held-out"


@dataclass(frozen=True)
class NumberProblem:
    """A problem.

    Attributes:
        value: from a trial and a seed to what is minimised.
        half: which one.
        conditional: whether a trial asks for some parameters under conditions only.
        model: whether it trains one.
        least: the least value that there is, where it is known.
    """

    value: ValueFn
    half: str
    conditional: bool = False
    model: bool = False
    least: float | None = None


def _shift(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, 17]).uniform(-0.3, 0.3, count)


def _unit(trial: optuna.Trial, count: int) -> np.ndarray:
    """Returns parameters from -1 to 1."""
    return np.array([trial.suggest_float(f"x{at}", -1.0, 1.0) for at in range(count)])


def ellipsoid(trial: optuna.Trial, seed: int, count: int) -> float:
    x = _unit(trial, count) - _shift(seed, count)
    return float((10.0 ** np.linspace(0, 2, count) * x**2).sum())


def rosenbrock(trial: optuna.Trial, seed: int, count: int) -> float:
    x = 2 * (_unit(trial, count) - _shift(seed, count)) + 1
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def ackley(trial: optuna.Trial, seed: int, count: int) -> float:
    x = 5 * (_unit(trial, count) - _shift(seed, count))
    rings = np.exp(np.cos(2 * np.pi * x).mean())
    return float(-20 * np.exp(-0.2 * np.sqrt((x**2).mean())) - rings + 20 + np.e)


def rastrigin(trial: optuna.Trial, seed: int, count: int) -> float:
    x = 3 * (_unit(trial, count) - _shift(seed, count))
    return float((x**2 - 10 * np.cos(2 * np.pi * x) + 10).sum())


def levy(trial: optuna.Trial, seed: int, count: int) -> float:
    w = 1 + 2.5 * (_unit(trial, count) - _shift(seed, count))
    ends = np.sin(np.pi * w[0]) ** 2 + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return float(ends + ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum())


def rotated(trial: optuna.Trial, seed: int, count: int) -> float:
    """An ellipsoid whose axes are not the parameters'."""
    turn = np.linalg.qr(np.random.default_rng([seed, 3]).standard_normal((count, count)))[0]
    x = turn @ (_unit(trial, count) - _shift(seed, count))
    return float((10.0 ** np.linspace(0, 2, count) * x**2).sum())


def few_matter(trial: optuna.Trial, seed: int, count: int, matter: int) -> float:
    which = np.random.default_rng([seed, 5]).permutation(count)[:matter]
    return float(((_unit(trial, count) - _shift(seed, count))[which] ** 2).sum())


def noisy(trial: optuna.Trial, seed: int, count: int) -> float:
    value = float(((_unit(trial, count) - _shift(seed, count)) ** 2).sum())
    return value + 0.05 * float(np.random.default_rng([seed, trial.number]).standard_normal())


def mixed(trial: optuna.Trial, seed: int) -> float:
    best = _shift(seed, 8)
    whole = [trial.suggest_int(f"n{at}", 1, 200, log=at == 0) for at in range(2)]
    near = (np.log10(whole[0]) / 2.3 - 0.5 - best[0]) ** 2 + (whole[1] / 200 - 0.5 - best[1]) ** 2
    numbers = ((_unit(trial, 3) - best[2:5]) ** 2).sum()
    kinds = [trial.suggest_categorical(f"c{at}", ("a", "b", "c", "d")) for at in range(2)]
    wrong = sum(kind != "abcd"[int(40 * (0.3 + best[5 + at])) % 4] for at, kind in enumerate(kinds))
    return float(near + numbers + 0.4 * wrong)


def branches(trial: optuna.Trial, seed: int, count: int) -> float:
    """Each branch has parameters of its own, and one is best."""
    offset = np.random.default_rng([seed, 7]).permutation(count) * 0.15
    which = trial.suggest_int("branch", 0, count - 1)
    shared = (trial.suggest_float("shared", -1.0, 1.0) - _shift(seed, 1)[0]) ** 2
    best = _shift(seed + 100 * which, 3)
    own = sum((trial.suggest_float(f"b{which} {at}", -1.0, 1.0) - best[at]) ** 2 for at in range(3))
    return float(offset[which] + shared + own)


def layers(trial: optuna.Trial, seed: int, most: int) -> float:
    """As many widths as there are layers."""
    best = _shift(seed, most + 1)
    count = trial.suggest_int("layers", 1, most)
    widths = [trial.suggest_float(f"width {at}", -1.0, 1.0) - best[at] for at in range(count)]
    return float(0.2 * abs(count - (most + 1) / 2) + np.square(widths).mean())


@functools.lru_cache(maxsize=64)
def _parts(data: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the rows that a model is fitted to and those that it is judged by, at most 300 each."""
    points, target = getattr(datasets, f"load_{data}")(return_X_y=True)
    stratify = target if len(np.unique(target)) < 20 else None
    half = min(len(target) // 2, 300)
    left, right, left_of, right_of = train_test_split(
        points, target, train_size=half, test_size=half, random_state=seed, stratify=stratify
    )
    return left, left_of, right, right_of


_WORST = 10.0
"""The loss of a fit that diverges."""


def _judged(model: Any, data: str, seed: int) -> float:  # noqa: ANN401  (scikit-learn has no type for its models)
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


def machine(trial: optuna.Trial, seed: int, data: str) -> float:
    """A support vector machine; what a kernel has depends on it."""
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


def boosting(trial: optuna.Trial, seed: int, data: str) -> float:
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


def forest(trial: optuna.Trial, seed: int, data: str) -> float:
    options = {
        "n_estimators": trial.suggest_int("n_estimators", 4, 60, log=True),
        "max_depth": trial.suggest_int("max_depth", 1, 20, log=True),
        "min_samples_split": trial.suggest_int("min_samples_split", 2, 40, log=True),
        "max_features": trial.suggest_float("max_features", 0.05, 1.0),
        "bootstrap": trial.suggest_categorical("bootstrap", (False, True)),
    }
    kind = ensemble.RandomForestRegressor if data == "diabetes" else ensemble.ExtraTreesClassifier
    return _judged(kind(random_state=0, **options), data, seed)


def nearest(trial: optuna.Trial, seed: int, data: str) -> float:
    count = trial.suggest_int("n_neighbors", 1, 60, log=True)
    weights = trial.suggest_categorical("weights", ("uniform", "distance"))
    power = trial.suggest_float("p", 1.0, 5.0)
    return _judged(neighbors.KNeighborsClassifier(count, weights=weights, p=power), data, seed)


def logistic(trial: optuna.Trial, seed: int, data: str) -> float:
    """Logistic regression with both penalties, by stochastic gradients."""
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


def network(trial: optuna.Trial, seed: int, data: str) -> float:
    """A network with as many widths as it has layers, and what its optimizer takes."""
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


def pipeline(trial: optuna.Trial, seed: int, data: str) -> float:
    """The model is chosen, too."""
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


def _function(function: Callable[..., float], half: str, conditional: bool = False, **options: int) -> NumberProblem:
    noisy_one = function is noisy
    return NumberProblem(functools.partial(function, **options), half, conditional, least=None if noisy_one else 0.0)


def _model(function: Callable[..., float], data: str, half: str, conditional: bool = False) -> NumberProblem:
    return NumberProblem(functools.partial(function, data=data), half, conditional, model=True)


PROBLEMS: dict[str, NumberProblem] = {
    "ellipsoid of 5": _function(ellipsoid, DEVELOPMENT, count=5),
    "rosenbrock of 3": _function(rosenbrock, DEVELOPMENT, count=3),
    "rastrigin of 4": _function(rastrigin, DEVELOPMENT, count=4),
    "ackley of 20": _function(ackley, DEVELOPMENT, count=20),
    "noisy sphere of 6": _function(noisy, DEVELOPMENT, count=6),
    "mixed": _function(mixed, DEVELOPMENT),
    "branches": _function(branches, DEVELOPMENT, conditional=True, count=4),
    "machine on wine": _model(machine, "wine", DEVELOPMENT, conditional=True),
    "boosting on breast_cancer": _model(boosting, "breast_cancer", DEVELOPMENT),
    "forest on digits": _model(forest, "digits", DEVELOPMENT),
    "nearest on wine": _model(nearest, "wine", DEVELOPMENT),
    "network on breast_cancer": _model(network, "breast_cancer", DEVELOPMENT, conditional=True),
    "pipeline on digits": _model(pipeline, "digits", DEVELOPMENT, conditional=True),
    "rotated ellipsoid of 6": _function(rotated, HELD_OUT, count=6),
    "rosenbrock of 5": _function(rosenbrock, HELD_OUT, count=5),
    "levy of 6": _function(levy, HELD_OUT, count=6),
    "ackley of 5": _function(ackley, HELD_OUT, count=5),
    "3 of 30 matter": _function(few_matter, HELD_OUT, count=30, matter=3),
    "noisy sphere of 4": _function(noisy, HELD_OUT, count=4),
    "layers": _function(layers, HELD_OUT, conditional=True, most=5),
    "machine on diabetes": _model(machine, "diabetes", HELD_OUT, conditional=True),
    "boosting on digits": _model(boosting, "digits", HELD_OUT),
    "forest on diabetes": _model(forest, "diabetes", HELD_OUT),
    "nearest on breast_cancer": _model(nearest, "breast_cancer", HELD_OUT),
    "logistic on digits": _model(logistic, "digits", HELD_OUT),
    "network on diabetes": _model(network, "diabetes", HELD_OUT, conditional=True),
    "pipeline on breast_cancer": _model(pipeline, "breast_cancer", HELD_OUT, conditional=True),
}
