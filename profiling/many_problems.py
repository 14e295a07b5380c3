"""What it costs to know a lot: CPU seconds and bytes, of agents of many problems and of studies of many trials.

The first trial of a search that starts from an agent of 100 problems is compared with one that starts from an agent of
4, in processes of their own that find their compiled code in the cache: loading the agent's file, and all until the
first configuration is there. Then an agent learns from many old trials in ten parameters, and its file is weighed.

    python profiling/many_problems.py --trials 50000
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from transfernas import Agent
from transfernas.checkpoint.tensors import bytes_of
from transfernas.integrations.studies import learn_from_studies

FIRST = """
import json, sys, time
import optuna
from transfernas import Agent, Problem
from transfernas.integrations.optuna import TransferSampler
optuna.logging.set_verbosity(optuna.logging.ERROR)
how, path = sys.argv[1:]
start = time.process_time()
if how == "agent":
    agent = Agent.load(path)
    agent.transfer_to([Problem(agent.problems[0].space, "new")], seed=0).ask()
else:
    trial = optuna.create_study(sampler=TransferSampler(path, space="space 0", seed=0)).ask()
    for number in range(3):
        trial.suggest_float(f"float {number}", 1e-4, 1.0, log=True)
print(json.dumps(time.process_time() - start))
"""


def distributions(space: int) -> dict[str, BaseDistribution]:
    """Returns ten parameters, most of which other spaces have too."""
    floats = {f"float {number}": FloatDistribution(1e-4, 1.0, log=True) for number in range(4)}
    whole = {f"int {space + number}": IntDistribution(1, 64) for number in range(3)}
    return floats | whole | {f"kind {number}": CategoricalDistribution(("a", "b", "c")) for number in range(3)}


def study_of(space: int, task: int, trials: int) -> optuna.Study:
    """Returns a study of random trials of one problem."""
    rng, asked = np.random.default_rng([space, task]), distributions(space)
    best = rng.uniform(size=len(asked))
    study = optuna.create_study(study_name=f"space {space}/task {task}")
    study.add_trials([_trial(rng, asked, best) for _ in range(trials)])
    return study


def _trial(rng: np.random.Generator, asked: dict[str, BaseDistribution], best: np.ndarray) -> optuna.trial.FrozenTrial:
    chance = rng.uniform(size=len(asked))
    params: dict[str, float | str] = {}
    for (name, distribution), at in zip(asked.items(), chance.tolist(), strict=True):
        match distribution:
            case FloatDistribution():
                params[name] = float(10 ** (4 * at - 4))
            case IntDistribution():
                params[name] = 1 + int(at * 64)
            case CategoricalDistribution():
                params[name] = "abc"[int(at * 3)]
    value = float(((chance - best) ** 2).sum())
    return optuna.trial.create_trial(params=params, distributions=asked, value=value)


def as_agent(spaces: int, tasks: int, trials: int) -> Agent:
    """Returns an agent that knows every pair of some spaces and tasks."""
    studies = [study_of(space, task, trials) for space in range(spaces) for task in range(tasks)]
    agent, _ = learn_from_studies(
        None,
        studies,
        space=lambda study: study.study_name.split("/")[0],
        task=lambda study: study.study_name.split("/")[1],
    )
    return agent


def first_trial(how: str, path: Path, starts: int) -> float:
    """Returns the median CPU seconds to a first trial, after one that fills the cache."""
    command = [sys.executable, "-c", FIRST, how, str(path)]
    done = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(starts + 1)]
    return statistics.median(float(json.loads(each)) for each in done[1:])


def learning(trials: int, folder: Path) -> dict[str, float]:
    """Returns what it costs to learn from so many trials of five studies, and how large the agent's file is."""
    studies = [study_of(0, task, trials // 5) for task in range(5)]
    before, start = _peak(), time.process_time()
    begun: list[float] = []

    def progress(done: int, total: int) -> bool:
        begun.append(time.process_time() - start)
        return True

    agent, report = learn_from_studies(None, studies, progress=progress)
    seconds = time.process_time() - start
    return {
        "trials": report.trials,
        "read_after_s": begun[0],
        "first_step_after_s": begun[1],
        "s": seconds,
        "ms_a_trial": 1e3 * (seconds - begun[1]) / report.trials,
        "more_memory_mib": _peak() - before,
        "file_kib": agent.save(folder / "many trials").stat().st_size / 1024,
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50_000, help="to learn from, of five studies")
    parser.add_argument("--each", type=int, default=20, help="trials of each of the problems")
    parser.add_argument("--starts", type=int, default=5, help="first trials of each kind")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    result: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count, sides in ((4, 2), (100, 10)):
            agent = as_agent(sides, sides, arguments.each)
            size = agent.save(folder / f"{count} problems").stat().st_size
            result[f"file_of_{count}"] = {"bytes": size, **bytes_of(agent.learner)}
        for how in ("agent", "sampler"):
            few, many = (first_trial(how, folder / f"{count} problems", arguments.starts) for count in (4, 100))
            result[f"first_trial_{how}"] = {"s_of_4": few, "s_of_100": many, "ratio": many / few}
        result["learning"] = learning(arguments.trials, folder)
    print(json.dumps(result, indent=1, default=str))


if __name__ == "__main__":
    main()
