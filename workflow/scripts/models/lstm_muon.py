"""The LSTM of lstm.py with its matrices trained by Muon, as those of modern.py are."""

from workflow.scripts.models import ParamGroup, lstm

count_params = lstm.count_params
flops_per_token = lstm.flops_per_token

MUON_RATE = 2.5  # of Muon's rate to that of AdamW, so that one learning rate suits this model and lstm
GATES = 4  # of which each matrix is stacked


class Model(lstm.Model):
    """The LSTM, its matrices trained by Muon."""

    def param_groups(self) -> list[ParamGroup]:
        """The matrices by Muon, whose rate needs no scale by width; embedding and biases by AdamW."""
        embedding, matrices, biases = super().param_groups()
        of_gates = ParamGroup(
            matrices.params, lr_scale=MUON_RATE, decay_scale=1 / MUON_RATE, rule="muon", stacked=GATES
        )
        return [embedding, of_gates, biases]
