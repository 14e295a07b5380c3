"""How soon a new agent is there: seconds to import, to create it, to the first `ask`, to the first `tell`.

Then CPU seconds of a search of 100 trials inside of Optuna: of its start (imports), its first trial, all of it, with
`TransferSampler` and with TPE. The objective takes no time, and has six parameters, one of them under a condition.

Each start is a process of its own. The first rows of each kind begin with an empty cache of traced and compiled code,
as on a new machine; the last ones find it filled.

    python profiling/start_up.py
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

START = """
import json, time
start = time.perf_counter()
from transfernas import Agent, Choice, Problem, SearchSpace
imported = time.perf_counter()
edges = [Choice(f"edge {number}", (0, 1)) for number in range(21)]
space = SearchSpace("cells", edges + [Choice(f"operation {number}", (1, 2, 3)) for number in range(5)])
valid = (lambda config: sum(config[f"edge {number}"] for number in range(21)) <= 9) if VALID else None
defined = time.perf_counter()
agent = Agent([Problem(space, "start", valid=valid)], seed=0)
created = time.perf_counter()
trial = agent.ask()
asked = time.perf_counter()
agent.tell(trial, 0.5)
told = time.perf_counter()
times = {"import": imported - start, "create": created - defined, "ask": asked - created, "tell": told - asked}
print(json.dumps(times))
"""

SEARCH = """
import json, time
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
if OURS:
    from transfernas.integrations.optuna import TransferSampler as Sampler
else:
    from optuna.samplers import TPESampler as Sampler
started = time.process_time()

def objective(trial):
    value = sum((trial.suggest_float(f"x{number}", -5.0, 5.0) - 1.0) ** 2 for number in range(3))
    value += abs(trial.suggest_int("n", 1, 100, log=True) - 30) / 10
    if trial.suggest_categorical("kind", ("a", "b", "c")) == "b":
        value += abs(trial.suggest_float("z", 1e-4, 1.0, log=True) - 0.1)
    return value

study = optuna.create_study(sampler=Sampler(seed=0))
study.optimize(objective, n_trials=1)
first = time.process_time()
study.optimize(objective, n_trials=99)
times = {"start": started, "first trial": first - started, "all": time.process_time()}
print(json.dumps(times))
"""


def start(cache: str, script: str) -> dict[str, float]:
    """Returns the times of one start."""
    environment = os.environ | {"TRANSFERNAS_CACHE": cache}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return {name: float(seconds) for name, seconds in json.loads(done.stdout).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5, help="of each kind")
    count = parser.parse_args().starts
    scripts = {
        "agent without a validity rule": START.replace("VALID", "False"),
        "agent with a validity rule": START.replace("VALID", "True"),
        "TransferSampler, CPU": SEARCH.replace("OURS", "True"),
        "TPE, CPU": SEARCH.replace("OURS", "False"),
    }
    for name, script in scripts.items():
        cold, warm = [], []
        for _ in range(count):
            with tempfile.TemporaryDirectory() as cache:
                cold.append(start(cache, script))
                warm.append(start(cache, script))
        for state, times in (("empty cache", cold), ("filled cache", warm)):
            medians = {step: round(statistics.median(each[step] for each in times), 2) for step in times[0]}
            worst = {step: round(max(each[step] for each in times), 2) for step in times[0]}
            print(f"{name}, {state}: median {medians}, worst {worst} seconds")


if __name__ == "__main__":
    main()
