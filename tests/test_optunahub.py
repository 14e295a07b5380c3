"""The package for OptunaHub: its layout, the module that OptunaHub loads, and its example."""

import os
import re
import runpy
from pathlib import Path
from types import ModuleType

import optuna
import pytest

from transfernas.integrations.optuna import TransferSampler

optunahub = pytest.importorskip("optunahub", reason="OptunaHub is not installed: pip install '.[examples]'")
pytestmark = pytest.mark.usefixtures("quiet")

REGISTRY = Path(__file__).parents[1] / "contrib" / "optunahub" / "package"
PACKAGE = REGISTRY / "samplers" / "transfer_nas"


def load(package: str) -> ModuleType:
    module: ModuleType = optunahub.load_local_module(package, registry_root=str(REGISTRY))
    return module


def test_a_short_study() -> None:
    sampler = load("samplers/transfer_nas").TransferSampler(seed=0)
    assert isinstance(sampler, TransferSampler)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("x", -5, 5) ** 2, n_trials=10)
    assert len({trial.params["x"] for trial in study.trials}) == 10
    assert sum(count for _, _, count in sampler.agent.provenance) == 10


@pytest.mark.thorough
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(optunahub, "load_module", load)  # from here, not from the network
    runpy.run_path(str(PACKAGE / "example.py"), run_name="__main__")
    assert "'kind'" in capsys.readouterr().out


def test_the_layout_is_the_registrys() -> None:
    front = re.match(r"---\n(.*?)\n---\n", (PACKAGE / "README.md").read_text(encoding="utf8"), re.DOTALL)
    assert front is not None
    fields = dict(line.split(": ", 1) for line in front[1].splitlines())
    assert list(fields) == ["author", "title", "description", "tags", "optuna_versions", "license"]
    assert "sampler" in fields["tags"].strip("[]").split(", ")
    assert (PACKAGE / "LICENSE").read_bytes() == (REGISTRY.parents[2] / "LICENSE").read_bytes()
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {os.path.splitext(path)[1] for path in files} == {".md", ".py", ""}
