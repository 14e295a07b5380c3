"""The page that `transfernas report` writes: it stands alone, escapes names, and shows the numbers of the search."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from typer.testing import CliRunner

from agents import NEXT_PROBLEMS
from searchers import CONFIG, FAST, ONE, PROBLEMS, play
from transfernas import Agent, Choice, LstmConfig, Problem, SearchSpace, TrainingConfig
from transfernas.cli.app import app
from transfernas.cli.storages import program_of
from transfernas.insight.attention import DecisionAttention
from transfernas.integrations.optuna import TransferSampler

EVIL = "<script>alert('x')</script> & \"q\" $y_1$ \x1b[31m"
VOID = {"meta", "link"}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Checked(HTMLParser):
    """Reads a page and keeps its tags, its addresses and its text; a tag that is not closed is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.tags, self.addresses, self.ids = list[str](), list[str](), list[str](), list[str]()
        self.boxes = list[dict[str, str | None]]()
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag == "pre" or "table" in (dict(attrs).get("class") or "").split():
            self.boxes.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "500"}).invoke(app, ["report", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def checked(path: Path) -> Checked:
    page = path.read_text(encoding="utf8")
    found = Checked(page)
    assert not {"script", "iframe", "img", "object", "embed", "base"} & set(found.tags)
    assert all(address.startswith("#") or address == "data:," for address in found.addresses)
    assert not re.search(r"https?://|@import|url\((?!#)", page)
    assert len(found.ids) == len(set(found.ids)) and "\x1b" not in page
    assert {address[1:] for address in found.addresses if address.startswith("#")} <= set(found.ids)
    assert len(page) < 3_000_000
    return found


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A minimised study whose names are markup, a maximised one, one without trials, one with two objectives."""
    url = f"sqlite:///{tmp_path_factory.mktemp('storage') / 'studies.db'}"
    evil = optuna.create_study(study_name=EVIL, storage=url)
    plain = optuna.create_study(study_name="plain", storage=url, direction="maximize")
    distributions = {EVIL: CategoricalDistribution(["<b>", "b"]), "rate": FloatDistribution(1e-3, 1, log=True)}
    names = ["warm start from <i>", "policy", "new policy", "surrogate"]
    for number in range(12):
        rate = 0.001 * 1.6**number
        for study, sign in ((evil, 1), (plain, -1)):
            noted = {"transfernas": {"name": names[number % 4], "trust": 0.75}} if study is evil else {}
            value = sign * (rate - 0.01 + (number % 2))
            params = {EVIL: "<b>" if number % 2 else "b", "rate": rate}
            study.add_trial(create_trial(params=params, distributions=distributions, value=value, user_attrs=noted))
    evil.add_trial(create_trial(state=TrialState.PRUNED))
    evil.enqueue_trial({})
    optuna.create_study(study_name="empty", storage=url)
    optuna.create_study(study_name="two", storage=url, directions=["minimize", "minimize"])
    return url


@pytest.mark.thorough
def test_a_study_has_its_numbers_and_escapes_its_names(storage: str, tmp_path: Path) -> None:
    out = tmp_path / "folder" / "report.html"
    said = run(storage, "--study", EVIL, "--against", "plain", "--out", out)
    assert said == f"The report is in {out.resolve()}\n"
    found = checked(out)
    text = " ".join(found.text.split())
    assert "best value (lower is better)-0.009" in text and "finished trials13" in text
    assert "trials running now1" in text and "old knowledge against a new startbetter in 3 of 8 pairs" in text
    assert "proposed 3 warm starts and 1 trial of the policy before the first one of the new policy, which" in text
    assert "policy, which were better in 3 of 8 pairs." in text
    assert "The old knowledge neither helped nor misled, as far as these pairs tell." in text
    assert "Trust: 75 % at first, 75 % at the least (trial 0), 75 % in the last trial." in text
    assert "the new policy has had 3 trials" in text
    assert "3 trials came from the best ones of <i>." in text and "a Gaussian process over the trials" in text
    assert "alert('x')</script> & \"q\" $y_1$ \\x1b[31m" in text
    assert re.search(r"warm start\s*3\s*1\s*0\s*-0.009", text) and "others" in text
    assert text.index("Best configurations") < text.index("Best under noise") and " ± " in text
    assert "If it always returns the same value, the best observed trial is the best." in text
    assert "The first trial counts as the best so far" in text
    assert "If the two searches are of other data, their values cannot be compared." in text
    assert "The best of plain is" in text and "study_name=" in text and found.tags.count("svg") == 2


@pytest.mark.thorough
def test_a_lucky_trial_comes_before_the_one_that_is_expected_to_be_best(tmp_path: Path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{tmp_path / 'studies.db'}")
    rate, noise = FloatDistribution(0, 1), np.random.default_rng(0).normal(0, 0.3, 40)
    for number in range(40):
        value = abs(number / 40 - 0.5) + float(noise[number]) - (number == 3)
        study.add_trial(create_trial(params={"rate": number / 40}, distributions={"rate": rate}, value=value))
    out = tmp_path / "report.html"
    run(tmp_path / "studies.db", "--out", out)
    (observed, expected) = cells(out, "")
    assert observed[:2] == ["best observed", "3"] and observed[4] == "rate=0.075"
    assert expected[0] == "best expected" and int(expected[1]) != 3
    assert float(expected[2]) > float(observed[2])
    value, other = (float(row[3].partition(" ± ")[0]) for row in (expected, observed))
    assert value < other and " ± " in observed[3]


def test_old_knowledge_without_a_comparison_is_not_tested_yet(tmp_path: Path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{tmp_path / 'studies.db'}")
    for number in range(2):
        noted = {"transfernas": {"name": "warm start from old", "trust": 0.881}}
        study.add_trial(create_trial(value=number, user_attrs=noted))
    run(tmp_path / "studies.db", "--out", tmp_path / "report.html")
    text = checked(tmp_path / "report.html").text
    assert "old knowledge against a new startnot tested yet" in text and "Not tested yet: a policy that" in text
    assert "88 %" not in text


@pytest.mark.thorough
def test_old_configurations_that_were_tried_name_their_trials(tmp_path: Path) -> None:
    def searched(name: str, best: float, count: int) -> TransferSampler:
        source = None if name == "old" else tmp_path / "agent.safetensors"
        sampler = TransferSampler(source, seed=0, config=FAST)
        study = optuna.create_study(study_name=name, storage=f"sqlite:///{tmp_path / 'studies.db'}", sampler=sampler)
        study.optimize(lambda trial: abs(trial.suggest_float("rate", 0, 1) - best), n_trials=count)
        sampler.save(tmp_path / "agent.safetensors")
        return sampler

    searched("old", 0.1, 12)
    searched("new", 0.9, 8)
    study = optuna.load_study(study_name="new", storage=f"sqlite:///{tmp_path / 'studies.db'}")
    names = [trial.user_attrs["transfernas"]["name"] for trial in study.trials]
    started = [str(number) for number, name in enumerate(names) if name == "warm start from old"]
    out, agent = tmp_path / "report.html", tmp_path / "agent.safetensors"
    for source in ((tmp_path / "studies.db", "--study", "new", "--agent", agent), (agent,)):
        run(*source, "--out", out)
        (found,) = re.findall(r"<summary>(Configurations of [^<]*)</summary>", out.read_text(encoding="utf8"))
        rows = [row for row in cells(out, "configuration") if len(row) == 2]
        tried = [row[1] for row in rows if row[1] != "not tried"]
        assert sorted(tried) == started and 0 < len(started) < len(rows)
        assert found.endswith(f"tried unless they disappoint: {len(started)} of {len(rows)} so far")
        text = checked(out).text
        inside = text.index("Inside of the network")
        assert text.index("How to go on") < inside < text.index("Attention between the decisions")
        assert inside < text.index("Tasks and spaces in the plane") and "too early to tell" in text


def test_all_studies_but_those_of_several_objectives_are_shown(storage: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    run(storage, "--out", out)
    text = checked(out).text
    assert "3 studies" in text and "Study plain" in text and "best value (higher is better)" in text
    assert "No trial is finished yet" in text and "Study two" not in text
    assert "the search started from scratch" not in text and "The trials do not say whether anything was known." in text
    assert "Give --agent FILE" in text


@pytest.mark.thorough
def test_an_agent_adds_its_beliefs_of_a_study(storage: str, tmp_path: Path) -> None:
    from transfernas.integrations.studies import learn_from_studies

    plain = optuna.load_study(study_name="plain", storage=storage)
    agent, _ = learn_from_studies(None, [plain], config=FAST)
    path, out = agent.save(tmp_path / "agent.safetensors"), tmp_path / "report.html"
    for name, words in (("plain", "not tried"), (EVIL, "The agent has not learned from this study")):
        run(storage, "--study", name, "--agent", path, "--out", out)
        text = checked(out).text
        expected = text.index("Best under noise")
        assert expected < text.index("What the policy alone would draw (often worse than the best found)")
        assert words in text and "What the agent believes" in text and "TrainingConfig() with" in text
        assert '"embedding_size": 4' in text


@pytest.mark.thorough
def test_no_name_of_a_bin_is_taken_for_a_value(tmp_path: Path) -> None:
    """The bins of leaves from 1 to 20 are named by the even numbers from 0, those of rates by numbers as 0.2371."""

    def searched(name: str, count: int) -> optuna.Study:
        study = optuna.create_study(study_name=name, storage=f"sqlite:///{tmp_path / 'studies.db'}", sampler=sampler)

        def loss(trial: optuna.Trial) -> float:
            rate = trial.suggest_float("rate", 0.001, 1.0, log=True)
            return abs(rate - 0.2) + (trial.suggest_int("leaf", 1, 20) if count > 6 else 1)

        study.optimize(loss, n_trials=count)
        return study

    sampler = TransferSampler(seed=0, fill={"leaf": 1})
    searched("one", 6)
    second = searched("two", 10)
    path, out = sampler.save(tmp_path / "agent.safetensors"), tmp_path / "report.html"
    run(tmp_path / "studies.db", "--study", "two", "--agent", path, "--out", out)
    text = " ".join(checked(out).text.split())
    assert "leaf=1" in text and "leaf=0" not in text and "('leaf', 0)" not in text
    assert "rate=0.178 to 0.316" in text and "0.2371" not in text
    run(path, "--out", out)
    text = checked(out).text
    assert text.count(f"{second.best_params['rate']:.6g}") == 1
    assert "Of each other trial you see the parts in which its numbers lie." in text
    for name in second.best_params["rate"], "0.2371", "0.007499":
        assert f"rate={name}" not in text


@pytest.mark.thorough
def test_of_trials_with_equal_values_the_first_one_is_the_best(tmp_path: Path) -> None:
    """As Optuna has it. Two of them have numbers in one part of the range, of which the agent keeps one number."""
    url, out = f"sqlite:///{tmp_path / 'studies.db'}", tmp_path / "report.html"
    study = optuna.create_study(study_name="tied", storage=url, sampler=TransferSampler(seed=0, config=FAST))
    for rate in (0.9, 0.401, 0.402, 0.1):
        study.enqueue_trial({"rate": rate})
    study.optimize(lambda trial: float(abs(trial.suggest_float("rate", 0.0, 1.0) - 0.4) > 0.01), n_trials=5)
    sampler = study.sampler
    assert isinstance(sampler, TransferSampler)
    path = sampler.save(tmp_path / "agent.safetensors")
    run(tmp_path / "studies.db", "--agent", path, "--out", out)
    first = cells(out, "trial")[:2]
    assert [row[0] for row in first] == [str(study.best_trial.number), "2"] == ["1", "2"]
    assert [row[-1] for row in first] == ["0.401", "0.402"]
    run(path, "--out", out)
    assert [(row[0], row[-1]) for row in cells(out, "trial")[:2]] == [("1", "0.401"), ("2", "0.375 to 0.438")]
    assert "The number of a trial is its place in the order in which the agent learned" in checked(out).text


@pytest.mark.thorough
def test_new_values_of_numbers_are_ranges(tmp_path: Path) -> None:
    """The ranges of the second study reach beyond those of the first one, at both ends."""

    def searched(agent: Agent | None, name: str, low: float, most: int) -> Agent:
        sampler = TransferSampler(agent, seed=0, config=FAST)
        study = optuna.create_study(study_name=name, storage=f"sqlite:///{tmp_path / 'studies.db'}", sampler=sampler)

        def loss(trial: optuna.Trial) -> float:
            kind = trial.suggest_categorical("kind", ["a", "b"] if name == "one" else ["a", "b", "c"])
            rate, units = trial.suggest_float("rate", low, 0.1, log=True), trial.suggest_int("units", 8, most)
            return abs(rate - 0.01) + units / 50 + (kind == "a")

        study.optimize(loss, n_trials=6)
        return sampler.agent

    agent = searched(searched(None, "one", 1e-3, 40), "two", 1e-5, 71)
    path, out = agent.save(tmp_path / "agent.safetensors"), tmp_path / "report.html"
    for source, about in (((path,), "about "), ((tmp_path / "studies.db", "--study", "two", "--agent", path), "")):
        run(*source, "--out", out)
        text = " ".join(checked(out).text.split())
        assert f"kind='c', rate={about}0.00001 to 0.001, units=" in text.replace("1e-05", "0.00001")
        assert text.count("an agent keeps the parts into which a range of numbers is cut") == len(about[:1])
        assert "A range of numbers is cut into parts, and each part counts as one value." in text


@pytest.mark.thorough
def test_many_parameters_take_little_room(tmp_path: Path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{tmp_path / 'wide.db'}")
    params = {f"parameter {number}": number / 60 for number in range(50)}
    study.add_trial(
        create_trial(params=params, distributions=dict.fromkeys(params, FloatDistribution(0, 1)), value=1.0)
    )
    run(tmp_path / "wide.db", "--out", tmp_path / "report.html")
    text = checked(tmp_path / "report.html").text
    assert "parameter 15=0.25, and 34 more" in text and text.count("parameter 49") == 1


def test_values_without_end_and_trials_without_parameters_are_shown(tmp_path: Path) -> None:
    path, agent = tmp_path / "odd.log", Agent(PROBLEMS, FAST).save(tmp_path / "agent.safetensors")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    study = optuna.create_study(study_name="odd", storage=storage, direction="maximize")
    for value in (float("inf"), float("-inf"), 1e308, -1e308, 2.0):
        study.add_trial(create_trial(value=value, user_attrs={"transfernas": "of an older version"}))
    run(path, "--agent", agent, "--out", tmp_path / "report.html")
    text = checked(tmp_path / "report.html").text
    assert "best value (higher is better)inf" in text and "What the agent believes" not in text
    assert "optuna.storages.JournalStorage(" in text


@pytest.mark.thorough
def test_an_agent_is_shown_with_its_problems(tmp_path: Path) -> None:
    evil = Problem(SearchSpace(EVIL, [Choice(EVIL, (EVIL, "b", "c")), Choice("x", (1, 2))]), EVIL)
    agent = Agent(PROBLEMS, FAST, seed=1)
    play(agent, 12)
    first = agent.save(tmp_path / "first.safetensors")
    moved = agent.transfer_to([*NEXT_PROBLEMS, evil])
    moved.learn_from([(moved.problems[0], {"kind": "pool", "act": "relu"}, 0.5)])
    second, out = moved.save(tmp_path / "second.safetensors"), tmp_path / "report.html"
    run(second, "--against", first, "--out", out)
    text = checked(out).text
    assert "Known at the start" in text and "The agent had learned from 2 tasks: one, two." in text
    assert "best reward (higher is better)0.5" in text and "kind=pool" in text
    assert "alert('x')" in text and "Agent.load(" in text
    known = [*dict.fromkeys(problem.space.name for problem in moved.problems)]
    assert "Tasks and spaces in the plane" in text and "Tasks as the policy sees them." in text
    assert "Spaces as the policy sees them." in text and known[0] in text and "The diamond" not in text
    run(second, "--study", "two", "--out", out)
    assert "The diamond is the task of this search." in checked(out).text
    assert "Task two" in checked(out).text and "Task one" not in checked(out).text


def shares(attention: DecisionAttention | None, layer: int = 0) -> list[list[str]]:
    """The attention as cells in percent, in the mean over the heads, and nothing for the choices that come later."""
    assert attention is not None
    rows = np.array(attention.weights[layer]).mean(axis=0)
    last = len(attention.tokens) - len(attention.decisions)
    return [
        [name, *(f"{100 * share:.0f} %" if at <= number + last else "" for at, share in enumerate(row))]
        for number, (name, row) in enumerate(zip(attention.decisions, rows.tolist(), strict=True))
    ]


def cells(path: Path, head: str) -> list[list[str]]:
    """The cells of the last table whose first head is a word, without that row."""
    (*_, found) = re.findall(rf"<table><thead><tr><th[^>]*>{head}</th>.*?</table>", path.read_text(encoding="utf8"))
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", found)[1:]]
    return [list(map(html.unescape, row)) for row in rows]


@pytest.mark.thorough
@pytest.mark.parametrize("config", [FAST, CONFIG], ids=["fast", "paper"])
def test_the_attention_of_the_best_configuration_is_shown(config: TrainingConfig, tmp_path: Path) -> None:
    agent, out = Agent([ONE], config, seed=1), tmp_path / "report.html"
    path = agent.save(tmp_path / "agent.safetensors")
    run(path, "--out", out)
    assert "Attention between" not in checked(out).text
    agent.learn_from(
        [(ONE, {"kind": "conv", "width": 32, "act": "relu"}, 0.5), (ONE, {"kind": "pool", "act": "relu"}, 0)]
    )
    run(agent.save(path), "--out", out)
    attention = agent.beliefs(attention={"kind": "conv", "width": 32, "act": "relu"}).attention
    assert attention is not None
    text, layers = checked(out).text, len(attention.weights)
    assert "Attention between the decisions of the best configuration" in text and "conv" in text
    assert cells(out, "decision") == shares(attention, layers - 1)
    for words in ("one task alone, one", "one space alone, left"):
        assert f"The agent knows {words}, so there is no distance to show." in text
    assert text.count("attention in %, each row sums to 100") == layers
    assert (f"layer {layers} of {layers}" in text) == (layers > 1)
    assert ('"start" stands before' in text) == (attention.tokens[0] == "start")


@pytest.mark.thorough
def test_the_attention_of_a_study_has_the_numbers_of_its_best_trial(tmp_path: Path) -> None:
    from transfernas.integrations.optuna import TransferSampler
    from transfernas.integrations.optuna.record import beliefs_of_study

    sampler = TransferSampler(seed=0, config=FAST)
    study = optuna.create_study(storage=f"sqlite:///{tmp_path / 'studies.db'}", sampler=sampler)
    study.optimize(lambda trial: trial.suggest_float("rate", 0, 1) + trial.suggest_int("leaf", 1, 20), n_trials=3)
    agent, out = sampler.agent, tmp_path / "report.html"
    run(tmp_path / "studies.db", "--agent", agent.save(tmp_path / "agent.safetensors"), "--out", out)
    attention = beliefs_of_study(study, agent, trial=study.best_trial).attention
    assert attention is not None and cells(out, "decision") == shares(attention)
    assert attention.tokens == ("start", "space=optuna", f"rate={study.best_params['rate']:.2g}")
    assert f"<th>{attention.tokens[-1]}</th>" in out.read_text(encoding="utf8")


@pytest.mark.thorough
def test_attention_of_many_decisions_has_no_picture_of_pixels_and_other_networks_have_none(tmp_path: Path) -> None:
    space, out = SearchSpace("s", [Choice(f"x{number}", (0, 1)) for number in range(20)]), tmp_path / "report.html"
    for config, count in ((FAST, 1), (TrainingConfig.paper(network=LstmConfig(units=4)), 0)):
        agent = Agent([Problem(space, "t")], config)
        agent.learn_from([(agent.problems[0], dict.fromkeys((f"x{number}" for number in range(20)), 1), 0.5)])
        run(agent.save(tmp_path / "agent.safetensors"), "--out", out)
        found = checked(out)
        assert "image" not in found.tags and found.text.count("attention in %") == count
        assert "The attention as a table" not in found.text


def test_a_run_is_shown_with_its_table(tmp_path: Path) -> None:
    row = {"name": "a & b", "trials": 2, "mean": 0.25, "low": None, "high": 0.5}
    curve = {"trials": [1, 2], "values": [[0.1, 0.2], [0.1, 0.3]]}
    result = {"command": "compare", "seed": 3, "seconds": 12.3, "versions": {"jax": "1"}, "interrupted": True}
    result |= {
        "curves": {"<s>/tpe": curve, "<s>/transfer": curve},
        "table": [row],
        "settings": {"replicas": 2, "scenarios": ["<s>"]},
    }
    (tmp_path / "result.json").write_text(json.dumps(result), encoding="utf8")
    out = tmp_path / "report.html"
    run(tmp_path, "--out", out)
    found = checked(out)
    assert "a & b" in found.text and "The run was interrupted" in found.text and "--resume" in found.text
    assert "transfernas compare --seed 3 --replicas 2 --scenario '<s>' --out" in found.text and "regrets" in found.text
    assert found.tags.count("svg") == 1
    numbers = result | {"command": "compare --suite numbers", "settings": {"scenarios": ["<s>"], "methods": ["tpe"]}}
    (tmp_path / "result.json").write_text(json.dumps(numbers), encoding="utf8")
    run(tmp_path, "--out", out)
    text = checked(out).text
    assert "transfernas compare --suite numbers --seed 3 --scenario '<s>' --method tpe --out" in text
    assert "multiples of TPE's regret" in text and "best value so far (lower is better)" in text


def test_the_report_about_a_run_needs_the_laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfernas.cli.report.page_of_run", None)
    assert "needs the extra 'bench'" in run(tmp_path, "--out", tmp_path / "report.html", code=1)


def test_errors_say_what_to_give_instead(storage: str, tmp_path: Path) -> None:
    out, agent = tmp_path / "report.html", Agent(PROBLEMS, FAST).save(tmp_path / "agent.safetensors")
    damaged = tmp_path / "run"
    damaged.mkdir()
    for arguments, words in (
        ((tmp_path / "nothing",), "name a storage, as in sqlite:///studies.db, an agent's file, or a folder"),
        ((storage, "--study", "nobody"), "there is no study 'nobody'"),
        ((storage, "--study", "two"), "study 'two' has 2 objectives"),
        ((agent, "--study", "three"), "the agent searches no task 'three'; --study can be one, two"),
        ((damaged,), "has no result.json"),
    ):
        said = run(*arguments, "--out", out, code=1)
        assert words in said and said.count("\n") == 1
    (damaged / "result.json").write_text("{}", encoding="utf8")
    assert "is damaged: KeyError('command'); run the command again" in run(damaged, "--out", out, code=1)
    (damaged / "result.json").write_text('{"command": "demo", "seed": 1, "seconds": 2, "versions": 3}', encoding="utf8")
    assert "is damaged: AttributeError" in run(damaged, "--out", out, code=1)
    assert "is what the report is about; choose another file" in run(agent, "--out", agent, code=2)
    assert "is the result that the report is about" in run(damaged, "--out", damaged / "result.json", code=2)
    other = shutil.copy(agent, tmp_path / "other.safetensors")
    for path in (other, storage.removeprefix("sqlite:///")):
        assert "holds an agent or studies, not a report" in run(damaged, "--out", path, code=2)
    assert "is a folder; the report is to be a file" in run(agent, "--out", tmp_path, code=2)
    assert "is an agent itself" in run(agent, "--agent", agent, "--out", out, code=2)
    assert "is the only study" in run(storage, "--study", "plain", "--against", "plain", "--out", out, code=2)
    assert not out.exists()


def test_an_error_leaves_the_earlier_report(storage: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("earlier", encoding="utf8")
    run(storage, "--study", "two", "--out", out, code=1)
    assert out.read_text(encoding="utf8") == "earlier" and list(tmp_path.iterdir()) == [out]


def test_a_program_opens_the_storage_again(storage: str, tmp_path: Path) -> None:
    path = storage.removeprefix("sqlite:///")
    assert program_of(path) == repr(storage) == program_of(storage)
    (tmp_path / "log").write_text("{}")
    assert program_of(str(tmp_path / "log")).endswith(f"JournalFileBackend({str(tmp_path / 'log')!r}))")
    assert program_of("mysql://me:secret@host/db") == "'mysql://me:***@host/db'"


@pytest.mark.thorough
def test_a_keyboard_reaches_each_box_that_scrolls(storage: str, tmp_path: Path) -> None:
    run(storage, "--study", EVIL, "--out", tmp_path / "report.html")
    found, page = checked(tmp_path / "report.html"), (tmp_path / "report.html").read_text(encoding="utf8")
    assert set(re.findall(r"([^{}\n]+) \{[^}]*overflow-x: auto", page)) == {".table", "pre"}
    assert len(found.boxes) == found.tags.count("table") + found.tags.count("pre") >= 4
    for box in found.boxes:
        assert box["tabindex"] == "0" and box["role"] == "group" and box["aria-label"], box
    assert any(EVIL.replace("\x1b", "\\x1b") in (box["aria-label"] or "") for box in found.boxes)
    assert re.search(r":focus-visible \{ outline: 2px solid", page)


@pytest.mark.thorough
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here, by which the page could be looked at")
def test_a_browser_shows_the_page_on_a_phone_and_in_the_dark(storage: str, tmp_path: Path) -> None:
    run(storage, "--study", EVIL, "--out", tmp_path / "report.html")
    look = "const d = f.contentDocument, e = d.documentElement; "
    look += "document.title = e.scrollWidth - e.clientWidth + ' pixels too wide, on ' + "  # a bar may scroll down
    look += "f.contentWindow.getComputedStyle(d.body).backgroundColor; "
    look += "for (const its of d.querySelectorAll('details')) its.open = true; "
    look += "const boxes = [...d.querySelectorAll('body *')].filter(its => "
    look += "f.contentWindow.getComputedStyle(its).overflowX === 'auto'); "
    look += "const reached = boxes.filter(its => (its.focus(), d.activeElement === its)); "
    look += "document.title += ', ' + (boxes.length > 3) + ', out of reach: ' + (boxes.length - reached.length)"
    frame = f'<iframe id="f" width="400" height="3000" style="border: 0" src="report.html" onload="{look}"></iframe>'
    (tmp_path / "frame.html").write_text(frame, encoding="utf8")
    for scheme, paper in ((1, "rgb(255, 255, 255)"), (0, "rgb(22, 24, 28)")):
        options = [
            *("--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"),
            *(f"--user-data-dir={tmp_path / 'profile'}", f"--blink-settings=preferredColorScheme={scheme}"),
            *("--enable-logging=stderr", "--window-size=700,3000", (tmp_path / "frame.html").as_uri()),
        ]
        done = subprocess.run([str(CHROMIUM), *options], capture_output=True, text=True, timeout=120, check=True)
        assert f"<title>0 pixels too wide, on {paper}, true, out of reach: 0</title>" in html.unescape(done.stdout)
        assert "CONSOLE" not in done.stderr
