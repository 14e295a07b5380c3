"""What others wrote reaches the terminal as text."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from searchers import FAST
from transfernas import Agent, Choice, Problem, SearchSpace
from transfernas.cli.app import app
from transfernas.cli.terminal import PlainTable, plain, say
from transfernas_bench.download import DownloadError
from transfernas_bench.report import progress_bars

NAMES = (
    "task [small]",
    "faces[/bold]",
    ":smile:",
    "[link=https://example.org]click[/link]",
    "clears \x1b[2J the screen",
    "rings \x07, goes back \r and \x08",
    "one byte \x9b31m",
    "turned \u202e round",
    "half \udc80 a name",
    "\\[not]",
)
ODD = {"\x1b", "\x07", "\x08", "\r", "\x9b", "\u202e", "\udc80"}


def printed(*what: object) -> str:
    file = io.StringIO()
    console = Console(file=file, width=200, force_terminal=True, color_system=None)
    for each in what:
        console.print(each) if isinstance(each, PlainTable) else say(console, each)
    return file.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_names_are_shown_as_they_are(name: str) -> None:
    expected = plain(name)
    assert not ODD & set(expected) and (ODD & set(name) or expected == name)
    table = PlainTable(name, title=name, caption=name)
    table.row(name)
    for found, count in ((printed(name), 1), (printed(table), 4)):
        assert found.count(expected) == count and not ODD & set(found)


def test_lines_stay_lines_and_a_name_is_in_one() -> None:
    assert printed("one\ntwo") == "one\ntwo\n" and plain("one\ntwo") == "one\\ntwo"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_shows_a_stages_name_as_it_is(terminal: bool) -> None:
    file = io.StringIO()
    with progress_bars(Console(file=file, width=200, force_terminal=terminal, color_system=None)) as stage:
        stage("[b]x[/c] \x9b:smile:", 3)(3, 0.5)
    assert r"[b]x[/c] \x9b:smile:" in file.getvalue() and "\x9b" not in file.getvalue()


def test_inspect_shows_names_as_they_are(tmp_path: Path) -> None:
    problems = [Problem(SearchSpace(f"space {name}", [Choice("a", (0, 1))]), f"task {name}") for name in NAMES[:-2]]
    agent = Agent(problems, FAST)
    path, other = agent.save(tmp_path / "a.safetensors"), agent.save(tmp_path / "[bold]b.safetensors")
    result = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["inspect", str(path), "--against", str(other)])
    assert result.exit_code == 0, result.output
    assert not ODD & set(result.output) and f"Of {other}:" in result.output
    for name in NAMES[:-2]:
        assert f"space {plain(name)}" in result.output and f"task {plain(name)}" in result.output


def test_an_error_shows_a_servers_answer_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def answered(*_: object, **__: object) -> None:
        raise DownloadError("the server answered 404 \x1b[31m[red]Gone[/blue]\nnow")

    monkeypatch.setattr("transfernas_bench.benchmarks.nasbench101_data.nasbench101_data", answered)
    result = CliRunner().invoke(app, ["data", "nasbench101"])
    assert result.exit_code == 1
    assert result.output == "Error: the server answered 404 \\x1b[31m[red]Gone[/blue] now\n"


def test_an_option_is_quoted_as_it_is() -> None:
    result = CliRunner().invoke(app, ["compare", "--scenario", "\x1b[2Jx"])
    assert result.exit_code == 2 and r"\x1b[2Jx is not a scenario" in result.output and "\x1b" not in result.output
