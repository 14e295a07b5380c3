"""Notebooks show reports and beliefs as tables of HTML, whose names are escaped."""

import html
import re

import pytest

from searchers import FAST
from transfernas import Agent, Choice, Problem, SearchSpace
from transfernas.integrations.studies import LearningReport, StudySummary


def cells(shown: str) -> list[list[str]]:
    """The rows of a table below its head, with names as they were."""
    assert shown.startswith("<p>") and shown.endswith("</table>") and "<b>" not in shown and "&lt;b&gt;" in shown
    _, *rows = re.findall(r"<tr>(.*?)</tr>", shown, re.DOTALL)
    return [list(map(html.unescape, re.findall(r"<td[^>]*>(.*?)</td>", row))) for row in rows]


@pytest.mark.thorough
def test_reports_and_beliefs_are_tables_with_their_numbers_and_escaped_names() -> None:
    kind, problem = Choice("<b>", ("<b>", "a & b")), Problem(SearchSpace("<b>", [Choice("x", (1, 2))]), "old")
    agent = Agent([problem], FAST).transfer_to([Problem(SearchSpace("<b>", [kind, *problem.space.choices]), "<b>")])
    assert agent.transfer_report is not None
    assert cells(agent.transfer_report._repr_html_()) == [
        ["states", "1", "1", "<b>"],
        ["actions", "2", "2", "<b>='<b>', <b>='a & b'"],
        ["spaces", "1", "0", "none"],
        ["tasks", "0", "1", "<b>"],
    ]

    for number in range(8):
        agent.learn_from([(agent.problems[0], {"<b>": kind.actions[number % 2], "x": 1 + number // 4}, number / 8)])
    beliefs = agent.beliefs(draws=20)
    assert "after 8 trials" in beliefs._repr_html_()
    assert cells(beliefs._repr_html_()) == [
        [
            each.name,
            str(each.favourite),
            f"{100 * max(each.probabilities):.0f} %",
            f"{100 * (each.importance or 0):.0f} %",
        ]
        for each in beliefs.parameters
    ]
    assert "not known" in Agent([problem], FAST).beliefs(draws=20)._repr_html_()

    counts = {"before": 0, "failed": 2, "unfinished": 1, "unknown": 0}
    summaries = (
        StudySummary("<b>", "cnn", "a & b", 1234, **counts, best=0.25, pruned=30),
        StudySummary("empty", "cnn", "c", 0, **dict.fromkeys(counts, 0), best=None),
    )
    report = LearningReport(summaries, {"cnn": {"x": 2}})
    assert "from 1,234 trials of 2 studies" in report._repr_html_()
    assert cells(report._repr_html_()) == [
        ["<b>", "cnn", "a & b", "1,234, 30 of them pruned", "0.25", "2 failed, 1 unfinished"],
        ["empty", "cnn", "c", "0", "none", "none"],
    ]
