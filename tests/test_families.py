"""Names of one form, as of the layers of a network, share what is learned of them."""

import jax
import numpy as np
import optuna
import pytest
from jaxtyping import Float

from transfernas import Choice, Problem, SearchSpace
from transfernas.define_by_run.plans import SEARCH_SHAPES
from transfernas.integrations.optuna import TransferSampler
from transfernas.learning.config import TrainingConfig
from transfernas.learning.growth import grow
from transfernas.learning.inheritance import INITIAL_DISTANCE
from transfernas.learning.learner import Learner, new_learner
from transfernas.learning.transfer import transfer
from transfernas.policy.policy import Policy, inherited
from transfernas.spaces.encoding import encode
from transfernas.spaces.families import families, family_of
from transfernas.spaces.vocabulary import Vocabulary

pytestmark = pytest.mark.usefixtures("quiet")

WIDTHS, KINDS = (16, 32, 64, 128), ("relu", "tanh")
CONFIG = TrainingConfig()


def layered(layers: int, conditional: bool = True) -> Problem:
    """A network of up to so many layers, each with a width and a kind; without a condition it has all of them."""
    counts = tuple(range(1, layers + 1))
    choices = [Choice("layers", counts)]
    for layer in range(layers):
        when = {"layers": counts[layer:]} if conditional and layer else None
        choices += [Choice(f"units_{layer}", WIDTHS, when), Choice(f"kind_{layer}", KINDS, when)]
    return Problem(SearchSpace("net", choices), "task")


def rows_of(learner: Learner, state: str) -> dict[str, Float[np.ndarray, "policies ..."]]:
    """What the network knows of a state and its actions, families included, by table."""
    whole: Policy = jax.vmap(inherited, in_axes=(0, None))(learner.state.policy, learner.tables.lineage)
    actions = learner.vocabulary.rows_by_state()[state]
    at = {"states": np.array([learner.vocabulary.state(state)]), "actions": actions}
    return {name: np.asarray(getattr(whole, name))[:, at[kind]] for name, kind in whole.rows.items() if kind in at}


def assert_same_rows(learner: Learner, state: str, other: Learner, name: str, policies: slice = slice(None)) -> None:
    found, expected = rows_of(learner, state), rows_of(other, name)
    for table, rows in expected.items():
        np.testing.assert_allclose(found[table][policies], rows, atol=1e-6, err_msg=table)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("units_0", "units_#"),
        ("units_12", "units_#"),
        ("units[2]", "units[#]"),
        ("layer3.width", "layer#.width"),
        ("n_units_l0", "n_units_l#"),
        ("block 1, layer 20: units", "block #, layer #: units"),
        ("rate", None),
        ("", None),
    ],
)
def test_a_family_is_a_name_without_its_numbers(name: str, family: str | None) -> None:
    assert family_of(name) == family


def test_families_are_of_one_form_and_domain_and_not_always_made_together() -> None:
    assert families(layered(3).space) == {"units_#": WIDTHS, "kind_#": KINDS}
    numbers = SearchSpace("sphere", [Choice(f"x{at}", (0.1, 0.2, 0.3)) for at in range(6)])
    assert not families(numbers) and not families(layered(3, conditional=False).space)
    adam = {"optimizer": "adam"}
    together = [Choice("beta1", (0.8, 0.9), adam), Choice("beta2", (0.8, 0.9), adam)]
    assert not families(SearchSpace("s", [Choice("optimizer", ("adam", "sgd")), *together]))
    differing = [Choice("size1", (1, 2)), Choice("size2", ("small", "large"), {"size1": 1})]
    assert not families(SearchSpace("s", differing))
    wider = [Choice("size1", (1, 2)), Choice("size2", (1, 2), {"size1": 1}), Choice("size3", (2, 3), {"size1": 1})]
    assert families(SearchSpace("s", wider)) == {"size#": (1, 2, 3)}


def test_a_vocabulary_knows_the_families_of_its_names() -> None:
    problem = layered(2)
    assert Vocabulary().extended([problem]).parents()[0].max() == -1
    names = Vocabulary().extended([problem], with_families=True)
    states, actions = names.parents()
    assert states[names.state("units_1")] == names.state("units_#") and states[names.state("layers")] == -1
    assert actions[names.action("units_1", 64)] == names.action("units_#", 64)
    assert states[names.state("units_#")] == -1 and actions[names.action("units_#", 64)] == -1
    grown = names.extended([layered(5, conditional=False)])
    assert grown.parents()[0][grown.state("units_4")] == grown.state("units_#")
    assert encode((problem,), Vocabulary().extended([problem])).tables.lineage is None


@pytest.mark.thorough
def test_what_is_known_stays_where_states_become_a_family() -> None:
    """A program whose conditions are found out: the family starts at the mean of what is known."""
    before = new_learner((layered(3, conditional=False),), CONFIG, 0, min_shapes=SEARCH_SHAPES)
    after = grow(before, (layered(3),), SEARCH_SHAPES)
    assert "units_#" in after.vocabulary.states and "units_#" not in before.vocabulary.states
    for state in ("layers", "units_0", "units_2", "kind_1"):
        assert_same_rows(after, state, before, state)
    members = [rows_of(before, f"units_{layer}") for layer in range(3)]
    for table, rows in rows_of(after, "units_#").items():
        np.testing.assert_allclose(rows, np.mean([each[table] for each in members], axis=0), atol=1e-6)


@pytest.mark.thorough
def test_a_member_that_was_never_met_starts_near_its_family() -> None:
    learner = grow(new_learner((layered(3),), CONFIG, 0, min_shapes=SEARCH_SHAPES), (layered(5),), SEARCH_SHAPES)
    family, met = rows_of(learner, "units_#"), rows_of(learner, "units_4")
    for table in ("state", "action", "logit_weight"):
        apart = np.std(met[table] - family[table]) / np.std(family[table])
        assert 0 < apart < 2 * INITIAL_DISTANCE
    assert not met["action_bias"].any()


def test_families_go_along_and_names_that_leave_them_keep_what_they_mean() -> None:
    source = new_learner((layered(3),), CONFIG.with_changes({"transfer.bandit": None}), 0, min_shapes=SEARCH_SHAPES)
    there = transfer(source, (layered(5),), min_shapes=SEARCH_SHAPES)
    assert_same_rows(there, "units_2", source, "units_2")
    assert_same_rows(there, "units_#", source, "units_#")
    width = SearchSpace("one", [Choice("width", WIDTHS), Choice("units_1", WIDTHS)])
    renamed = transfer(source, (Problem(width, "task"),), rename={"units_0": "width"})
    assert_same_rows(renamed, "width", source, "units_0")
    assert_same_rows(renamed, "units_1", source, "units_1")


def chain(trial: optuna.Trial) -> float:
    """Each step is asked for where the one before it went on; to be maximised: ten steps at most."""
    value = 0.0
    for step in range(10):
        if not trial.suggest_categorical(f"go{step}", [True, False]):
            break
        value += 1 + trial.suggest_float(f"x{step}", 0, 1)
    return value


def layers(trial: optuna.Trial) -> float:
    """A network of 1 to 12 layers, all of one best width; to be maximised."""
    count = trial.suggest_int("layers", 1, 12)
    widths = [trial.suggest_int(f"width_{layer}", 4, 1024, log=True) for layer in range(count)]
    return -sum(abs(np.log2(width / 32)) for width in widths) / count


@pytest.mark.slow
def test_chains_of_conditions_and_long_loops_are_searched_better_than_at_random() -> None:
    for objective in (chain, layers):
        best: dict[str, list[float]] = {"ours": [], "random": []}
        for seed in range(5):
            for kind, sampler in (
                ("ours", TransferSampler(seed=seed)),
                ("random", optuna.samplers.RandomSampler(seed)),
            ):
                study = optuna.create_study(sampler=sampler, direction="maximize")
                study.optimize(objective, n_trials=60)
                best[kind].append(study.best_value)
        assert np.mean(best["ours"]) > np.mean(best["random"])
        assert np.median(best["ours"]) > np.max(best["random"]) or np.min(best["ours"]) > np.median(best["random"])
