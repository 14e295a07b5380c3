"""What the documentation shows runs as it stands."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from programs import ROOT, python_blocks


def pages() -> list[str]:
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [str(path.relative_to(ROOT)) for path in found]


# Their tests run these pages, where ConfigSpace, Ray or PyTorch is installed, and that of extensions, which takes them
# back.
RUN_ELSEWHERE = (
    "docs/how-to/configspace.md",
    "docs/how-to/extend.md",
    "docs/how-to/ray.md",
    "docs/tutorials/child-models.md",
)


def programs() -> list[Any]:
    """The pages with code; the README for every run, the others where all tests run."""
    found = [page for page in pages() if python_blocks(page) and page not in RUN_ELSEWHERE]
    return [page if page == "README.md" else pytest.param(page, marks=pytest.mark.thorough) for page in found]


@pytest.mark.parametrize("page", programs())
def test_the_code_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(python_blocks(page))
    if "optuna import visualization" in code:
        pytest.importorskip("plotly", reason="plotly is not installed; it comes with the extra [plots]")
    exec(compile(code, page, "exec"), {"__name__": "__main__"})


def test_the_loop_of_the_readme_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = [block for block in python_blocks("README.md") if "import Agent" in block]
    assert len([line for line in code.splitlines() if line.strip()]) <= 13
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "digits.safetensors").exists()
    assert capsys.readouterr().out.startswith(
        "Transfer from spaces cnn, tasks digits\n  states: 2 known, 1 new: dropout\n"
    )


@pytest.mark.parametrize("page", [page for page in pages() if not page.startswith("docs/project/")])
def test_code_fits_a_small_window(page: str) -> None:
    blocks = re.findall(r"^```.*?\n(.*?)^```", (ROOT / page).read_text(encoding="utf8"), re.DOTALL | re.MULTILINE)
    assert [line for block in blocks for line in block.splitlines() if len(line) > 80] == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf8")
    found = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in found if f": {page}\n" not in navigation] == []


def test_every_section_of_the_report_is_explained() -> None:
    page = (ROOT / "docs" / "how-to" / "read-report.md").read_text(encoding="utf8")
    explained = re.findall(r"^##+ (.*)$", page, re.MULTILINE)
    sources = (ROOT / "src" / "transfernas" / "cli").glob("*sections.py")
    code = "\n".join(path.read_text(encoding="utf8") for path in sources)
    headings = re.findall(r"page\.heading\(\"([^\"(]+?)(?: \([^\"]*)?\"", code)
    assert len(headings) > 8 and [heading for heading in headings if heading not in explained] == []


def test_the_commands_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    for command in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(encoding="utf8"), re.MULTILINE):
        assert f"\n{command}:" in makefile


def test_the_design_names_every_module() -> None:
    """Under "Rooms", once for each module of a name."""
    design = (ROOT / "docs" / "project" / "architecture.md").read_text(encoding="utf8")
    _, _, rooms = design.partition("\n## Rooms\n")
    named = Counter(re.findall(r"\w+\.py\b", rooms.partition("\n## ")[0]))
    modules = Counter(path.name for path in (ROOT / "src").rglob("*.py") if path.name != "__init__.py")
    assert {name: count for name, count in modules.items() if named[name] < count} == {}


def test_no_link_is_dead() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")):
        text = page.read_text(encoding="utf8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / target).exists(), (page.name, target)
