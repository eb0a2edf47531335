"""The Transformer of gpt.py with what has come since: Muon, normed queries and keys, squared ReLU.

Its shapes, and so its counts, are those of gpt.py. The products inside Muon are the optimiser's, and not counted.
"""

from torch import Tensor

from workflow.scripts.base.errors import InputError
from workflow.scripts.models import ALL_PARTS, ModelConfig, ParamGroup, gpt

count_params = gpt.count_params
flops_per_token = gpt.flops_per_token

MUON_RATE = 2.5  # of Muon's rate to that of AdamW, so that one learning rate suits this model and gpt
# Normed vectors of a head of 16 would give logits of 4 at most: too few for sharp attention. Measured.
LOGIT_GAIN = 2.0
PARTS = ("qk_norm", "squared_relu", "muon")


def parts_of(config: ModelConfig) -> set[str]:
    """Which of `PARTS` a model has, all or some: without any it would be gpt.

    Raises:
        InputError: one is unknown.
    """
    if config.parts == ALL_PARTS:
        return set(PARTS)
    found = set(config.parts.split(","))
    if unknown := sorted(found - set(PARTS)):
        raise InputError(f"modern has no part {unknown[0]!r}: parts are {', '.join(PARTS)}")
    return found


class Model(gpt.Model):
    """The Transformer with these parts."""

    def __init__(self, config: ModelConfig):
        self.parts = parts_of(config)
        super().__init__(config)

    def block(self, logit_scale: float, branch_scale: float) -> gpt.Block:
        """A layer with the parts that are in layers."""
        normed = "qk_norm" in self.parts
        return gpt.Block(
            self.config.n_embd,
            self.config.n_head,
            LOGIT_GAIN * logit_scale if normed else logit_scale,
            branch_scale,
            "squared_relu" if "squared_relu" in self.parts else "gelu",
            normed,
        )

    def param_groups(self) -> list[ParamGroup]:
        """The matrices by Muon, if it is a part: its rate needs no scale by width. The rest by AdamW."""
        embedding, matrices = super().param_groups()
        if "muon" not in self.parts:
            return [embedding, matrices]
        joint = [block.qkv.weight for block in self.layers()]  # queries, keys and values
        single = [p for p in matrices.params if all(p is not other for other in joint)]
        return [embedding, muon(joint, stacked=3), muon(single, stacked=1)]


def muon(params: list[Tensor], stacked: int) -> ParamGroup:
    """Matrices that Muon trains."""
    return ParamGroup(params, lr_scale=MUON_RATE, decay_scale=1 / MUON_RATE, rule="muon", stacked=stacked)
