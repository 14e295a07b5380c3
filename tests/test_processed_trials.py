"""What was learned from, of others' records."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfernas.checkpoint.processed_trials import ProcessedTrials


@given(st.permutations(range(12)), st.integers(0, 12))
def test_each_trial_is_noted_once_in_any_order(order: list[int], count: int) -> None:
    processed = ProcessedTrials()
    for number in order[:count]:
        assert not processed.has(100 + number)
        processed.add("study", number, 100 + number)
        with pytest.raises(ValueError, match=f"trial {number} of 'study' was learned from before"):
            processed.add("study", number, 100 + number)
    assert [number for number in range(14) if processed.has(100 + number)] == sorted(order[:count])
    assert processed.count("study") == count and processed.count("other") == 0
    assert ProcessedTrials(processed.entries()) == processed


def test_what_is_kept_does_not_grow_with_the_record() -> None:
    processed = ProcessedTrials()
    for number in range(1_000):
        processed.add("study", number, 100 + number)
    below, beyond, _ = processed.entries()["study"]
    assert (below, beyond) == (1_000, []) and list(processed) == ["study"]


def test_a_copy_goes_on_by_itself() -> None:
    processed = of_study(0, 1, 5)
    copy = processed.copy()
    copy.add("study", 2, 102)
    assert not processed.has(102) and copy.count("study") == 4
    processed.add("study", 2, 202)
    assert not copy.has(202) and copy.has(105) and processed.has(105)


def test_a_record_that_went_its_own_way_is_kept_apart() -> None:
    processed = of_study(0, 1)
    processed.add("study", 1, 201)
    assert {record: processed.count(record) for record in processed} == {"study": 2, "study*": 1}


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ((-1, [], ""), r"the trials of 'study' are counted from 0, not \[-1\]"),
        ((1, [], 7), "7 holds no stamps"),
        ((1, [], "?"), "padding|base64|alphabet"),
        ((1, []), "unpack"),
    ],
)
def test_wrong_entries_are_told(entry: tuple[Any, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ProcessedTrials({"study": entry})


def of_study(*numbers: int) -> ProcessedTrials:
    processed = ProcessedTrials()
    for number in numbers:
        processed.add("study", number, 100 + number)
    return processed


def test_a_task_with_two_directions_is_told() -> None:
    processed = ProcessedTrials()
    assert processed.direction_warning("digits", True) is None and processed.noted(None) is None
    processed.note_direction("digits", True)
    assert processed.direction_warning("digits", True) is None and processed.direction_warning("faces", False) is None
    warning = processed.direction_warning("digits", False)
    assert warning is not None and "'digits' is to be minimized, and was to be maximized in the trials" in warning
    copy = processed.copy()
    copy.note_direction("digits", False)
    assert copy != processed and copy.directions == {"digits": "minimize"}


def test_directions_are_among_the_notes_of_a_file() -> None:
    processed, read = ProcessedTrials(), ProcessedTrials()
    processed.note_direction("digits", True)
    notes = processed.noted({"seed": 0})
    assert notes == {"seed": 0, "directions": {"digits": "maximize"}}
    assert read.read_notes(notes) == {"seed": 0} and read == processed
    assert read.read_notes(processed.noted(None)) is None and read == processed
    for other in (None, {"seed": 0}, 3):
        assert ProcessedTrials().read_notes(other) == other
    wrong: object
    for wrong in ({"digits": "up"}, {"digits": []}, 3, ["ab"]):
        with pytest.raises((TypeError, ValueError)):
            ProcessedTrials().read_notes({"directions": wrong})
