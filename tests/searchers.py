"""Searchers that several tests share, the problems that they search, and play with them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from transfernas import (
    Agent,
    Choice,
    DecoderConfig,
    Equal,
    Preferences,
    Problem,
    ProposalConfig,
    QueueConfig,
    RandomSearch,
    RegularizedEvolution,
    Reinforce,
    Searcher,
    SearchSpace,
    TransformerConfig,
    Trial,
)
from transfernas.learning.config import TrainingConfig
from transfernas.spaces.condition import Config
from transfernas_bench.optuna_searcher import OptunaSearcher

# Shared with the tests of the agent and of its file, so that they share the compiled functions.
CONFIG = TrainingConfig.paper(
    network=TransformerConfig(layers=1, embedding_size=4, feed_forward=16),
    rule=Reinforce(learning_rate=0.01),
    proposal=ProposalConfig(best_of=None, repeats=True, surrogate=None, max_candidates=64),
    queue=QueueConfig(size=5),
)
FAST = TrainingConfig(
    network=DecoderConfig(embedding_size=4, feed_forward=8),
    rule=Preferences(learning_rate=0.01, updates=1, pairs=2),
    proposal=ProposalConfig(max_candidates=640),
    queue=QueueConfig(size=5),
)
KINDS = ("conv", "pool", "skip")
LEFT = SearchSpace(
    "left",
    [
        Choice("kind", KINDS),
        Choice("width", (8, 16, 32, 64), when={"kind": "conv"}),
        Choice("act", ("relu", "tanh"), when=~Equal("kind", "skip")),
    ],
)
RIGHT = SearchSpace(
    "right",
    [
        Choice("depth", (1, 2, 3, 4)),
        Choice("kind", KINDS),
        Choice("norm", (True, False, None), when=Equal("depth", 4) | Equal("kind", "conv")),
    ],
)
ONE, TWO = PROBLEMS = (Problem(LEFT, "one"), Problem(RIGHT, "two"))
Problems = tuple[Problem, ...]
NewFn = Callable[..., Searcher]  # problems, seed -> searcher


def new_agent(problems: Problems, seed: int = 0) -> Searcher:
    return Agent(problems, CONFIG, seed)


def new_fast(problems: Problems, seed: int = 0) -> Searcher:
    return Agent(problems, FAST, seed)


def new_random(problems: Problems, seed: int = 0) -> Searcher:
    return RandomSearch(problems, seed)


def new_evolution(problems: Problems, seed: int = 0) -> Searcher:
    return RegularizedEvolution(problems, population_size=4, sample_size=2, seed=seed)


def new_optuna(problems: Problems, seed: int = 0) -> Searcher:
    return OptunaSearcher(problems, seed=seed)


def reward(trial: Trial) -> float:
    return float(trial.number * 5 % 7)


def play(searcher: Searcher, trials: int) -> list[tuple[int, Problem, Config]]:
    played = []
    for _ in range(trials):
        trial = searcher.ask()
        searcher.tell(trial, reward(trial))
        played.append((trial.number, trial.problem, trial.config))
    return played


def play_in_threads(searcher: Searcher, trials: int) -> None:
    """Four threads share a searcher; no trial is lost, and none is handed out twice."""

    def work(_: int) -> int:
        trial = searcher.ask()
        searcher.tell(trial, len(trial.config))
        return trial.number

    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(work, range(trials)))
    assert sorted(numbers) == list(range(trials))
