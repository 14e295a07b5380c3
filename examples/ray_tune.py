"""Two searches by Ray Tune; the second starts from the agent of the first, in a changed space.

In a clone of TransferNAS, the example takes less than a minute, and leaves its results and the agent in `runs/ray`:

    pip install '.[ray]'
    python examples/ray_tune.py
"""

import math
from pathlib import Path
from typing import Any

import ray
from ray import tune

from transfernas.integrations.ray import TransferSearch

OUT = Path("runs/ray").absolute()
AGENT = OUT / "agent.safetensors"


def train(config: dict[str, Any]) -> dict[str, Any]:
    """Replaces a training; the loss is least at a learning rate of 0.003, a depth of 6, and a dropout of 0.2."""
    optimizer, dropout = config["optimizer"], config.get("dropout", 0.0)
    loss = 0.3 * abs(math.log10(optimizer["lr"] / 0.003)) + 0.05 * abs(config["depth"] - 6) + abs(dropout - 0.2)
    return {"loss": loss + (0.4 if optimizer["name"] == "sgd" else 0.0)}


def search(
    space: dict[str, Any], trials: int, agent: Path | None = None, fill: dict[str, Any] | None = None
) -> tuple[list[float], TransferSearch]:
    """Returns the losses of a search, in the order of its trials, and the search."""
    searcher = TransferSearch(agent=agent, seed=0, fill=fill)
    tuner = tune.Tuner(
        train,
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            search_alg=searcher,
            num_samples=trials,
            max_concurrent_trials=1,  # so that all runs are the same; use more for real trainings
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=str(OUT), verbose=0),
    )
    results = tuner.fit()
    found = [results[number].metrics or {} for number in range(len(results))]
    return [metrics["loss"] for metrics in found], searcher


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)

optimizer = {"name": tune.choice(["adam", "sgd"]), "lr": tune.loguniform(1e-5, 1e-1)}
first, searcher = search({"optimizer": optimizer, "depth": tune.randint(1, 9)}, trials=40)
searcher.save_agent(AGENT)
print(f"first search: best loss {min(first):.3f} of {len(first)} trials")

# The second space has a larger range of depths, and dropout.
changed = {"optimizer": optimizer, "depth": tune.randint(1, 17), "dropout": tune.uniform(0.0, 0.5)}
scratch, _ = search(changed, trials=10)
transferred, searcher = search(changed, trials=10, agent=AGENT, fill={"dropout": 0.0})
print(searcher.agent.transfer_report)
means = sum(scratch) / len(scratch), sum(transferred) / len(transferred)
print(f"second search, mean loss of its first 10 trials: {means[0]:.3f} from scratch, {means[1]:.3f} transferred")
