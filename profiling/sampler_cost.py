"""What a trial costs inside Optuna: `TransferSampler` against TPE, in milliseconds.

The objective takes no time. On ten parameters, numbers and categories: medians over the trials around the 100th and the
1,000th, four in a row taken together, because two proposers take turns. On 2, 4 and 7 numbers the same, around the
100th. On 30, 100 and 300 parameters: CPU time of the first 12 trials, compilations included, and the median of the next
turns of four; both samplers take turns, so that what else the machine does hits both. One core:

    taskset -c 0 python profiling/sampler_cost.py
"""

import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import optuna

from transfernas import Agent
from transfernas.integrations.optuna import TransferSampler

MARKS = (100, 1_000)
AROUND = 20
TURN = 4  # trials in which both proposers have their turns
FEW = (2, 4, 7)
WIDTHS = (30, 100, 300)
FIRST, LATER = 12, 32


def objective(trial: optuna.Trial) -> float:
    total = trial.suggest_float("learning rate", 1e-5, 1e-1, log=True) + trial.suggest_float("dropout", 0.0, 0.5)
    total += trial.suggest_float("momentum", 0.5, 0.99) + trial.suggest_float("weight decay", 1e-6, 1e-2, log=True)
    total += trial.suggest_int("layers", 1, 8) + trial.suggest_int("units", 16, 1024, log=True)
    total += trial.suggest_int("batch size", 16, 256, step=16)
    total += ("adam", "sgd", "rmsprop").index(trial.suggest_categorical("optimizer", ("adam", "sgd", "rmsprop")))
    total += trial.suggest_categorical("kernel", (3, 5, 7))
    return total + ("relu", "tanh").index(trial.suggest_categorical("activation", ("relu", "tanh")))


def squares(trial: optuna.Trial, parameters: int) -> float:
    return sum((trial.suggest_float(f"w{number}", 0.0, 1.0) - 0.5) ** 2 for number in range(parameters))


def milliseconds(
    sampler: optuna.samplers.BaseSampler,
    marks: tuple[int, ...] = MARKS,
    objective: Callable[[optuna.Trial], float] = objective,
) -> list[float]:
    """The medians around the marks."""
    study = optuna.create_study(sampler=sampler)
    times = []
    for _ in range((max(marks) + AROUND) // TURN):
        begin = time.perf_counter()
        study.optimize(objective, n_trials=TURN)
        times.append(1e3 / TURN * (time.perf_counter() - begin))
    return [statistics.median(times[(mark - AROUND) // TURN : (mark + AROUND) // TURN]) for mark in marks]


def transferred() -> optuna.samplers.BaseSampler:
    sampler = TransferSampler(seed=1)
    optuna.create_study(study_name="earlier", sampler=sampler).optimize(objective, n_trials=30)
    with tempfile.TemporaryDirectory() as folder:
        return TransferSampler(Agent.load(sampler.save(Path(folder) / "agent.safetensors")), seed=2)


def wide(parameters: int) -> None:
    """Prints what trials of many parameters cost."""

    def seconds(study: optuna.Study, trials: int) -> float:
        begin = time.process_time()
        study.optimize(functools.partial(squares, parameters=parameters), n_trials=trials)
        return time.process_time() - begin

    studies = [
        optuna.create_study(sampler=sampler)
        for sampler in (TransferSampler(seed=0), optuna.samplers.TPESampler(seed=0))
    ]
    first = [seconds(study, FIRST) for study in studies]
    later = zip(*([seconds(study, TURN) for study in studies] for _ in range(LATER // TURN)), strict=True)
    mine, theirs = (1e3 / TURN * statistics.median(each) for each in later)
    print(
        f"{parameters:3d} parameters: first {FIRST} trials {first[0]:.2f} s of CPU (TPE {first[1]:.2f}), "
        f"then {mine:.1f} ms a trial: {mine / theirs:.2f} of TPE's"
    )


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "TPE": lambda: optuna.samplers.TPESampler(seed=0),
        "TransferSampler": lambda: TransferSampler(seed=0),
        "TransferSampler, transferred": transferred,
    }
    of_tpe: list[float] = []
    for name, make in samplers.items():
        found = milliseconds(make())
        of_tpe = of_tpe or found
        shares = ", ".join(f"{mine / theirs:.2f}" for mine, theirs in zip(found, of_tpe, strict=True))
        print(f"{name:29s} {found[0]:6.2f} ms at 100, {found[1]:6.2f} ms at 1,000: {shares} of TPE's")
    for parameters in FEW:
        function = functools.partial(squares, parameters=parameters)
        mine, theirs = (
            milliseconds(sampler, (100,), function)[0]
            for sampler in (TransferSampler(seed=0), optuna.samplers.TPESampler(seed=0))
        )
        print(f"{parameters:3d} parameters: {mine:.2f} ms at 100, {mine / theirs:.2f} of TPE's")
    for parameters in WIDTHS:
        wide(parameters)


if __name__ == "__main__":
    main()
