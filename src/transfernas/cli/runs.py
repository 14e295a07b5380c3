"""The report about a run of `transfernas compare` or `reproduce`: what its `result.json` says."""

import functools
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import plots
from . import page
from .sections import Page

_FILE = "result.json"
_MOST_FIGURES, _MOST_LINES = 12, 6


def run_page(folder: Path) -> Page:
    """Returns the page about a run.

    Raises:
        ValueError: the folder has no `result.json`, or that is damaged.
    """
    result = _read(folder / _FILE)
    command, seed = str(result["command"]), result["seed"]
    rerun = f"transfernas {command} --seed {seed} --out {shlex.quote(str(folder))}"
    found = Page(f"Run report: {command}", rerun + (" --resume" if result.get("interrupted") else ""))
    pairs: list[tuple[str, object]] = [("seed", seed), ("time", f"{float(result['seconds']):,.0f} s")]
    pairs += [(name, its) for name, its in dict(result["versions"]).items()]
    found.add(page.facts(pairs))
    if result.get("interrupted"):
        found.add(page.paragraph("The run was interrupted: the figures are those of the trials that were done."))
    _curves(found, result["curves"])
    if rows := [[row.get(key) for key in ("name", "trials", "mean", "low", "high")] for row in result["table"]]:
        found.add(page.heading("Mean best value after some trials, with its 95 % interval"))
        found.add(page.table(("search", "trials", "mean", "low", "high"), rows))
    keys = ("of", "to", "target", "trials_of", "trials_to", "ratio", "low", "high")
    if rows := [[row.get(key) for key in keys] for row in result.get("ratios", [])]:
        found.add(page.heading("Trials needed to reach a value"))
        heads = ("of", "to", "value", "trials of the first", "of the second", "ratio", "low", "high")
        found.add(page.table(heads, rows))
    settings = json.dumps(result.get("settings", {}), indent=2, ensure_ascii=False)
    found.add(page.heading("Settings"), page.hidden("All settings of the run", page.code(settings)))
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
        for name, kind in (("command", str), ("seed", int), ("curves", dict), ("table", list), ("versions", dict)):
            if not isinstance(found[name], kind):
                raise TypeError(name)
        float(found["seconds"])
    except FileNotFoundError:
        raise ValueError(
            f"{file.parent} has no {file.name}: name the folder of a run of `transfernas compare` or `reproduce`, "
            f"which writes it at its end or at Ctrl-C"
        ) from None
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{file} is damaged: {error!r}; run the command again") from None
    return found


def _curves(found: Page, curves: Mapping[str, Any]) -> None:
    """Adds a figure for each scenario, or one for all curves."""
    groups: dict[str, dict[str, tuple[list[int], list[list[float]]]]] = {}
    for name, its in curves.items():
        scenario, _, method = name.rpartition("/")
        if its["trials"]:
            groups.setdefault(scenario, {})[method] = its["trials"], its["values"]
    pictures = [
        found.figure(
            functools.partial(plots.plot_curves, dict([*its.items()][:_MOST_LINES])), scenario or "All searches"
        )
        for scenario, its in [*groups.items()][:_MOST_FIGURES]
    ]
    if pictures:
        found.add(page.heading("Best value so far"), page.figures(pictures))
    if len(groups) > _MOST_FIGURES:
        found.add(page.paragraph(f"{_MOST_FIGURES} of {len(groups)} scenarios have a figure."))
