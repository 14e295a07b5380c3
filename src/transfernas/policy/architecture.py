"""The shape of the policy networks and how they are initialised."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple

from ..fields import ConfigPart, Range

Attention = Literal["causal", "bidirectional"]
Normalise = Literal["after", "before"]
Size = Annotated[int, Range(1, 10**12)]  # larger ones would end in an error
Scale = Annotated[float, Range(0, 10**6)]  # and so would these, or in numbers that are not finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture(ConfigPart):
    """What all networks have.

    Attributes:
        embedding_size: the numbers in the embedding of a state, of an action and of a task. A token is three times as
            wide. Paper: 8.
        embedding_scale: the standard deviation of the initial embeddings of actions. Paper: open.
        context_scale: the standard deviation of the initial embeddings of states and tasks. They are equal for all
            actions to choose from. Paper: open.
        weight_scale: the standard deviation of the initial weights, times the root of the number of inputs. Paper:
            open.
        logit_scale: the same for the layers that give the logits. A small one makes a new policy nearly uniform. Paper:
            open.
        number_length: the number of gaps over which the initial embeddings of actions that are numbers are alike (see
            `learning.number_embeddings`). At 0 they are drawn like other actions. Paper: 0.
    """

    path: ClassVar[str] = "TrainingConfig.network"
    shape: ClassVar[tuple[str, ...]] = ("embedding_size",)
    """The fields that say what the network is, and not how it starts."""

    embedding_size: Size = 8
    embedding_scale: Scale = 1.0
    context_scale: Scale = 1.0
    weight_scale: Scale = 1.0
    logit_scale: Scale = 0.1
    number_length: Scale = 0.0

    @property
    def width(self) -> int:
        """The width of a token: action, task and state embedding side by side."""
        return 3 * self.embedding_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Attentive(Architecture):
    """What the networks with layers of attention have.

    Attributes:
        layers: the attention layers. Paper: 2.
        heads: the attention heads. They divide the token's width. Paper: 1.
        feed_forward: the width of the hidden layer after each attention. Paper: open.
        normalise: where the network normalises. "after" is after each residual sum, as in Vaswani et al. 2017. "before"
            is before each part, and at the end. Paper: open.
        position_scale: the standard deviation of the initial positional encodings. Paper: open.
    """

    shape: ClassVar[tuple[str, ...]] = ("embedding_size", "layers", "heads", "feed_forward", "normalise")

    layers: Size = 2
    heads: Size = 1
    feed_forward: Size = 96
    normalise: Normalise = "after"
    position_scale: Scale = 0.1

    def __post_init__(self) -> None:
        """Checks every field, and that the heads divide the token's width."""
        Architecture.__post_init__(self)
        if self.width % self.heads:
            raise ValueError(
                f"{self.path}.heads={self.heads} does not divide the token's width, 3 x {self.embedding_size}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig(Attentive):
    """The network of the paper's figure 2: each action to choose from is a token behind those of the actions taken.

    Attributes:
        attention: what a position sees. "bidirectional" is the paper's encoder, in which each candidate encodes the
            whole sequence anew. "causal" lets a position see only earlier ones, so that the past is encoded once.
    """

    kind: ClassVar[str] = "transformer"
    shape: ClassVar[tuple[str, ...]] = (*Attentive.shape, "attention")

    attention: Attention = "causal"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig(Attentive):
    """The default network: it encodes the actions taken alone, so that a trajectory costs a fraction."""

    kind: ClassVar[str] = "decoder"

    layers: Size = 1
    feed_forward: Size = 48
    number_length: Scale = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LstmConfig(Architecture):
    """The baseline of the paper's section 4.1, after Zoph and Le 2017.

    Attributes:
        units: the width of the LSTM. 48 units make as many parameters as the Transformer has. Paper: open.
        layers: the LSTM layers, one on the other. Paper: open.
        anchors: whether the LSTM attends to its past outputs, the anchor points of Zoph and Le 2017. Paper: open.
    """

    kind: ClassVar[str] = "lstm"
    shape: ClassVar[tuple[str, ...]] = ("embedding_size", "units", "layers", "anchors")

    units: Size = 48
    layers: Size = 1
    anchors: bool = False


NetworkConfig = TransformerConfig | DecoderConfig | LstmConfig


class Capacity(NamedTuple):
    """How many rows the tables of a network have room for; powers of two, so that a new name rarely changes a shape."""

    states: int
    actions: int
    tasks: int
    steps: int
