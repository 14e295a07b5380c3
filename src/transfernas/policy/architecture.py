"""Sizes of the policy networks, and the scales of their initial weights."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, NamedTuple

from ..fields import ConfigPart, Limits

Attention = Literal["causal", "bidirectional"]
Normalise = Literal["after", "before"]
Size = Annotated[int, Limits(1, 10**12)]  # larger sizes would end in an obscure error
Scale = Annotated[float, Limits(0, 10**6)]  # larger scales would give numbers that are not finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture(ConfigPart):
    """Settings that all networks have.

    Attributes:
        embedding_size: Numbers in the embedding of a state, of an action and of a task. A token is three times as wide.
            Paper: 8.
        embedding_scale: Standard deviation of the initial embeddings of actions. Paper: open.
        context_scale: Standard deviation of the initial embeddings of states and tasks, which all candidates of a
            decision share. Paper: open.
        weight_scale: Standard deviation of the initial weights, times the root of the number of inputs. Paper: open.
        logit_scale: Standard deviation of the initial weights of the logit layers, times the root of the number of
            inputs. With a small scale a new policy is nearly uniform. Paper: open.
        number_length: Number of gaps over which the initial embeddings of numeric actions are alike (see
            `learning.number_embeddings`). At 0 these embeddings are drawn like those of other actions. Paper: 0.
    """

    path: ClassVar[str] = "TrainingConfig.network"
    shape: ClassVar[tuple[str, ...]] = ("embedding_size",)
    """Fields that determine the function of the network, not its initial weights."""

    embedding_size: Size = 8
    embedding_scale: Scale = 1.0
    context_scale: Scale = 1.0
    weight_scale: Scale = 1.0
    logit_scale: Scale = 0.1
    number_length: Scale = 0.0

    @property
    def width(self) -> int:
        """Width of a token: the concatenated embeddings of action, task and state."""
        return 3 * self.embedding_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Attentive(Architecture):
    """Settings of networks with layers of attention.

    Attributes:
        layers: Number of attention layers. Paper: 2.
        heads: Number of attention heads, a divisor of the token's width. Paper: 1.
        feed_forward: Width of the hidden layer after each attention. Paper: open.
        normalise: Place of the normalisation: "after" each residual sum, as in Vaswani et al. 2017, or "before" each
            part and at the end. Paper: open.
        position_scale: Standard deviation of the initial positional encodings. Paper: open.
    """

    shape: ClassVar[tuple[str, ...]] = ("embedding_size", "layers", "heads", "feed_forward", "normalise")

    layers: Size = 2
    heads: Size = 1
    feed_forward: Size = 96
    normalise: Normalise = "after"
    position_scale: Scale = 0.1

    def __post_init__(self) -> None:
        """Checks the fields.

        Raises:
            ValueError: A field has a wrong type or value, or `heads` does not divide the token's width.
        """
        Architecture.__post_init__(self)
        if self.width % self.heads:
            raise ValueError(
                f"{self.path}.heads={self.heads} does not divide the token's width, 3 x {self.embedding_size}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig(Attentive):
    """Settings of the network of the paper's figure 2: each candidate is a token after the tokens of the actions taken.

    Attributes:
        attention: Positions that a position attends to. "bidirectional" is the paper's encoder: all positions, so each
            candidate encodes the whole sequence anew. "causal": earlier positions, so the past is encoded once.

    Example:
        ```python
        config = TrainingConfig(network=TransformerConfig(layers=2, attention="bidirectional"))
        ```
    """

    kind: ClassVar[str] = "transformer"
    shape: ClassVar[tuple[str, ...]] = (*Attentive.shape, "attention")

    attention: Attention = "causal"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig(Attentive):
    """Settings of the default network, which encodes only the actions taken, so that a trajectory costs less.

    Example:
        ```python
        config = TrainingConfig(network=DecoderConfig(embedding_size=16, heads=2))
        ```
    """

    kind: ClassVar[str] = "decoder"

    layers: Size = 1
    feed_forward: Size = 48
    number_length: Scale = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LstmConfig(Architecture):
    """Settings of the LSTM, the baseline of the paper's section 4.1, after Zoph and Le 2017.

    Attributes:
        units: Width of the LSTM. An LSTM of 48 units has about as many parameters as the Transformer. Paper: open.
        layers: Number of stacked LSTM layers. Paper: open.
        anchors: Whether the LSTM attends to its past outputs, the anchor points of Zoph and Le 2017. Paper: open.

    Example:
        ```python
        config = TrainingConfig.paper().with_changes({"network": LstmConfig(anchors=True)})
        ```
    """

    kind: ClassVar[str] = "lstm"
    shape: ClassVar[tuple[str, ...]] = ("embedding_size", "units", "layers", "anchors")

    units: Size = 48
    layers: Size = 1
    anchors: bool = False


NetworkConfig = TransformerConfig | DecoderConfig | LstmConfig


class Capacity(NamedTuple):
    """Numbers of rows of the tables of a network, powers of two, so that a new name rarely changes a shape."""

    states: int
    actions: int
    tasks: int
    steps: int
