"""The paper's figure 1 with networks that train: two spaces in one search, then a larger space on other images.

One agent searches convolutional and feed-forward networks for scikit-learn's digits. The two spaces share their dense
layers and the settings of the training. Then the agent is transferred: to convolutional networks with more blocks and
more choices, on harder images. The agent from scratch and Optuna's TPE search the same space for comparison. Each trial
trains a network with PyTorch on one thread. In a clone of TransferNAS:

    pip install '.[examples]'
    python examples/joint_digits.py

It takes six minutes on one core. The first Ctrl-C ends it after the trial, and what was found is written.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from scipy.ndimage import rotate
from sklearn.datasets import load_digits
from torch import Tensor, nn

from transfernas import Agent, Choice, Problem, Repeat, Searcher, SearchSpace, Trial
from transfernas.files import write_atomically
from transfernas.processes.interrupts import INTERRUPTED, calling_at_interrupt
from transfernas.spaces.choice import END, START
from transfernas_bench.experiments.result import Curve
from transfernas_bench.experiments.statistics import trials_to
from transfernas_bench.figures import draw_incumbents
from transfernas_bench.optuna_searcher import OptunaSearcher

TRAIN, VALIDATION = 400, 997  # of 1,797 images; the other 400 are for the test
EPOCHS = 6  # of each training
JOINT = 120  # trials of the first search
MOST_OPERATIONS = 1_000_000  # multiplications of a network for one image
LOWEST = 50.0  # percent, the lower end of the picture
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
POOLINGS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
OPTIMIZERS: dict[str, Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
Config = Mapping[str, Any]


# The spaces. States of one name are one state to the agent, in whichever space they are.


def small_spaces() -> tuple[SearchSpace, SearchSpace]:
    """Returns the two spaces of the first search, which share all choices from the dense layers on."""
    units = [Choice("dense units", (16, 64))]
    training: list[Choice | Repeat] = [
        Choice("activation", ("relu", "tanh", "sigmoid")),
        Choice("dropout", (0.0, 0.3)),
        Choice("optimizer", ("sgd", "adam")),
        Choice("learning rate", (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
        Choice("batch size", (16, 64)),
    ]
    block = [
        Choice("filters", (8, 16, 32)),
        Choice("kernel size", (1, 3, 5)),
        Choice("pooling", ("none", "max")),
    ]
    cnn = [Repeat("conv blocks", (1, 2), block), Repeat("dense layers", (0, 1), units), *training]
    ffn = [Choice("input dropout", (0.0, 0.2)), Repeat("dense layers", (1, 2), units), *training]
    return SearchSpace("cnn", cnn), SearchSpace("ffn", ffn)


def larger_space() -> SearchSpace:
    """Returns the space of the second search: more blocks, more values, and batch norm, which is new."""
    block = [
        Choice("filters", (8, 16, 32, 64)),
        Choice("kernel size", (1, 3, 5)),
        Choice("batch norm", (False, True)),
        Choice("pooling", ("none", "max", "average")),
    ]
    return SearchSpace(
        "cnn",
        [
            Repeat("conv blocks", (1, 2, 3, 4), block),
            Repeat("dense layers", (0, 1, 2), [Choice("dense units", (16, 64, 256))]),
            Choice("activation", ("relu", "tanh", "sigmoid")),
            Choice("dropout", (0.0, 0.3)),
            Choice("optimizer", ("sgd", "adam")),
            Choice("learning rate", (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)),
            Choice("batch size", (16, 64)),
        ],
    )


# The networks.


def repeated(config: Config, count: str, *names: str) -> Iterator[list[Any]]:
    """Yields the actions of each repetition of a block; None for a choice that the space lacks."""
    for turn in range(config.get(count, 0)):
        yield [config.get(f"{name}[{turn}]") for name in names]


def network(config: Config, side: int) -> nn.Sequential:
    """Returns the network of a configuration for images of a width and a height of `side`."""
    activation, channels = ACTIVATIONS[config["activation"]], 1
    layers: list[nn.Module] = [nn.Dropout(config.get("input dropout", 0.0))]
    names = "filters", "kernel size", "batch norm", "pooling"
    for filters, size, norm, pooling in repeated(config, "conv blocks", *names):
        layers += [nn.Conv2d(channels, filters, size, padding=size // 2)]
        layers += [nn.BatchNorm2d(filters)] if norm else []
        layers += [activation()]
        layers += [POOLINGS[pooling](2)] if pooling != "none" else []
        channels, side = filters, side if pooling == "none" else side // 2
    layers, width = [*layers, nn.Flatten()], channels * side * side
    for (units,) in repeated(config, "dense layers", "dense units"):
        layers += [nn.Linear(width, units), activation()]
        width = units
    return nn.Sequential(*layers, nn.Dropout(config["dropout"]), nn.Linear(width, 10))


def operations(config: Config, side: int) -> int:
    """Returns the number of multiplications that a network needs for one image."""
    found, channels = 0, 1
    for filters, size, pooling in repeated(config, "conv blocks", "filters", "kernel size", "pooling"):
        found += channels * filters * (size * side) ** 2
        channels, side = filters, side if pooling == "none" else side // 2
    widths = [channels * side * side, *(units for (units,) in repeated(config, "dense layers", "dense units")), 10]
    return found + sum(left * right for left, right in pairwise(widths))


# The images.


class Images(NamedTuple):
    """Images of shape `[images, 1, side, side]` with their labels, for each part of the data."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]

    def all_but_test(self) -> "Images":
        """Returns the images with those of the validation in the training, to train a network that was found."""
        inputs, labels = (torch.cat(parts) for parts in zip(self.train, self.validation, strict=True))
        return Images((inputs, labels), self.test, self.test)

    @property
    def side(self) -> int:
        """Width and height of an image."""
        return self.train[0].shape[-1]


def plain_digits(seed: int) -> Images:
    """Returns scikit-learn's digits, 8 x 8, shuffled and split."""
    return split(load_digits().images / 16, seed)


def turned_digits(seed: int) -> Images:
    """Returns the same digits made harder: rotated by up to 30 degrees, dark on light, with noise."""
    rng = np.random.default_rng([seed, 1])
    turned = [rotate(image, rng.uniform(-30, 30), reshape=False, order=1) for image in load_digits().images / 16]
    return split(1 - np.stack(turned) + rng.normal(0, 0.2, (len(turned), 8, 8)), seed)


def split(images: np.ndarray, seed: int) -> Images:
    """Returns the three parts; the seed shuffles the images, and so each part."""
    order = np.random.default_rng([seed, 0]).permutation(len(images))
    mean, deviation = images[order[:TRAIN]].mean(), images[order[:TRAIN]].std()
    inputs = torch.tensor((images[order] - mean) / deviation, dtype=torch.float32)[:, None]
    labels = torch.tensor(load_digits().target[order])
    ends = slice(TRAIN), slice(TRAIN, TRAIN + VALIDATION), slice(TRAIN + VALIDATION, None)
    return Images(*((inputs[end], labels[end]) for end in ends))


# The trials.


@dataclass(frozen=True, slots=True)
class Trained:
    """A trial: its space, its configuration, the accuracies of the trained network in [0, 1], and the duration."""

    space: str
    config: Config
    validation: float
    test: float
    seconds: float


def train(space: str, config: Config, images: Images, epochs: int, seed: int) -> Trained:
    """Trains the network of a configuration, and measures it on images that it was not trained on."""
    started = time.perf_counter()
    torch.manual_seed(seed)
    net = network(config, images.side)
    optimizer = OPTIMIZERS[config["optimizer"]](net.parameters(), lr=config["learning rate"])
    inputs, labels = images.train
    batches = [batch for _ in range(epochs) for batch in torch.split(torch.randperm(len(inputs)), config["batch size"])]
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, len(batches))
    for batch in batches:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(inputs[batch]), labels[batch])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        decay.step()
    net.eval()
    with torch.no_grad():
        validation, test = (
            (net(inputs).argmax(dim=1) == labels).double().mean().item()
            for inputs, labels in (images.validation, images.test)
        )
    seconds = round(time.perf_counter() - started, 3)
    return Trained(space, dict(config), validation, test, seconds)


def search(searcher: Searcher, trials: int, evaluate: Callable[[Trial, int], Trained], stop: Event) -> list[Trained]:
    """Runs a search; it ends early if `stop` is set."""
    done: list[Trained] = []
    while len(done) < trials and not stop.is_set():
        trial = searcher.ask()
        done.append(evaluate(trial, len(done)))
        searcher.tell(trial, done[-1].validation)
        if len(done) % 10 == 0 or len(done) == trials:
            seconds = sum(each.seconds for each in done) / len(done)
            best = 100 * best_of(done).validation
            print(f"  {len(done):3d} trials, {seconds:.2f} s each, best validation {best:.2f} %", flush=True)
    return done


# The experiment.

METHODS = {"transfer": "agent, transferred", "scratch": "agent, from scratch", "tpe": "TPE"}
Found = dict[str, dict[int, list[Trained]]]  # the trials of each search and seed


def experiment(options: argparse.Namespace, stop: Event, found: Found) -> None:
    """Runs all searches, adds their trials to `found`, and writes them and the agents after each search."""
    out: Path = options.out

    def run(name: str, searcher: Searcher, trials: int, images: Images) -> None:
        def evaluate(trial: Trial, number: int) -> Trained:
            return train(trial.problem.space.name, trial.config, images, options.epochs, 1000 * seed + number)

        found.setdefault(name, {})[seed] = search(searcher, trials, evaluate, stop)
        if isinstance(searcher, Agent):
            searcher.save(out / f"{name}-{seed}.safetensors")
        write(out / "joint_digits.json", options, found)

    for seed in range(options.first_seed, options.first_seed + options.seeds):
        plain, turned = plain_digits(seed), turned_digits(seed)
        print(f"Seed {seed}, first search: cnn and ffn together, digits", flush=True)
        joint = Agent([Problem(space, "digits") for space in small_spaces()], seed=seed)
        run("joint", joint, options.joint_trials, plain)
        cnns = [trial for trial in found["joint"][seed] if trial.space == "cnn"]
        if cnns:
            best = best_of(cnns).config
            again = train("cnn", best, plain.all_but_test(), options.epochs, 1000 * seed)
            found.setdefault("best cnn again", {})[seed] = [again]
            write(out / "joint_digits.json", options, found)
            print(f"  the best cnn again, with the images of the validation: test {100 * again.test:.2f} %", flush=True)
        target = [target_problem(turned.side)]
        for name, method in METHODS.items():
            if stop.is_set():
                return
            print(f"Seed {seed}, second search: larger cnn, turned digits, {method}", flush=True)
            searcher: Searcher
            if name == "transfer":
                searcher = joint.transfer_to(target, fill={f"batch norm[{block}]": False for block in range(4)})
            elif name == "scratch":
                searcher = Agent(target, seed=seed)
            else:  # with the order of the numbers TPE was better here than with categories
                searcher = OptunaSearcher(target, seed=seed, ordinal=True)
            run(name, searcher, options.trials, turned)


def target_problem(side: int) -> Problem:
    """Returns the problem of the second search, with the rules for all.

    A network is not too large, no pooling is of a single pixel, and no configuration is trained twice.
    """

    def valid(config: Config) -> bool:
        poolings = sum(pooling != "none" for (pooling,) in repeated(config, "conv blocks", "pooling"))
        return side >> poolings > 0 and operations(config, side) <= MOST_OPERATIONS

    return Problem(larger_space(), "turned digits", valid=valid, key=lambda config: tuple(config.items()))


def best_of(trials: Sequence[Trained]) -> Trained:
    return max(trials, key=lambda trial: trial.validation)


def write(path: Path, options: argparse.Namespace, found: Found) -> None:
    """Writes all trials, and the settings that they follow from."""
    settings = {name: value for name, value in vars(options).items() if name != "out"}
    searches = [
        {"search": name, "seed": seed, "trials": [asdict(trial) for trial in trials]}
        for name, seeds in found.items()
        for seed, trials in seeds.items()
    ]
    write_atomically(path, (json.dumps({"settings": settings, "searches": searches}) + "\n").encode())


def curves_of(found: Found, trials: int) -> dict[str, Curve]:
    """Returns the accuracies of the best trial so far, for each method and all seeds in which all methods ended."""
    whole = [seed for seed in found.get("tpe", {}) if len(found["tpe"][seed]) == trials]
    curves = {}
    for name in METHODS if whole else ():
        best = [[best_of(found[name][seed][: count + 1]) for count in range(trials)] for seed in whole]
        validation, test = ([[getattr(at, part) for at in row] for row in best] for part in ("validation", "test"))
        curves[name] = Curve(np.array(validation), np.array(test))
    return curves


def summary(found: Found, curves: dict[str, Curve], trials: int) -> Iterator[str]:
    """Yields the lines that sum up the searches."""
    cnns = [[trial for trial in joint if trial.space == "cnn"] for joint in found.get("joint", {}).values()]
    tests = [f"{100 * best_of(each).test:.2f}" for each in cnns if each]
    yield f"First search, test accuracy of the best cnn of each seed (%): {', '.join(tests) or 'none'}"
    again = [f"{100 * trials[0].test:.2f}" for trials in found.get("best cnn again", {}).values()]
    yield f"  trained again with the images of the validation: {', '.join(again) or 'none'}"
    if not curves:
        yield "No seed has all searches, so there is nothing to compare."
        return
    values = {METHODS[name]: curve.values for name, curve in curves.items()}
    tested = {METHODS[name]: curve.test for name, curve in curves.items() if curve.test is not None}
    mine, scratch = curves["transfer"].values, curves["scratch"].values
    yield f"Second search, best validation accuracy so far (%), mean of {len(mine)} seeds:"
    for after in sorted({count for count in (1, 3, 5, 10, 20) if count < trials} | {trials}):
        yield f"  after {after:2d} trials: {means(values, after)}"
    yield f"  test accuracy of the best network after {trials}: {means(tested, trials)}"
    goal = float(scratch[:, -1].mean())
    needed = ", ".join(f"{trials_to(goal, each)} {method}" for method, each in values.items())
    yield f"Trials to {100 * goal:.2f} %, the mean of the agent from scratch after {trials}: {needed}"
    pairs = zip(mine, scratch, strict=True)
    each_seed = ", ".join(str(trials_to(float(theirs[-1]), its[None])) for its, theirs in pairs)
    yield f"Trials of the transferred agent to what the agent from scratch has in the same seed: {each_seed}"


def means(values: Mapping[str, np.ndarray], after: int) -> str:
    return ", ".join(f"{100 * each[:, after - 1].mean():.2f} {method}" for method, each in values.items())


# The pictures.

PLACES = {
    **{"S": (1, 6), "conv blocks": (0, 5), "filters": (0, 4), "kernel size": (0, 3), "pooling": (0, 2)},
    **{"input dropout": (2, 3.5), "dense layers": (1, 1), "dense units": (1, 0), "activation": (3, 0)},
    **{"dropout": (3, 1), "optimizer": (3, 2), "learning rate": (3, 3), "batch size": (3, 4), "T": (3, 5)},
}


def draw_spaces(path: Path) -> None:
    """Draws the merged graph of the two spaces, as in figure 1 of the paper: a state that both have is one box."""
    spaces = small_spaces()
    colours, lines = ("#0072B2", "#D55E00"), ("-", "--")
    actions: dict[str, dict[str, None]] = {}
    steps: dict[tuple[str, str], list[int]] = {}
    for number, space in enumerate(spaces):
        state = {START: "S", END: "T"} | {choice.name: choice.state for choice in space.choices}
        for choice in space.choices:
            actions.setdefault(choice.state, {}).update({str(action): None for action in choice.actions})
        for step in dict.fromkeys((state[edge.source], state[edge.target]) for edge in space.edges):
            steps.setdefault(step, []).append(number)

    figure = Figure(figsize=(7.5, 4.8), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.7, 3.8), ylim=(-1, 6.3), title="two search spaces, merged by the names of their choices")
    axes.set_axis_off()
    boxes = {}
    for name, place in PLACES.items():
        words = [name, ", ".join(actions[name])] if name in actions else [name]
        box = {"boxstyle": f"{'round' if name in actions else 'circle'},pad=0.4", "fc": "white", "ec": "#333333"}
        boxes[name] = axes.text(*place, "\n".join(words), ha="center", va="center", fontsize=8, bbox=box, zorder=3)
    figure.draw_without_rendering()  # so that the boxes have their sizes, at which the arrows end
    for (source, target), numbers in steps.items():
        (x, y), (to_x, to_y) = PLACES[source], PLACES[target]
        for number in numbers:
            aside = 0.0 if len(numbers) == 1 else 0.12 * (number - 0.5)  # the two spaces side by side
            dx, dy = (0.0, 1.6 * aside) if y == to_y else (aside, 0.0)
            start, end, bend = (x + dx, y + dy), (to_x + dx, to_y + dy), 0.0
            how: Any = {"patchA": boxes[source].get_bbox_patch(), "patchB": boxes[target].get_bbox_patch()}
            if source == target:  # the same state of the next layer
                start, end, bend, how = (x - 0.15, y - 0.3), (x + 0.15, y - 0.3), 1.6, {}
            elif x == to_x == 0 and to_y > y:  # the first state of the next block
                bend = -0.9
            how |= {"color": colours[number], "linestyle": lines[number], "linewidth": 1.5, "mutation_scale": 10}
            how |= {"arrowstyle": "-|>,head_width=0.2", "connectionstyle": f"arc3,rad={bend}"}
            axes.add_patch(FancyArrowPatch(start, end, **how))
    for space, colour, line in zip(spaces, colours, lines, strict=True):
        axes.plot([], [], line, color=colour, label=space.name)
    axes.legend(loc="upper right", title="space")
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Two spaces in one search, then a larger space on other images.")
    parser.add_argument("--trials", type=int, default=40, help="number of trials of each search of the larger space")
    parser.add_argument("--joint-trials", type=int, default=JOINT, help="number of trials of the first search")
    parser.add_argument("--seeds", type=int, default=5, help="number of repetitions")
    parser.add_argument("--first-seed", type=int, default=100, help="seed of the first repetition")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="epochs of each training")
    parser.add_argument("--out", type=Path, default=Path("runs/joint_digits"), help="folder for the results")
    options = parser.parse_args()
    if min(options.trials, options.joint_trials, options.seeds, options.epochs) < 1:
        parser.error("--trials, --joint-trials, --seeds and --epochs are at least 1")
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    draw_spaces(options.out / "spaces.png")
    stop, found = Event(), Found()
    with calling_at_interrupt(stop.set):
        experiment(options, stop, found)
    curves = curves_of(found, options.trials)
    for line in summary(found, curves, options.trials):
        print(line)
    if curves:
        seeds = len(curves["tpe"].values)
        quantity = f"validation accuracy (%), mean of {seeds} seeds, 95 % interval"
        draw_incumbents(
            options.out / "curves.png", curves, "turned digits: accuracy of the best network so far", quantity, LOWEST
        )
    print(f"All trials, the pictures and the agents are in {options.out}")
    if stop.is_set():
        print("Interrupted: the results are those of the trials that were done.")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
