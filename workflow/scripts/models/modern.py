"""The Transformer of gpt.py with what has come since: Muon, normed queries and keys, squared ReLU.

Its shapes, and so its counts, are those of gpt.py. The products inside Muon are the optimiser's, and not counted.
"""

from workflow.scripts.models import ParamGroup, gpt

count_params = gpt.count_params
flops_per_token = gpt.flops_per_token

MUON_RATE = 2.5  # of Muon's rate to that of AdamW, so that one learning rate suits this model and gpt
# Normed vectors of a head of 16 would give logits of 4 at most: too few for sharp attention. Measured.
LOGIT_GAIN = 2.0


class Block(gpt.Block):
    """A layer of gpt.py with squared ReLU, and with queries and keys of one size."""

    activation = "squared_relu"
    normed_heads = True

    def __init__(self, n_embd: int, n_head: int, logit_scale: float, branch_scale: float):
        super().__init__(n_embd, n_head, LOGIT_GAIN * logit_scale, branch_scale)


class Model(gpt.Model):
    """The Transformer of these blocks, its matrices trained by Muon."""

    block = Block

    def param_groups(self) -> list[ParamGroup]:
        """The matrices by Muon, whose rate needs no scale by width; the embedding by AdamW."""
        embedding, _ = super().param_groups()
        return [
            embedding,
            ParamGroup(list(self.blocks.parameters()), lr_scale=MUON_RATE, decay_scale=1 / MUON_RATE, rule="muon"),
        ]
