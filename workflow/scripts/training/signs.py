"""What a training job lets others see of its runs while it goes on: a small file for `watch`, curves for TensorBoard.

Neither is a result: nothing reads them to train, and a run is the same with and without them.
"""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_json

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SIGN = "progress.json"
SECONDS_BETWEEN_SIGNS = 2


class Signs:
    """Of all runs of one job, each in its folder."""

    def __init__(self, tensorboard: bool):
        """``tensorboard``: whether to write event files beside the results of each run.

        Raises:
            InputError: they are wanted, and the package is not there.
        """
        self.tensorboard = tensorboard
        self.writers: dict[Path, SummaryWriter] = {}
        self.last: dict[Path, float] = {}
        if tensorboard:
            try:
                import torch.utils.tensorboard  # noqa: F401
            except ImportError as error:
                raise InputError("--tensorboard: the package is not installed: pip install tensorboard") from error

    def show(
        self, folder: Path, history: Sequence[tuple], tokens: int, of: int, rate: float, train_loss: float,
        val_loss: float | None, speed: float,
    ) -> None:  # fmt: skip
        """Say how far a run is.

        Args:
            history: its rows so far, as in history.csv: step, tokens, flops, lr, train_loss, val_loss, seconds.
            tokens, of: read, and of the whole run.
            train_loss: nats a character, mean of the steps since the last row.
            val_loss: the same of validation, if it was measured at this step.
            speed: tokens a second.
        """
        now = time.monotonic()
        pause = now - self.last.get(folder, now - SECONDS_BETWEEN_SIGNS)
        if pause >= SECONDS_BETWEEN_SIGNS:
            self.last[folder] = now
            sign = {
                "tokens": tokens,
                "of": of,
                "train_loss": round(train_loss, 4),
                "tokens_per_second": round(speed, 1),
                "pause": round(pause, 1),  # since the last sign
            }
            with contextlib.suppress(OSError):  # of a full disk what is worth a failure tells
                write_json(folder / SIGN, sign)
        if self.tensorboard:
            if folder not in self.writers:
                self.writers[folder] = events_of(folder, [row for row in history if row[1] < tokens])
            add(self.writers[folder], tokens, rate, train_loss, val_loss)
            self.writers[folder].add_scalar("tokens a second", speed, tokens)

    def end(self, folder: Path) -> None:
        """A run is finished: its results say more."""
        (folder / SIGN).unlink(missing_ok=True)
        if writer := self.writers.pop(folder, None):
            writer.close()


def events_of(folder: Path, history: Sequence[tuple]) -> "SummaryWriter":
    """The events of a run from its first step on, whichever job took it, in place of what was there before."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder), purge_step=0, flush_secs=10)
    for _, tokens, _, rate, train_loss, val_loss, _ in history:
        add(writer, tokens, float(rate), float(train_loss), float(val_loss))
    return writer


def add(writer: "SummaryWriter", tokens: int, rate: float, train_loss: float, val_loss: float | None) -> None:
    """Put a point on each curve, over tokens."""
    writer.add_scalar("loss/train", train_loss, tokens)
    if val_loss is not None:
        writer.add_scalar("loss/validation", val_loss, tokens)
    writer.add_scalar("learning rate", rate, tokens)
