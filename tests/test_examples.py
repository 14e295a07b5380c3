"""The examples run as they stand, made small."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

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


def run(example: str, out: Path) -> str:
    """Runs an example in an interpreter of its own that turns warnings into errors; returns what it printed."""
    done = subprocess.run(
        [sys.executable, *WARNINGS, EXAMPLES / example, "--trials", "3", "--seeds", "1", "--out", out],
        env={name: value for name, value in os.environ.items() if not name.startswith("JAX_")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


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


def test_every_example_is_run_here() -> None:
    tests = Path(__file__).parent
    text = "".join((tests / name).read_text(encoding="utf8") for name in (Path(__file__).name, "test_ray.py"))
    assert [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in text] == []
