"""What every architecture offers, and all that training, scoring and writing know of one."""

from typing import Any, ClassVar

from torch import Tensor, nn

from workflow.scripts.models import ModelConfig, ParamGroup


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

    def param_groups(self) -> list[ParamGroup]:
        """Every parameter once, by the rule and the multiple of the learning rate that trains it."""
        raise NotImplementedError

    def empty_state(self, batch: int) -> Any:
        """The state of so many texts before their first token."""
        raise NotImplementedError

    def is_full(self, state: Any) -> bool:
        """Whether no more tokens can be added to a state: generation then starts again from the last of them."""
        raise NotImplementedError

    def weights(self) -> dict[str, Tensor]:
        """What is stored of the model: each weight by its name, on the CPU."""
        return {name: weight.detach().cpu().contiguous() for name, weight in self.state_dict().items()}
