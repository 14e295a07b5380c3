"""The pages of `transfernas report` about the studies of a storage and about an agent."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..insight.attention import has_attention
from ..insight.beliefs import Beliefs
from ..insight.number_ranges import ENDS, ranges_in, union
from ..insight.progress import SearchRecord, record_of
from ..spaces.vocabulary import counted
from . import page
from .network_sections import add_attention, add_maps
from .sections import (
    MOST,
    Page,
    add_beliefs,
    add_configuration,
    add_expected,
    add_facts,
    add_importances,
    add_search,
)
from .transfer_sections import add_known, add_trust, add_warm_start

if TYPE_CHECKING:
    import optuna

    from ..agent import Agent

_IMPORTS = "import optuna\nfrom transfernas.integrations.optuna import TransferSampler\n\n"
_OBJECTIVE = "# objective: the function of your program that takes a trial and returns its value\n"


def study_page(
    studies: "Sequence[optuna.Study]",
    against: SearchRecord | None,
    agent: "tuple[Agent, Path] | None",
    storage: str,
) -> Page:
    """Returns the page about studies of one storage.

    Args:
        studies: at least one; of many, the latest eight have sections.
        against: another study to compare each with.
        agent: of the studies, and its file.
        storage: as a program opens it.
    """
    from ..integrations.optuna.record import expected_best_of_study, importances_of_study, record_of_study

    first = studies[-1].study_name
    title = f"Search report: {first}" if len(studies) == 1 else f"Search report: {counted(len(studies), 'study')}"
    known = "" if agent is None else repr(str(agent[1]))
    kept = known or repr(re.sub(r"[^\w.-]+", "-", first) + ".safetensors")  # no other file of an agent is replaced
    rerun = (
        f"{_IMPORTS}{_OBJECTIVE}study = optuna.load_study(\n    study_name={first!r},\n    storage={storage},\n"
        f"    sampler=TransferSampler({known}),\n)\nstudy.optimize(objective, n_trials=30)\nstudy.sampler.save({kept})"
    )
    found = Page(title, rerun)
    if len(studies) > MOST:
        found.add(
            page.paragraph(f"The latest {MOST} of {len(studies)} studies are shown; --study chooses another one.")
        )
    for study in studies[-MOST:]:
        record = record_of_study(study)
        if len(studies) > 1:
            found.add(page.heading(f"Study {study.study_name}"))
        add_facts(found, record)
        if agent is None or not any(trial.params for trial in record.trials):  # no space yet, to believe anything of
            add_known(found, None, record)
            add_trust(found, record)
            add_search(found, record, against)
            add_expected(found, expected_best_of_study(study, None), record)
            add_importances(found, importances_of_study(study))
        else:
            of = "" if len(studies) == 1 else f" of study {study.study_name}"
            _with_agent(found, study, record, against, *agent, of)
    if agent is None:
        words = "Give --agent FILE to see what the agent believes, what it knew at the start, and its configuration."
        found.add(page.paragraph(words, soft=True))
    else:
        add_configuration(found, agent[0])
    return found


def agent_page(agent: "Agent", path: Path, task: str | None, against: "tuple[Agent, str] | None") -> Page:
    """Returns the page about an agent.

    Args:
        agent: the agent.
        path: of its file.
        task: the task to show; None for all of its problems.
        against: another agent and its file: its problem of the same name is compared with each, or else its first one.

    Raises:
        ValueError: the agent has no such task.
    """
    rows = [row for row, problem in enumerate(agent.problems) if task in (None, problem.task)]
    if not rows:
        known = ", ".join(dict.fromkeys(problem.task for problem in agent.problems))
        raise ValueError(f"the agent searches no task {task!r}; --study can be {known}")
    rerun = (
        f"from transfernas import Agent\n\nagent = Agent.load({str(path)!r})\ntrial = agent.ask()\n"
        "agent.tell(trial, reward=...)  # your evaluation"
    )
    if next(iter(agent.processed), None) is not None:
        rerun = (
            f"{_IMPORTS}{_OBJECTIVE}study = optuna.create_study(\n    study_name=...,  # of your next task\n"
            f"    sampler=TransferSampler({str(path)!r}),\n)\nstudy.optimize(objective, n_trials=30)\n"
            f"study.sampler.save({str(path)!r})"
        )
    found = Page(f"Agent report: {path.name}", rerun)
    ranges = [ranges_in(agent.learner, row) for row in range(len(agent.problems))]
    if agent.transfer_report is not None:
        add_known(found, agent.transfer_report, None, union(ranges))
    if len(rows) > MOST:
        found.add(page.paragraph(f"The first {MOST} of {len(rows)} problems are shown; --study chooses a task."))
    if next(iter(agent.processed), None) is not None:
        words = "The number of a trial is its place in the order in which the agent learned from the trials, from 0. "
        words += "The trial has another number in its study if trials failed, or if the agent learned from old studies."
        found.add(page.paragraph(words, soft=True))
    if any(its.about for by_name in ranges for by_action in by_name.values() for its in by_action.values()):
        found.add(page.paragraph(ENDS, soft=True))
    for row in rows[:MOST]:
        problem = agent.problems[row]
        found.add(page.heading(f"Task {problem.task}, space {problem.space.name}"))
        record = record_of(agent.learner, row)
        add_facts(found, record, "trials learned from")
        add_trust(found, record)
        add_search(found, record, None if against is None else _compared(*against, problem.name), ranges[row])
        if ranges[row]:
            words = "The agent keeps the numbers of ten good trials, but of one alone if several lie in the same parts "
            words += "of all ranges. Of each other trial you see the parts in which its numbers lie."
            found.add(page.paragraph(words, soft=True))
        beliefs = _beliefs(agent, row)
        add_beliefs(found, beliefs, record)
        add_warm_start(found, beliefs, record)
        add_attention(found, beliefs.attention, "" if len(rows) == 1 else f" of task {problem.task}")
    add_maps(found, beliefs, alone=len(rows) == 1)
    add_configuration(found, agent)
    return found


def _with_agent(
    found: Page,
    study: "optuna.Study",
    record: SearchRecord,
    against: SearchRecord | None,
    agent: "Agent",
    path: Path,
    of: str,
) -> None:
    """Adds a study, and an agent's knowledge and beliefs about it.

    Args:
        found: the page.
        study: the study.
        record: of the study.
        against: another study to compare with; None for none.
        agent: the agent.
        path: its file.
        of: words behind the titles of sections that stand away from the study; empty if the page has no other study.
    """
    from ..integrations.optuna.record import (
        beliefs_of_study,
        count_learned,
        domains_of_study,
        expected_best_of_study,
        importances_of_study,
        inside_domain,
    )
    from ..integrations.optuna.trials import sign_of, task_of
    from ..integrations.studies import problem_of
    from ..spaces.vocabulary import transfer_report

    learned = count_learned(study, agent)
    its = next((problem for problem in agent.problems if problem.task == task_of(study)), None)
    problem = problem_of(study) if its is None else its
    report = transfer_report(agent.learner.vocabulary, [problem]) if its is None else agent.transfer_report
    domains = domains_of_study(study)
    if report is not None:
        new = tuple((name, inside_domain(action, domains.get(name))) for name, action in report.new_actions)
        report = replace(report, new_actions=new)
    try:
        best = {trial.number: trial for trial in study.get_trials(deepcopy=False)}[record.best_first[0].number]
        beliefs = beliefs_of_study(study, agent, trial=best)
    except (IndexError, ValueError):  # no trial has a value; the agent does not know a value of the best trial
        beliefs = beliefs_of_study(study, agent)
    # An agent that knows none of the trials says nothing of the knowledge from which they came.
    add_known(found, report if learned else None, record, beliefs.ranges)
    add_trust(found, record)
    add_search(found, record, against)
    add_expected(found, expected_best_of_study(study, agent if learned else None), record)
    if not learned or its is None:
        add_importances(found, importances_of_study(study))
    if not learned:
        found.notices.append(
            f"The agent has not learned from this study, {study.study_name!r}: {path} is not the file that was saved "
            "after the study, or was saved before its first trial ended. The sections about the agent are no part of "
            "the study's history."
        )
        add_known(found, report, None, beliefs.ranges, "Known to the agent of the file")
    elif its is None:
        words = f"The agent learned from {counted(learned, 'trial')} of this study, and has begun another search since."
        found.add(page.paragraph(words))
    if its is None:
        found.add(page.paragraph("The agent's beliefs are those of a search that begins."))
    add_beliefs(found, beliefs, record if learned else None, record.quantity, sign_of(study))
    add_warm_start(found, beliefs, record if learned else replace(record, trials=()))
    add_attention(found, beliefs.attention, of)
    add_maps(found, beliefs, alone=True, of=of)


def _beliefs(agent: "Agent", row: int) -> Beliefs:
    """Returns the beliefs of an agent about one of its problems, with the attention between its best decisions."""
    problem, learner = agent.problems[row], agent.learner
    best = agent.best(problem)
    if best is None or not has_attention(learner):
        return agent.beliefs(problem)
    return agent.beliefs(problem, attention=best.config)


def _compared(agent: "Agent", name: str, problem: tuple[str, str]) -> SearchRecord:
    """Returns the search of an agent that is compared with, under the name of its file."""
    row = next((row for row, its in enumerate(agent.problems) if its.name == problem), 0)
    return replace(record_of(agent.learner, row), name=name)
