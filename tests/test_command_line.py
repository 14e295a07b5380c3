"""The command `transfernas` as a whole: help, completion, and `python -m transfernas`."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from transfernas.cli.app import app

COMMANDS = ("demo", "compare", "inspect", "pretrain", "report", "reproduce", "data")


@pytest.mark.parametrize("command", [[], *([each] for each in COMMANDS), ["reproduce", "nasbench101"]])
def test_short_and_long_option_show_the_same_help(command: list[str]) -> None:
    short, long = (CliRunner().invoke(app, [*command, option]) for option in ("-h", "--help"))
    assert short.exit_code == 0 and short.output == long.output
    assert " ".join(["Usage: root", *command]) in short.output


@pytest.mark.parametrize("command", [[], ["reproduce"], ["data"]])
def test_no_summary_of_a_command_is_cut(command: list[str]) -> None:
    shown = CliRunner(env={"COLUMNS": "80"}).invoke(app, [*command, "-h"]).output
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.thorough
def test_the_package_is_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "transfernas", "-h"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("Usage: python -m transfernas ")
    assert all(f"\n  {command} " in done.stdout for command in COMMANDS)


def test_a_shell_completes_commands_and_options() -> None:
    for words, completed in (("transfernas rep", "report\nreproduce"), ("transfernas compare --su", "--suite")):
        known = {"_TRANSFERNAS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = CliRunner(env=known).invoke(app, prog_name="transfernas")
        assert done.exit_code == 0 and done.output.strip() == completed
