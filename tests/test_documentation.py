"""What the documentation shows runs as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf8"), re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/spaces.md", "docs/optuna.md"])
def test_the_code_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(python_blocks(page))
    assert "from transfernas" in code
    exec(compile(code, page, "exec"), {"__name__": "__main__"})


def test_the_ten_lines_of_the_readme_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = python_blocks("README.md")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 13
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "digits.safetensors").exists()
    assert capsys.readouterr().out.startswith(
        "Transfer from spaces cnn, tasks digits\n  states: 2 known, 1 new: dropout\n"
    )


def test_the_commands_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    for command in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(encoding="utf8"), re.MULTILINE):
        assert f"\n{command}:" in makefile


def test_the_design_names_every_module() -> None:
    design = (ROOT / "docs" / "project" / "architecture.md").read_text(encoding="utf8")
    modules = [path.name for path in (ROOT / "src").rglob("*.py")]
    assert [name for name in modules if name not in design] == []


def test_no_link_is_dead_and_no_placeholder_left() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")):
        text = page.read_text(encoding="utf8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / target).exists(), (page.name, target)
        assert not re.search(r"[A-Z]+_TABLE|TODO|SEEDS", text), page.name
