"""LSTM (Hochreiter and Schmidhuber 1997): tied embeddings around `torch.nn.LSTM` of the same width."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow.scripts.models import ModelConfig, ParamGroup
from workflow.scripts.models.language_model import LanguageModel
from workflow.scripts.models.layers.recurrence import PackedLSTM, RecurrentLoss, fits, parameters

BASE_WIDTH = 80  # at which "mup" is "standard"
# Measured at the base, where each matters by 0.02 to 0.15 nats: without a norm, embeddings of unit length
# barely move the gates, and an output between -1 and 1 gives logits too flat for a fast start.
EMBED_GAIN, EMBED_RATE, OUTPUT_GAIN = 3.0, 1.5, 8 / 3
# An upper layer reads an output smaller than an embedding; small recurrent weights keep three layers stable.
UPPER_GAIN, RECURRENT_GAIN = 2.0, 0.5

State = tuple[Tensor, Tensor]  # hidden and cell state, each (L, B, d)


def count_params(config: ModelConfig) -> tuple[int, int]:
    """(non-embedding, total) parameters: 8 L d^2 in products; the total adds the tied V d and 8 L d biases."""
    hidden = 8 * config.n_layer * config.n_embd**2
    return hidden, hidden + (config.vocab_size + 8 * config.n_layer) * config.n_embd


def flops_per_token(config: ModelConfig) -> int:
    """Training FLOP a token: 6N + 6Vd; biases and gates are left out, as elementwise work always is."""
    hidden, _ = count_params(config)
    return 6 * hidden + 6 * config.vocab_size * config.n_embd


class Model(LanguageModel):
    """The LSTM. Its state is the hidden and the cell state."""

    carries_state = True  # a training window goes on from the state that the one before it ended with

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.width = config.n_embd / BASE_WIDTH if config.parametrization == "mup" else 1.0
        self.gain = OUTPUT_GAIN / self.width
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.lstm = nn.LSTM(config.n_embd, config.n_embd, config.n_layer, batch_first=True)
        nn.init.normal_(self.wte.weight, std=EMBED_GAIN * (config.n_embd / self.width) ** -0.5)
        for name, weight in self.lstm.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(weight)
            else:
                gain = RECURRENT_GAIN if "_hh_" in name else 1.0 if name.endswith("_l0") else UPPER_GAIN
                nn.init.normal_(weight, std=gain * config.n_embd**-0.5)
        with torch.no_grad():  # the gates are in the order input, forget, cell, output
            for layer in range(config.n_layer):  # an open forget gate remembers from the first step (Jozefowicz 2015)
                getattr(self.lstm, f"bias_ih_l{layer}")[config.n_embd : 2 * config.n_embd] = 1.0

    def forward(self, idx: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Logits (B, T, V) of ids (B, T), and the state after them, in the precision of autocast."""
        state = self.empty_state(len(idx)) if state is None else state
        dtype = self.precision()
        # For a single step it would take longer to lay weights out than to use them.
        if fits(self.wte.weight, dtype) and not torch.is_grad_enabled() and idx.shape[1] > 1:
            x, state = PackedLSTM(self.wte.weight, self.lstm, dtype)(idx, state)
        else:
            x, state = self.recur(self.wte(idx), state, dtype)
        return F.linear(x, self.wte.weight * self.gain), state

    def loss(self, idx: Tensor, targets: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Mean cross-entropy, in nats, of targets (B, T) after ids (B, T), and the state after them."""
        dtype = self.precision()
        if not fits(self.wte.weight, dtype):
            return super().loss(idx, targets, state)
        state = self.empty_state(len(idx)) if state is None else state
        weights = self.wte.weight, *parameters(self.lstm)
        loss, hidden, cell = RecurrentLoss.apply(idx, targets, state, self.gain, dtype, *weights)
        return loss, (hidden, cell)

    def precision(self) -> torch.dtype:
        """In which products are taken here."""
        kind = self.wte.weight.device.type
        return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.wte.weight.dtype

    def recur(self, x: Tensor, state: State, dtype: torch.dtype) -> tuple[Tensor, State]:
        """Outputs and last state of inputs (B, T, d) by torch's own LSTM.

        We cast here, since autocast has cuDNN compute in float16, whatever precision it is asked for, and float16
        loses small gradients.
        """
        if x.dtype == dtype:
            y, state = self.lstm(x, state)
            return y, state
        weights = {name: weight.to(dtype) for name, weight in self.lstm.named_parameters()}
        with torch.autocast(x.device.type, enabled=False):
            inputs = x.to(dtype), tuple(part.to(dtype) for part in state)
            y, (hidden, cell) = torch.func.functional_call(self.lstm, weights, inputs)
        return y, (hidden.to(x.dtype), cell.to(x.dtype))

    def param_groups(self) -> list[ParamGroup]:
        """Rates of matrices fall with width, those of biases and the embedding stay (Yang 2022, table 8)."""
        parameters = list(self.lstm.parameters())
        return [
            ParamGroup([self.wte.weight], lr_scale=EMBED_RATE, decay_scale=1 / EMBED_RATE, eps_scale=1 / self.width),
            ParamGroup(
                [p for p in parameters if p.ndim == 2],
                lr_scale=1 / self.width,
                decay_scale=self.width,
                eps_scale=1 / self.width,
            ),
            ParamGroup([p for p in parameters if p.ndim == 1], decay_scale=0.0, eps_scale=1 / self.width),
        ]

    def empty_state(self, batch: int) -> State:
        """The state before the first token of a tune."""
        zeros = self.wte.weight.new_zeros(self.config.n_layer, batch, self.config.n_embd)
        return zeros, zeros.clone()

    def decoder(self, precision: str) -> Any:
        """The weights laid out for a CPU to write by."""
        from workflow.scripts.models.layers.recurrent_decoder import RecurrentDecoder  # only writing needs it

        return RecurrentDecoder(self.wte.weight, self.lstm, self.wte.weight * (OUTPUT_GAIN / self.width), precision)

    def is_full(self, state: State) -> bool:
        """Never: a state of fixed size takes any number of tokens."""
        return False
