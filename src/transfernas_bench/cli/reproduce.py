"""`transfernas reproduce double-xor` and `transfernas reproduce nasbench101`: the paper's figures and tables."""

import dataclasses
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from transfernas.cli.common import end, errors_as_lines, refused
from transfernas.cli.terminal import say

from .common import WITH_RESUME, changed_config, load_table, make_folder, open_run_directory, say_where

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

Seed = Annotated[int, typer.Option(min=0, help="Seed of all random draws.")]
Change = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=VALUE",
        help="A setting of the agents (TrainingConfig), as in rule.learning_rate=0.001; may be repeated.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the interrupted run in the folder.")]


class Attention(StrEnum):
    """Modes of attention."""

    causal = "causal"
    bidirectional = "bidirectional"


class AgentKind(StrEnum):
    """Agents: that of the paper, and the default of the library."""

    paper = "paper"
    fast = "fast"


class ReproductionPart(StrEnum):
    """Parts of the experiment on double XOR."""

    figures = "figures"
    sweep = "sweep"
    network = "network"
    harder = "harder"
    modes = "modes"


@app.callback()
def main() -> None:
    """Run the paper's experiments: figures, tables, claims."""


@app.command("double-xor", short_help="Double XOR, section 4.1.")
@errors_as_lines()
def double_xor(
    part: Annotated[
        ReproductionPart,
        typer.Option(
            help="figures: both agents at their best settings, figures 3 and 4. sweep: the sweep behind those "
            "settings. network: choices of the network, one at a time. harder: without the queue, longer chains, more "
            "pairs, merged spaces. modes: causal against bidirectional attention."
        ),
    ] = ReproductionPart.figures,
    replicas: Annotated[int, typer.Option(min=2, help="Independent repetitions.")] = 10,
    trials: Annotated[int, typer.Option(min=1, help="Trials of each search.")] = 1_000,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the results.  [default: runs/double-xor/PART]")] = None,
    resume: Resume = False,
) -> None:
    """Double XOR, section 4.1: the Transformer and the LSTM agent on seven states with two far dependencies."""
    # Imported here, so that `--help` answers at once.
    from ..experiments.double_xor import WINDOW, DoubleXorStudy, partner_ratios, run_double_xor
    from ..experiments.double_xor_variants import describe
    from ..experiments.result import write_result
    from ..figures import draw_attention, draw_averages
    from ..report import progress_bars, reached_table

    console, study = Console(), DoubleXorStudy(part.value, seed, replicas, trials)
    out = make_folder(out or Path("runs/double-xor") / part.value)
    settings = {"command": "double-xor", "variants": describe(study.part), **dataclasses.asdict(study)}
    with open_run_directory(out, settings, resume) as run_directory, progress_bars(console, percent=False) as stage:
        result, attention, parameters = run_double_xor(study, run_directory, stage)
    files = [write_result(out / "result.json", result)]
    title = "Double XOR: the agents learn two far dependencies"
    if part is ReproductionPart.figures and any(curve.values.shape[1] >= WINDOW for curve in result.curves.values()):
        files += draw_averages(out / "rewards", result.curves, WINDOW, f"{title} (68 % interval)")
    console.print(reached_table(result, f"{title}: trials until the mean of the last 100 rewards passes"))
    names: dict[int, list[str]] = {}
    for name, size in parameters.items():
        names.setdefault(size, []).append(name)
    sizes = ", ".join(f"{size:,} ({', '.join(n) if len(n) < 4 else f'{len(n)} agents'})" for size, n in names.items())
    say(console, f"Parameters: {sizes}")
    if attention is not None:
        files += draw_attention(out / "attention", attention)
        mean = partner_ratios(attention.mean(axis=0, keepdims=True))
        for name, ratios in partner_ratios(attention).items():
            above = f"above 1 in {(ratios > 1).sum()} of {len(ratios)} replicas"
            say(console, f"Attention of {name} over the mean of the other past actions: {mean[name][0]:.1f}, {above}")
    say_where(console, result, out, files)
    end(result.interrupted, WITH_RESUME)


@app.command(short_help="NAS-Bench-101, section 4.2.")
@errors_as_lines()
def nasbench101(
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A compact file. Without this option, the file of `transfernas data nasbench101` in the cache.",
        ),
    ] = None,
    replicas: Annotated[int, typer.Option(min=2, help="Independent repetitions of every search.")] = 50,
    trials: Annotated[int, typer.Option(min=1, help="Trials of each search of the whole space.")] = 2_000,
    joint_trials: Annotated[int, typer.Option(min=1, help="Trials of the joint training on the sub-spaces.")] = 2_000,
    agent: Annotated[
        AgentKind, typer.Option(help="The agent: that of the paper, or the default of the library.")
    ] = AgentKind.paper,
    attention: Annotated[Attention, typer.Option(help="Mode of attention of the paper's agent.")] = Attention.causal,
    only: Annotated[
        list[str] | None,
        typer.Option(help="transfer, scratch, evolution, random or tpe; may be repeated. All but tpe by default."),
    ] = None,
    each_network_once: Annotated[
        bool,
        typer.Option(
            "--each-network-once",
            help="No search evaluates a cell twice, even under another configuration. In the paper all searches may.",
        ),
    ] = False,
    change: Change = None,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("runs/nasbench101"),
    resume: Resume = False,
) -> None:
    """NAS-Bench-101, section 4.2: transfer from two sub-spaces of cells to the whole space, and the other methods."""
    from ..experiments.nasbench101 import CURVES, OPTIONAL, CellStudy, describe, run_nasbench101
    from ..experiments.result import write_result
    from ..figures import draw_reproduction
    from ..report import accuracy_table, choice_table, incumbent_table, progress_bars, ratio_table

    curves = (*CURVES, *OPTIONAL)
    unknown = [name for name in only or () if name not in curves]
    if unknown:
        raise refused(f"{unknown[0]} is unknown; choose from {', '.join(curves)}", "--only")
    fast = agent is AgentKind.fast
    if fast and attention is not Attention.causal:
        raise refused("the fast agent attends causally; leave it out, or take --agent paper", "--attention")
    more: dict[str, object] = {} if fast else {"network.attention": attention.value}
    more |= {"proposal.repeats": False} if each_network_once else {}
    config = changed_config(change or (), fast, more)
    if each_network_once and config.proposal.repeats:
        raise refused("proposal.repeats=True contradicts --each-network-once", "--change")
    console, cells = Console(), load_table(data)
    out = make_folder(out)
    study = CellStudy(
        config,
        seed,
        replicas,
        trials,
        joint_trials,
        tuple(name for name in curves if name in (only or CURVES)),
        each_network_once,
    )
    settings = {"command": "nasbench101", "data": cells.name, "checksum": cells.checksum, **describe(study)}
    say(console, f"{cells.name}, {replicas} replicas, seed {seed}; two searches run at a time.")
    with open_run_directory(out, settings, resume) as run_directory, progress_bars(console) as stage:
        result = run_nasbench101(study, cells, run_directory, stage)
    files = [write_result(out / "result.json", result)]
    if result.curves:
        files += draw_reproduction(out / "curves", result, cells.name, cells.best_test())
        console.print(incumbent_table(result, f"{cells.name}: validation accuracy of the best cell so far"))
        console.print(accuracy_table(result, f"{cells.name}: test accuracy of the same cell"))
    if result.choice:
        console.print(choice_table(result, "Regularized evolution: sample size, by the final test accuracy"))
    if result.reached:
        console.print(ratio_table(result, f"{cells.name}: trials to reach a mean validation accuracy"))
    say_where(console, result, out, files)
    end(result.interrupted, WITH_RESUME)
