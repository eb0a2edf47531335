"""What every architecture offers, and all that training, scoring and writing know of one."""

from typing import Any, ClassVar

from torch import Tensor, nn

from workflow.scripts.models import ModelConfig, ParamGroup
from workflow.scripts.models.layers.rows import mean_cross_entropy


class LanguageModel(nn.Module):
    """A model of the next token, with embeddings that are also its output.

    ``forward(idx, state=None)`` gives logits (B, T, V) of ids (B, T), and the state after them: what the model knows of
    the tokens so far, in a form of its own. Without a state it starts at the first token of a text. A model that
    carries no state takes ``first``, too: the position from which logits are wanted, (B, T - first, V).

    Attributes:
        carries_state: whether a training window goes on from the state that the window before it ended with.
        wte: token embeddings, (V, n_embd).
    """

    carries_state: ClassVar[bool]
    config: ModelConfig
    wte: nn.Embedding

    def loss(self, idx: Tensor, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Mean cross-entropy, in nats, of targets (B, T) after ids (B, T), and the state after them."""
        logits, state = self(idx, state)
        return mean_cross_entropy(logits, targets), state

    def param_groups(self) -> list[ParamGroup]:
        """Every parameter once, by the rule and the multiple of the learning rate that trains it."""
        raise NotImplementedError

    def empty_state(self, batch: int) -> Any:
        """The state of so many texts before their first token."""
        raise NotImplementedError

    def is_full(self, state: Any) -> bool:
        """Whether no more tokens can be added to a state: generation then starts again from the last of them."""
        raise NotImplementedError

    def decoder(self, precision: str) -> Any:
        """What writes as the model would, faster, on a CPU: a `generate.Decoder` of its weights, if there is one."""
        return None

    def weights(self) -> dict[str, Tensor]:
        """What is stored of the model: each weight by its name, on the CPU."""
        return {name: weight.detach().cpu().contiguous() for name, weight in self.state_dict().items()}
