"""LSTM (Hochreiter and Schmidhuber 1997): tied embeddings around `torch.nn.LSTM` of the same width."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow.scripts.models import ModelConfig

State = tuple[Tensor, Tensor]  # hidden and cell state, each (L, B, d)


def count_params(config: ModelConfig) -> tuple[int, int]:
    """(non-embedding, total) parameters: 8 L d^2 in products; the total adds the tied V d and 8 L d biases."""
    hidden = 8 * config.n_layer * config.n_embd**2
    return hidden, hidden + (config.vocab_size + 8 * config.n_layer) * config.n_embd


def flops_per_token(config: ModelConfig) -> int:
    """Training FLOP a token: 6N + 6Vd; biases and gates are left out, as elementwise work always is."""
    hidden, _ = count_params(config)
    return 6 * hidden + 6 * config.vocab_size * config.n_embd


class Model(nn.Module):
    carries_state = True  # a training window goes on from the state that the one before it ended with

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.lstm = nn.LSTM(config.n_embd, config.n_embd, config.n_layer, batch_first=True)
        nn.init.normal_(self.wte.weight, std=config.n_embd**-0.5)
        for name, weight in self.lstm.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(weight)
            else:
                nn.init.normal_(weight, std=config.n_embd**-0.5)
        with torch.no_grad():  # gates stand in the order input, forget, cell, output
            for layer in range(config.n_layer):  # an open forget gate remembers from the first step (Jozefowicz 2015)
                getattr(self.lstm, f"bias_ih_l{layer}")[config.n_embd : 2 * config.n_embd] = 1.0

    def forward(self, idx: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits (B, T, V) of ids (B, T), and the state after them."""
        x, state = self.lstm(self.wte(idx), state)
        return F.linear(x, self.wte.weight), state

    def empty_state(self, batch: int) -> State:
        """The state before the first token of a tune."""
        zeros = self.wte.weight.new_zeros(self.config.n_layer, batch, self.config.n_embd)
        return zeros, zeros.clone()

    def is_full(self, state: State) -> bool:
        return False
