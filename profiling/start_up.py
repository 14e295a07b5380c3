"""How soon a new agent is there: seconds to import, to create it, to the first `ask`, to the first `tell`.

Each start is a process of its own. The first rows begin with an empty cache of compiled code, as on a new machine; the
last ones find it filled.

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


def start(cache: str, valid: bool) -> dict[str, float]:
    """Returns the times of one start."""
    script = START.replace("VALID", str(valid))
    environment = os.environ | {"TRANSFERNAS_CACHE": cache}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return {name: float(seconds) for name, seconds in json.loads(done.stdout).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5, help="of each kind")
    count = parser.parse_args().starts
    for valid in (False, True):
        cold, warm = [], []
        for _ in range(count):
            with tempfile.TemporaryDirectory() as cache:
                cold.append(start(cache, valid))
                warm.append(start(cache, valid))
        for name, times in (("empty cache", cold), ("filled cache", warm)):
            medians = {step: round(statistics.median(each[step] for each in times), 2) for step in times[0]}
            worst = {step: round(max(each[step] for each in times), 2) for step in times[0]}
            print(f"{name}, {'with' if valid else 'without'} a validity rule: median {medians}, worst {worst} seconds")


if __name__ == "__main__":
    main()
