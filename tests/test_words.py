"""One word for one thing: code and texts use the terms of the glossary, and none of the words before them."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

ROOT = Path(__file__).parent.parent
FOLDERS = ("src", "tests", "examples", "contrib", "profiling")
IDENTIFIERS = {
    **{"Gate": "ProposerBandit", "gate": "bandit", "curiosity": "exploration", "curious": "has_unseen"},
    **{"Novelty": "UnseenActions", "novelty": "find_unseen", "novel": "unseen", "favour": "logit_bonus"},
    **{"Memory": "WarmStartConfigs", "History": "ReplayBuffer", "among_keys": "are_among", "Builds": "NetworkCache"},
    **{"OpenSearch": "DefineByRunSearch", "OpenSpace": "DefineByRunSpace", "OpenLearner": "DefineByRunLearner"},
    **{"FixedSearch": "DeclaredSearch", "Plan": "PlannedTrial", "Ledger": "ProcessedTrials", "ledger": "processed"},
    **{
        "Room": "MinShapes",
        "NO_ROOM": "EXACT",
        "WarmUp": "BackgroundCompiler",
        "smoothed": "gp_initialised_embeddings",
    },
    **{"transplanted": "carry_over_embeddings", "Categories": "CategoricalDomain", "Numbers": "NumericDomain"},
    **{"told_of": "recent_configs", "key_of": "compute_fingerprint", "in_order": "as_tuple", "SEVERAL": "LARGE_BATCH"},
    **{
        "rival": "method",
        "rivals": "methods",
        "Place": "TaskRef",
        "Split": "TransferScenario",
        "Stages": "RunDirectory",
    },
    **{"HELD_BACK": "HELD_OUT", "held_back": "held_out", "Tally": "TrialStats", "Grade": "TrialOutcome", "Met": "seen"},
    **{"Listed": "ListedValues", "Made": "Params", "Best": "TopTrials", "Observed": "ObservedTrial", "Use": "Purpose"},
}
PHRASES = {
    r"held-back": "held-out",
    r"\brivals?\b": "method",
    r"\b(?:the|a) gate\b": "the proposer bandit",
    r"\bledgers?\b": "the processed trials",
    r"\b[Cc]uriosity\b": "exploration",
    r"\b(?:never|not) met\b": "not seen",
    r"\bmet before\b": "seen before",
    r"\bcan not\b": "cannot",
}
SUSPECTS = re.compile("|".join([rf"\b(?:{'|'.join(IDENTIFIERS)})\b", *PHRASES]))
LSTM = {"lstm.py", "test_lstm.py"}  # where a gate is one of the network's
PAST = {"CHANGELOG.md", "research-log.md"}  # they quote the past


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))


def pages() -> Iterator[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "contrib").rglob("*.md")]
    yield from (path for path in sorted(found) if path.name not in PAST)


def old_words(path: Path) -> list[str]:
    """Returns where an old word is, as an identifier, or as a phrase of a comment or a string."""
    found: list[str] = []
    if not SUSPECTS.search(re.sub(r"\s+", " ", path.read_text(encoding="utf8"))):
        return found  # most files; to split a file into tokens takes a hundred times as long
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            where = f"{path.relative_to(ROOT)}:{token.start[0]}"
            if token.type == tokenize.NAME and token.string in IDENTIFIERS:
                found.append(f"{where}: {token.string} is {IDENTIFIERS[token.string]}")
            elif token.type in (tokenize.COMMENT, tokenize.STRING):
                found += [f"{where}: {each}" for each in old_phrases(token.string) if path.name not in LSTM]
    return found


def old_phrases(text: str) -> list[str]:
    """Returns the old phrases of a text, with what to say instead."""
    flowing = re.sub(r"\s+", " ", text)
    return [f"{old} is {new}" for old, new in PHRASES.items() if re.search(old, flowing)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_code_uses_the_words_of_the_glossary(folder: str) -> None:
    mine = Path(__file__).resolve()
    paths = [path for path in sources() if path.relative_to(ROOT).parts[0] == folder and path.resolve() != mine]
    assert [each for path in paths for each in old_words(path)] == []


def test_the_pages_use_the_words_of_the_glossary() -> None:
    found = {str(path.relative_to(ROOT)): old_phrases(path.read_text(encoding="utf8")) for path in pages()}
    assert {name: phrases for name, phrases in found.items() if phrases} == {}


def test_help_texts_use_the_words_of_the_glossary() -> None:
    from transfernas.cli.app import app

    commands = [get_command(app)]
    for command in commands:  # grows while it is gone through
        commands += getattr(command, "commands", {}).values()
        texts = [command.help or "", *(getattr(option, "help", None) or "" for option in command.params)]
        assert [phrase for text in texts for phrase in old_phrases(text)] == [], command.name


def test_the_glossary_is_short_and_its_modules_exist() -> None:
    rows = re.findall(
        r"^\| (?!term|-)(.+?) \| (.+?) \| (.+?) \|$", (ROOT / "docs/reference/glossary.md").read_text(), re.MULTILINE
    )
    assert 20 <= len(rows) <= 25 and [term for term, *_ in rows] == sorted(term for term, *_ in rows)
    for term, _, where in rows:
        if module := re.fullmatch(r"`(.+\.py)`", where):
            assert (ROOT / "src/transfernas" / module[1]).is_file(), term


def test_an_old_word_is_found() -> None:
    text = "def favour(rival):\n    # the gate\n    return rival\n"
    tokens = [t.string for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.NAME]
    assert {"favour", "rival"} == set(tokens) & IDENTIFIERS.keys()
    assert old_phrases("# the gate") and not old_phrases("# the bandit")
