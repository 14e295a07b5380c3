"""Ctrl-C at the command line: one line and the status 130, whenever it comes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

NOTHING = "Interrupted: nothing was written.\n"
RAISE = "signal.raise_signal(signal.SIGINT)"
# Where an exception would be swallowed, would end in a traceback, or could crash a module that is being made.
MOMENTS = {
    "import": f"def at_import(): {RAISE}",
    "collector": f"def at_import(): gc.callbacks.append(lambda *_: {RAISE})",
    "finalizer": f"""
class Dying:
    def __del__(self): {RAISE}
def at_import(): Dying()
""",
    "weak reference": f"""
class Dying: pass
def at_import():
    dying = Dying()
    at_import.reference = weakref.ref(dying, lambda _: {RAISE})
""",
    "nobody listens": f"""
def at_import():
    try: {RAISE}
    except BaseException: pass
""",
}
PROGRAM = """
import gc, signal, sys, weakref
{moment}
def hook(event, arguments):
    if event == "import" and arguments[0] == {module!r}: at_import()
sys.addaudithook(hook)
from transfernas_cli import main
main()
"""


def interrupted(moment: str, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, interrupted when it imports a module."""
    program = PROGRAM.format(moment=MOMENTS[moment], module=module)
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=300)


@pytest.mark.thorough
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupt_of_the_imports_ends_in_a_line(moment: str) -> None:
    done = interrupted(moment, "numpy.random", "demo")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", NOTHING)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("transfernas_bench.experiments.demo", ["demo"]),
        ("transfernas_bench.experiments.searches", ["compare"]),
        ("transfernas_bench.experiments.double_xor", ["reproduce", "double-xor"]),
        ("transfernas_bench.benchmarks.nasbench101_data", ["data", "nasbench101"]),
        ("optuna", ["pretrain", "--storage", "a", "--out", "b"]),
        ("safetensors", ["inspect", "a", "--against", "b", "--storage", "c"]),
        ("jax", ["inspect", "a"]),
    ],
)
@pytest.mark.slow
def test_an_interrupt_of_a_command_ends_in_a_line(moment: str, module: str, arguments: list[str]) -> None:
    done = interrupted(moment, module, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", NOTHING)


@pytest.mark.thorough
def test_what_is_in_the_background_of_a_shell_is_not_interrupted() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the child has it too
    try:
        done = interrupted("import", "numpy.random", "--version")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.returncode == 0 and done.stdout.startswith("transfernas ") and not done.stderr


@pytest.mark.slow
def test_a_search_ends_after_its_trial_and_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    small = ("--replicas", "2", "--joint-trials", "6", "--trials", "100000")
    for interrupts in (1, 2):
        out = tmp_path / str(interrupts)
        command = [sys.executable, "-m", "transfernas_cli", "demo", "--out", str(out), *small]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        while "transfer: " not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        while interrupts == 2 and process.poll() is None:  # two that come at once are one
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 130 and errors.count("\n") == 1 and errors.startswith("Interrupted: "), errors
        assert (out / "agent.safetensors").exists()
        if interrupts == 1:
            assert json.loads((out / "result.json").read_text())["interrupted"]
