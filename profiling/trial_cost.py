"""What one trial costs: cached causal attention against the paper's literal form, in one run.

The space has the size of NAS-Bench-101's: 21 binary and 5 ternary decisions. A trial is one `ask` and one `tell`. The
literal form re-encodes the whole sequence for every candidate of every step (`attention="bidirectional"`), and is
driven step by step: one compiled call a decision, as an agent that decides one state at a time makes them.

    python profiling/trial_cost.py
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from transfernas import Choice, Problem, SearchSpace, TrainingConfig
from transfernas.learning.learner import Learner, learn, new_learner
from transfernas.learning.likelihood import masked_log_softmax
from transfernas.learning.proposal import propose
from transfernas.policy.policy import Cache, Policy
from transfernas.spaces.tables import Tables
from transfernas.spaces.trajectory import Trajectory


def cell_space() -> SearchSpace:
    """Returns a space of 26 decisions."""
    edges = [Choice(f"edge {number}", (0, 1)) for number in range(21)]
    return SearchSpace("cells", edges + [Choice(f"operation {number}", (1, 2, 3)) for number in range(5)])


@jax.jit
def decide(
    policy: Policy, tables: Tables, cache: Cache, step: Int[Array, ""], noise: Float[Array, ""]
) -> tuple[Int[Array, ""], Cache]:
    """Makes one decision of a chain: its row is its position."""
    decision: Int[Array, ""] = tables.rules.decision[0, step]
    candidate = jax.tree.map(lambda table: table[decision][None], policy.candidates(tables.decisions, tables.task[0]))
    logits, entries = policy.decode_step(candidate, cache, step)
    available = tables.decisions.available[decision]
    probabilities = jnp.where(available, jnp.exp(masked_log_softmax(logits, available)), 0.0)
    action = jnp.sum(jnp.cumsum(probabilities) <= noise * jnp.sum(probabilities)).astype(jnp.int32)
    return action, policy.append(cache, entries, step, action)


def trial_in_one_call(learner: Learner, rng: np.random.Generator) -> Learner:
    """Asks and tells as the agent does."""
    learner, (problem, rollout, _) = propose(learner)
    return jax.block_until_ready(learn(learner, problem, rollout.trajectory, rng.random(1)))


def trial_step_by_step(learner: Learner, rng: np.random.Generator) -> Learner:
    """Asks by a call a decision, then tells as the agent does."""
    policy = jax.tree.map(lambda leaf: leaf[0], learner.state.policy)
    length, steps = int(learner.encoding.tables.longest), learner.encoding.steps
    cache, actions = policy.empty_cache(steps), np.zeros((1, steps), np.int32)
    for step in range(length):
        action, cache = decide(policy, learner.tables, cache, np.int32(step), np.float32(rng.random()))
        actions[0, step] = int(action)
    decisions = np.zeros((1, steps), np.int32)
    decisions[0, :length] = learner.encoding.tables.rules.decision[0, :length]
    trajectory = Trajectory(learner.encoding.tables.task[:1], decisions, actions, np.array([length], np.int32))
    return jax.block_until_ready(learn(learner, np.zeros(1, np.int32), trajectory, rng.random(1)))


def milliseconds(trial: Callable[[Learner, np.random.Generator], Learner], attention: str, trials: int) -> float:
    """Returns the median time of a trial after compilation."""
    config = TrainingConfig.paper().with_changes({"network.attention": attention})
    learner, rng = new_learner((Problem(cell_space(), "speed"),), config, seed=0), np.random.default_rng(0)
    for _ in range(3):
        learner = trial(learner, rng)
    times = []
    for _ in range(trials):
        start = time.perf_counter()
        learner = trial(learner, rng)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    arguments = parser.parse_args()
    compilations: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(partial(_note_compilation, compilations))
    causal = milliseconds(trial_in_one_call, "causal", arguments.trials)
    compiled = len(compilations)
    result = {
        "causal_ms": causal,
        "literal_in_one_call_ms": milliseconds(trial_in_one_call, "bidirectional", max(10, arguments.trials // 10)),
        "literal_step_by_step_ms": milliseconds(trial_step_by_step, "bidirectional", max(10, arguments.trials // 10)),
    }
    result["ratio"] = result["literal_step_by_step_ms"] / causal
    result["ratio_in_one_call"] = result["literal_in_one_call_ms"] / causal
    print(json.dumps({name: round(value, 2) for name, value in result.items()} | {"compilations": compiled}, indent=1))


def _note_compilation(seen: list[str], event: str, duration_secs: float, **_: str | int) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        seen.append(event)


if __name__ == "__main__":
    main()
