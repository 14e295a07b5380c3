"""The examples run as they stand, made small."""

import importlib.util
import json
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

from transfernas import Agent

EXAMPLES = Path(__file__).parents[1] / "examples"
# Optuna leaves its databases open, and Python 3.13 tells of it.
WARNINGS = ("-W", "error", "-W", "ignore:unclosed database in <sqlite3:ResourceWarning")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None,
    reason="scikit-learn is not installed: pip install '.[examples]'",
)
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install '.[examples]'"
)


def run(example: str, out: Path, *options: str) -> str:
    """Runs an example in an interpreter of its own that turns warnings into errors; returns what it printed."""
    done = subprocess.run(
        [sys.executable, *WARNINGS, EXAMPLES / example, "--trials", "3", "--seeds", "1", "--out", out, *options],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}


@pytest.mark.thorough
def test_a_second_search(tmp_path: Path) -> None:
    printed = run("optuna_second_search.py", tmp_path)
    assert (tmp_path / "second_search.png").read_bytes().startswith(b"\x89PNG")
    assert Agent.load(tmp_path / "agent-0.safetensors").provenance == (("optuna", "first", 3),)
    assert printed.count("best ") == 4 and "after  3 trials" in printed and str(tmp_path) in printed


@pytest.mark.thorough
def test_an_agent_from_old_studies(tmp_path: Path) -> None:
    printed = run("from_old_studies.py", tmp_path)
    storage = f"sqlite:///{tmp_path / 'studies.sqlite3'}"
    assert optuna.get_all_study_names(storage) == ["iris", "wine", "breast cancer"]
    agent = Agent.load(tmp_path / "agent.safetensors")
    assert agent.provenance == (("optuna", "iris", 3), ("optuna", "wine", 3), ("optuna", "breast cancer", 3))
    assert "Learned from 9 trials of 3 studies" in printed and "after  3 trials" in printed


@needs_torch
@pytest.mark.thorough
def test_two_spaces_and_a_larger_one_with_networks_that_train(tmp_path: Path) -> None:
    printed = run("joint_digits.py", tmp_path, "--joint-trials", "4", "--epochs", "1", "--first-seed", "7")
    for picture in ("spaces.png", "curves.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    written = json.loads((tmp_path / "joint_digits.json").read_text(encoding="utf8"))
    searches = {each["search"]: each["trials"] for each in written["searches"]}
    lengths = {name: len(trials) for name, trials in searches.items() if name != "best cnn again"}
    assert lengths == {"joint": 4, "transfer": 3, "scratch": 3, "tpe": 3}
    trials = [trial for its in searches.values() for trial in its]
    assert all(0 <= trial[part] <= 1 for trial in trials for part in ("validation", "test"))
    assert {trial["space"] for trial in searches["transfer"]} == {"cnn"}
    assert {trial["space"] for trial in searches["joint"]} <= {"cnn", "ffn"}
    assert Agent.load(tmp_path / "joint-7.safetensors").problems[1].name == ("ffn", "digits")
    assert "after  3 trials: " in printed and "test accuracy of the best cnn" in printed and str(tmp_path) in printed


@needs_torch
@pytest.mark.thorough
def test_an_interrupt_keeps_what_the_searches_found(tmp_path: Path) -> None:
    options = ["--trials", "10", "--joint-trials", "10", "--epochs", "1", "--first-seed", "7", "--out", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, *WARNINGS, EXAMPLES / "joint_digits.py", *options],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        while "second search" not in (line := running.stdout.readline()):
            assert line, running.stderr.read()
        running.send_signal(signal.SIGINT)
        printed, errors = running.communicate(timeout=300)
    assert running.returncode == 130 and errors == ""
    assert "Interrupted" in printed and str(tmp_path) in printed and "nothing to compare" in printed
    written = json.loads((tmp_path / "joint_digits.json").read_text(encoding="utf8"))
    found = {each["search"]: len(each["trials"]) for each in written["searches"]}
    assert found["joint"] == 10 and found["transfer"] < 10 and "tpe" not in found


@needs_torch
@pytest.mark.thorough
def test_the_page_about_child_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs as the other pages do, and its spaces are those of the example, and so of the picture."""
    import torch

    threads = torch.get_num_threads()
    monkeypatch.chdir(tmp_path)
    page = (EXAMPLES.parent / "docs" / "tutorials" / "child-models.md").read_text(encoding="utf8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        exec(compile(code, "child-models.md", "exec"), names)
    finally:
        torch.set_num_threads(threads)
    example = runpy.run_path(str(EXAMPLES / "joint_digits.py"))
    assert (names["cnn"], names["ffn"]) == example["small_spaces"]() and names["larger"] == example["larger_space"]()
    agent = Agent.load(tmp_path / "turned-digits.safetensors")
    assert " ".join(str(agent.transfer_report).split()) in " ".join(page.split())
    assert ("cnn", "turned digits", 8) in agent.provenance


def test_every_example_is_run_here() -> None:
    tests = Path(__file__).parent
    text = "".join((tests / name).read_text(encoding="utf8") for name in (Path(__file__).name, "test_ray.py"))
    assert [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in text] == []
