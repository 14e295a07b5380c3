"""The report about a run of `transfernas compare` or `reproduce`, from its `result.json`."""

import functools
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfernas.cli import page
from transfernas.cli.common import refused
from transfernas.cli.sections import Page
from transfernas.plots import plot_curves

_FILE = "result.json"
_MOST_FIGURES, _MOST_LINES = 12, 7
_NUMBERS = "compare --suite numbers"
_REGRETS = {
    "compare": "These are regrets: 0 is the best configuration, 1 the median one; lower is better.",
    _NUMBERS: "These are regrets as multiples of TPE's regret after as many trials; lower is better.",
}


def run_page(folder: Path, out: Path) -> Page:
    """Returns the page about a run, for a file.

    Raises:
        typer.BadParameter: the file is the result.
        ValueError: the folder has no `result.json`, or that is damaged.
    """
    file = folder / _FILE
    if out.exists() and file.exists() and out.samefile(file):
        raise refused(f"{out} is the result that the report is about; choose another file", "--out")
    try:
        result = json.loads(file.read_bytes())
        found = Page(f"Run report: {result['command']}", _rerun(result, folder))
        _results(found, result)
    except FileNotFoundError:
        raise ValueError(
            f"{folder} has no {_FILE}: name the folder of a run of `transfernas compare` or `reproduce`, which writes "
            f"it at its end or at Ctrl-C"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{file} is damaged: {error!r}; run the command again") from None
    return found


def _results(found: Page, result: Mapping[str, Any]) -> None:
    """Adds what a run found; a document of another form raises any of the errors above."""
    command = str(result["command"])
    pairs: list[tuple[str, object]] = [("seed", result["seed"]), ("time", f"{float(result['seconds']):,.0f} s")]
    found.add(page.facts([*pairs, *result["versions"].items()]))
    if result.get("interrupted"):
        found.add(page.paragraph("The run was interrupted: the figures are those of the trials that were done."))
    each_trial = command.startswith("reproduce double-xor")
    quantity = "reward of the trial" if each_trial else "best value so far"
    _curves(found, result["curves"], quantity, lower_is_better=command == _NUMBERS)
    if rows := [[row.get(key) for key in ("name", "trials", "mean", "low", "high")] for row in result["table"]]:
        found.add(page.heading("Means after some trials, with their 95 % intervals"))
        found.add(*([page.paragraph(_REGRETS[command])] if command in _REGRETS else []))
        found.add(page.table(("search", "trials", "mean", "low", "high"), rows))
    keys = ("of", "to", "target", "trials_of", "trials_to", "ratio", "low", "high")
    if rows := [[row.get(key) for key in keys] for row in result.get("ratios", [])]:
        found.add(page.heading("Trials needed to reach a value"))
        heads = ("of", "to", "value", "trials of the first", "of the second", "ratio", "low", "high")
        found.add(page.table(heads, rows))
    settings = json.dumps(result.get("settings", {}), indent=2, ensure_ascii=False)
    words = "The command below repeats the options that the settings name. Repeat others, such as --change, yourself."
    found.add(page.heading("Settings"), page.paragraph(words))
    found.add(page.hidden("All settings of the run", page.code(settings, "All settings of the run")))


def _rerun(result: Mapping[str, Any], folder: Path) -> str:
    """Returns the command that goes on with a run, or that repeats it in a folder of its own."""
    settings, words = result.get("settings", {}), ["transfernas", *str(result["command"]).split()]
    words += ["--seed", str(result["seed"])]
    for name in ("replicas", "trials", "joint_trials"):
        words += [f"--{name.replace('_', '-')}", str(settings[name])] if isinstance(settings.get(name), int) else []
    for option, name in (("--scenario", "scenarios"), ("--method", "methods")):
        for each in settings.get(name) or () if result["command"] in _REGRETS else ():
            words += [option, str(each)]
    out = ["--out", str(folder), "--resume"] if result.get("interrupted") else ["--out", f"{folder}-again"]
    return shlex.join([*words, *out])


def _curves(found: Page, curves: Mapping[str, Any], quantity: str, lower_is_better: bool) -> None:
    """Adds a figure for each scenario, or one for all curves."""
    groups: dict[str, dict[str, tuple[list[int], list[list[float | None]]]]] = {}
    for name, its in curves.items():
        scenario, _, method = name.rpartition("/")
        if its["trials"] and its["values"]:
            groups.setdefault(scenario, {})[method] = its["trials"], its["values"]
    pictures = [
        found.figure(
            functools.partial(
                plot_curves, dict([*its.items()][:_MOST_LINES]), quantity, lower_is_better=lower_is_better
            ),
            scenario or "All searches",
        )
        for scenario, its in [*groups.items()][:_MOST_FIGURES]
    ]
    if pictures:
        found.add(page.heading(f"{quantity.capitalize()}, mean of the repetitions"), page.figures(pictures))
    if len(groups) > _MOST_FIGURES:
        found.add(page.paragraph(f"{_MOST_FIGURES} of {len(groups)} scenarios have a figure."))
