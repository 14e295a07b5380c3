"""`transfernas demo`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from transfernas.cli.common import end, errors_as_lines, refused
from transfernas.cli.terminal import say
from transfernas.processes.interrupts import advise

from .common import make_folder, say_where

FOLDER = Path("runs/demo")
"""Where the results are by default."""


@errors_as_lines()
def demo(
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random draws.")] = 0,
    replicas: Annotated[int, typer.Option(min=2, help="Independent repetitions of every search.")] = 20,
    joint_trials: Annotated[int, typer.Option(min=1, help="Trials of the joint training.")] = 800,
    trials: Annotated[int, typer.Option(min=1, help="Trials of each search on the new space and task.")] = 200,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
) -> None:
    """Learn on two small spaces and two tasks, then search a larger space on a new task (NAS-Bench-201)."""
    # Imported here, so that `transfernas --help` answers at once.
    from ..experiments.demo import Demo, run_demo, target_problem
    from ..experiments.result import write_result
    from ..figures import draw_incumbents
    from ..report import incumbent_table, progress_bars, ratio_lines

    console = Console()
    # The folder by default is the demo's own, also after a kill, which leaves no result.
    if out != FOLDER and (out / "agent.safetensors").exists() and not (out / "result.json").exists():
        raise refused(
            f"{out} has an agent that is not of a demo, which the demo would replace; choose another folder", "--out"
        )
    target_problem()  # before any folder is created, because a missing package is an error
    agent, picture = make_folder(out) / "agent.safetensors", out / "curves.png"
    say(
        console,
        f"NAS-Bench-201, {replicas} replicas, seed {seed}. Joint training on two sub-spaces x (CIFAR-10, "
        "CIFAR-100); then the whole space on ImageNet16-120.",
    )
    advise("the demo begins anew when it is run again.")
    with progress_bars(console) as stage:
        result = run_demo(Demo(seed, replicas, joint_trials, trials), stage, agent)
    write_result(out / "result.json", result)
    title = "NAS-Bench-201, ImageNet16-120: accuracy of the best cell so far"
    picture.unlink(missing_ok=True)  # so that the picture of an earlier run is not taken for that of this run
    if result.curves:
        quantity = f"accuracy (%), mean of {replicas} replicas, 95 % interval"
        draw_incumbents(picture, result.curves, title, quantity, lowest=40.0)
        console.print(incumbent_table(result, title))
    for line in ratio_lines(result.ratios):
        say(console, line)
    say_where(console, result, out, (agent, out / "result.json", picture))
    end(result.interrupted, "the results are those of the trials that were done.")
