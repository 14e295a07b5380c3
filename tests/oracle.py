"""The paper's network and equations in plain NumPy, one trajectory and one candidate at a time, in double precision."""

from typing import Any

import numpy as np
from jaxtyping import Float

from transfernas.policy.transformer import Transformer
from transfernas.spaces.encoding import Tables, Trajectory

Vector = Float[np.ndarray, "width"]
Matrix = Float[np.ndarray, "rows width"]
Weights = Any  # of numpy arrays, in float64


def weights(policy: Transformer) -> Weights:
    """The leaves of one network by name."""
    encoder = {
        name: np.asarray(value, np.float64)
        for name, value in vars(policy.encoder).items()
        if name not in ("heads", "normalise")
    }
    own = {name: value for name, value in vars(policy).items() if name not in ("encoder", "attention")}
    return (
        encoder | {name: np.asarray(value, np.float64) for name, value in own.items()} | {"heads": policy.encoder.heads}
    )


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()


def layer_norm(x: Vector, scale: Vector, shift: Vector) -> Vector:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * scale + shift


def attend(w: Weights, layer: int, x: Matrix, position: int, seen: int) -> tuple[Vector, np.ndarray]:
    """The attention of one position to the first `seen` positions, and its weights, a row a head."""
    width = x.shape[1]
    q, k, v = np.split(x @ w["query_key_value"][layer], 3, axis=1)
    size = width // w["heads"]
    mixed, rows = np.zeros(width), []
    for head in range(w["heads"]):
        part = slice(head * size, (head + 1) * size)
        row = softmax(np.array([q[position, part] @ k[other, part] / np.sqrt(size) for other in range(seen)]))
        mixed[part] = sum(row[other] * v[other, part] for other in range(seen))
        rows.append(row)
    return mixed, np.array(rows)


def encode(w: Weights, tokens: Matrix, causal: bool) -> tuple[Matrix, list[list[np.ndarray]]]:
    """The encoder over a whole sequence, and the attention weights by layer and position."""
    x, attention = tokens, []
    for layer in range(len(w["hidden"])):
        out, rows = [], []
        for position in range(len(x)):
            mixed, row = attend(w, layer, x, position, position + 1 if causal else len(x))
            y = layer_norm(x[position] + mixed @ w["attention_out"][layer], *w["attention_norm"][layer])
            hidden = np.maximum(y @ w["hidden"][layer] + w["hidden_bias"][layer], 0)
            out.append(layer_norm(y + hidden @ w["out"][layer] + w["out_bias"][layer], *w["out_norm"][layer]))
            rows.append(row)
        x = np.array(out)
        attention.append(rows)
    return x, attention


def token(w: Weights, tables: Tables, task: int, decision: int, action: int, position: int) -> Vector:
    state, row = tables.decisions.state[decision], tables.decisions.actions[decision, action]
    return np.concatenate([w["action"][row], w["task"][task], w["state"][state]]) + w["position"][position]


def step_probabilities(policy: Transformer, tables: Tables, trajectory: Trajectory) -> list[np.ndarray]:
    """pi(. | a_1, ..., a_m-1) for every step behind S: the candidate's sequence is encoded anew for each candidate."""
    w, task = weights(policy), int(trajectory.task)
    steps = [(int(d), int(a)) for d, a in zip(trajectory.decisions, trajectory.actions, strict=True)]
    found = []
    for m in range(1, int(trajectory.length)):
        past = [token(w, tables, task, *steps[j], j) for j in range(m)]
        decision = steps[m][0]
        state = tables.decisions.state[decision]
        logits = []
        for action in range(int(tables.decisions.available[decision].sum())):
            sequence = np.array([*past, token(w, tables, task, decision, action, m)])
            encoded, _ = encode(w, sequence, causal=policy.attention == "causal")
            logits.append(encoded[-1] @ w["logit_weight"][state] + w["logit_bias"][state])
        found.append(softmax(np.array(logits)))
    return found


def log_prob(policy: Transformer, tables: Tables, trajectory: Trajectory) -> float:
    taken = [int(action) for action in trajectory.actions[1 : int(trajectory.length)]]
    steps = step_probabilities(policy, tables, trajectory)
    return float(sum(np.log(pi[action]) for pi, action in zip(steps, taken, strict=True)))


def entropy(policy: Transformer, tables: Tables, trajectory: Trajectory) -> float:
    steps = step_probabilities(policy, tables, trajectory)
    return -sum(float(np.sum(pi * np.log(pi))) for pi in steps) / len(steps)


def objective(
    policy: Transformer,
    tables: Tables,
    sampled: Trajectory,
    advantage: float,
    queued: Trajectory,
    pqt: float,
    ent: float,
) -> float:
    """What equation (3) is the gradient of."""
    reinforce = advantage * log_prob(policy, tables, sampled)
    return reinforce + pqt * log_prob(policy, tables, queued) + ent * entropy(policy, tables, sampled)


class TopQueue:
    """The priority queue of one problem as a list."""

    def __init__(self, size: int, ties: str, repeats: str) -> None:
        self.size, self.ties, self.repeats = size, ties, repeats
        self.items: list[tuple[tuple[int, ...], float]] = []

    def insert(self, sequence: tuple[int, ...], reward: float) -> None:
        for slot, (known, best) in enumerate(self.items):
            if known == sequence:
                self.items[slot] = (known, reward if self.repeats == "latest" else max(best, reward))
                return
        if len(self.items) < self.size:
            self.items.append((sequence, reward))
            return
        slot = min(range(self.size), key=lambda index: self.items[index][1])
        worst = self.items[slot][1]
        if reward > worst or (reward == worst and self.ties == "replace"):
            self.items[slot] = (sequence, reward)
