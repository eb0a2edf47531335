"""The options of a model's writing, each defined once; light enough for a study to be planned with them."""

from dataclasses import asdict, dataclass

from workflow.scripts.base import cli
from workflow.scripts.base.options import flags_of, option


@dataclass(frozen=True)
class Sampling:
    """How many tunes a model is to write, how long ones, and how the next token is chosen."""

    num_samples: int = option(5, "tunes to write", cli.positive_int)
    samples_per_prompt: int = option(16, "tunes a prompt of the set", cli.positive_int)
    max_new_tokens: int = option(1024, "longest tune, in tokens", cli.positive_int)
    temperature: float = option(1.0, "0 takes the likeliest", cli.non_negative_float, limits_choice=True)
    top_k: int = option(0, "draw among the k likeliest; 0 is all", cli.non_negative_int, limits_choice=True)
    top_p: float = option(1.0, "draw from the likeliest set of this mass", cli.fraction, limits_choice=True)
    min_p: float = option(0.0, "draw none below this share of the likeliest", cli.fraction, limits_choice=True)

    def limits(self) -> dict[str, float]:
        """What limits the choice of the next token, as `generate` takes it."""
        return {name: value for name, value in asdict(self).items() if name in LIMITS}


CONFIG_OPTIONS = tuple(flags_of(Sampling))  # all of them are set by config.yaml, under the same names
LIMITS = tuple(flags_of(Sampling, limits_choice=True))
