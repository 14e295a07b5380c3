"""Double XOR (paper, section 4.1, figures 3 and 4): the Transformer and the LSTM agent on chains of binary states."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from transfernas.learning.learner import Learner, new_learner
from transfernas.learning.randomness import Purpose, derived_seed
from transfernas.learning.transfer import transfer
from transfernas.policy.policy import Policy
from transfernas.policy.transformer import Transformer

from ..benchmarks.double_xor import PAIRS, XorChain
from .double_xor_variants import AS_PAPER, VARIANTS, Variant
from .result import Curve, NamedReached, Result
from .run_directory import RunDirectory
from .runner import AgentReplicas, StageFn
from .statistics import moving_average, reached

WINDOW = 100
LEVELS = (0.5, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class DoubleXorStudy:
    """Size of the experiment.

    Attributes:
        part: Part of the experiment, a key of `VARIANTS`.
        seed: Seed of all random draws.
        replicas: Number of independent repetitions.
        trials: Trials of each search.
    """

    part: str = "figures"
    seed: int = 0
    replicas: int = 10
    trials: int = 1_000


class DoubleXorResult(NamedTuple):
    """Results of the experiment.

    Attributes:
        result: Curves of rewards, and the trials at which their moving averages pass the levels.
        attention: Shape `[replicas, states + 1, states + 1]`, see `attention_map`, of the Transformer at the paper's
            settings; None if its training was interrupted.
        parameters: Number of parameters of the network of each variant.
    """

    result: Result
    attention: Float[np.ndarray, "replicas positions positions"] | None
    parameters: Mapping[str, int]


def run_double_xor(study: DoubleXorStudy, run_directory: RunDirectory, stage: StageFn) -> DoubleXorResult:
    """Runs a part of the experiment; an interrupt ends the run with the measurements so far.

    Args:
        study: Size of the experiment.
        run_directory: Folder of the stages.
        stage: Function that is called when a stage begins.
    """
    started, curves, sizes = time.monotonic(), dict[str, Curve](), dict[str, int]()
    attention = None
    for name, variant in VARIANTS[study.part]().items():
        if run_directory.interrupted:
            break
        replicas, rewards = _run(name, variant, study, run_directory, stage)
        if rewards.shape[1]:
            sizes[name] = parameters(_one(replicas.learner.state.policy))
            curves[name] = Curve(rewards)
        if name == AS_PAPER and rewards.shape[1] == study.trials:
            attention = attention_map(replicas.learner, variant.benchmarks[0])
    result = Result(
        command=f"reproduce double-xor --part {study.part}",
        seed=study.seed,
        seconds=time.monotonic() - started,
        curves=curves,
        table=(),
        ratios=(),
        interrupted=run_directory.interrupted,
        settings={
            "resumed": run_directory.resumed,
            "replicas": study.replicas,
            "trials": study.trials,
            "window": WINDOW,
            "parameters": sizes,
        },
        reached=_reached(curves, study.seed),
    )
    return DoubleXorResult(result, attention, sizes)


def attention_map(learner: Learner, benchmark: XorChain) -> Float[np.ndarray, "replicas positions positions"]:
    """Returns the attention of each action to the earlier actions in the first layer, averaged over optimal sequences.

    Args:
        learner: Learner with a Transformer.
        benchmark: Problem of the learner.

    Returns:
        Shape `[replicas, positions, positions]`. Position 0 is S, and row m has the weights of the action in state m.
    """
    space, encoding = benchmark.problem.space, learner.encoding
    configs = [config for config in space.enumerate() if benchmark.problem.objective(config) == 1.0]  # type: ignore[misc]
    trajectories = jax.tree.map(lambda *leaves: np.stack(leaves), *(encoding.trajectory(0, c) for c in configs))
    over_sequences = jax.vmap(Transformer.attention_weights, in_axes=(None, None, 0))
    over_replicas = jax.jit(jax.vmap(over_sequences, in_axes=(0, None, None)))
    weights = np.asarray(over_replicas(learner.state.policy, learner.tables.decisions, trajectories))
    positions = len(space.choices) + 1
    return weights.mean(axis=1)[:, 0].mean(axis=1)[:, :positions, :positions]


def partner_ratios(attention: Float[np.ndarray, "replicas positions positions"]) -> dict[str, np.ndarray]:
    """Returns the attention of the second state of each pair to the first, over the mean on the other past actions.

    Returns:
        Mapping from the name of a pair to the ratios, Shape `[replicas]`.
    """
    found = {}
    for first, second in PAIRS:
        others = [state for state in range(1, second) if state != first]
        found[f"S{second} on S{first}"] = attention[:, second, first] / attention[:, second][:, others].mean(axis=1)
    return found


def parameters(policy: Policy) -> int:
    """Returns the number of parameters of a policy without an axis of replicas."""
    return sum(leaf.size for leaf in jax.tree.leaves(policy))


def _run(
    name: str, variant: Variant, study: DoubleXorStudy, run_directory: RunDirectory, stage: StageFn
) -> tuple[AgentReplicas, Float[np.ndarray, "replicas trials"]]:
    if variant.sources:
        before = variant._replace(benchmarks=variant.sources, sources=())
        longer = DoubleXorStudy(study.part, study.seed, study.replicas, variant.joint_trials)
        joint, _ = _run(f"{name}, before", before, longer, run_directory, stage)
        if run_directory.interrupted:
            return joint, np.zeros((study.replicas, 0))
        learner = transfer(joint.learner, tuple(b.problem for b in variant.benchmarks), variant.config)
    else:
        seed = derived_seed(study.seed, Purpose.WEIGHTS)
        problems = tuple(benchmark.problem for benchmark in variant.benchmarks)
        learner = new_learner(problems, variant.config, seed, study.replicas)
    replicas = AgentReplicas(learner)
    trace = run_directory.search(
        name, replicas, variant.benchmarks, study.trials, study.seed, stage(name, study.trials)
    )
    return replicas, trace.reward


def _reached(curves: Mapping[str, Curve], seed: int) -> tuple[NamedReached, ...]:
    averages = {name: moving_average(curve.values, WINDOW) for name, curve in curves.items()}
    return tuple(NamedReached(n, reached(level, a, seed)) for n, a in averages.items() for level in LEVELS)


def _one(policy: Policy) -> Policy:
    return jax.tree.map(lambda leaf: leaf[0], policy)
