"""What was learned from, of others' records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfernas.checkpoint.ledger import Ledger


@given(st.permutations(range(12)), st.integers(0, 12))
def test_each_trial_is_noted_once_in_any_order(order: list[int], count: int) -> None:
    ledger = Ledger()
    for number in order[:count]:
        assert not ledger.has("study", number)
        ledger.add("study", number)
        with pytest.raises(ValueError, match=f"trial {number} of 'study' was learned from before"):
            ledger.add("study", number)
    assert [number for number in range(14) if ledger.has("study", number)] == sorted(order[:count])
    assert ledger.count("study") == count and ledger.count("other") == 0
    assert Ledger(ledger.entries()) == ledger


def test_what_is_kept_does_not_grow_with_the_record() -> None:
    ledger = Ledger()
    for number in range(1_000):
        ledger.add("study", number)
    assert ledger.entries() == {"study": (1_000, [])} and list(ledger) == ["study"]


def test_a_copy_goes_on_by_itself() -> None:
    ledger = Ledger({"study": (2, [5])})
    copy = ledger.copy()
    copy.add("study", 2)
    assert not ledger.has("study", 2) and copy.count("study") == 4


def test_wrong_entries_are_told() -> None:
    with pytest.raises(ValueError, match=r"the trials of 'study' are counted from 0, not \[-1\]"):
        Ledger({"study": (-1, [])})
