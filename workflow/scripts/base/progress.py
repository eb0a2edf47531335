"""Say how far a long step is: a bar on a terminal, a line now and then in a log."""

import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

LOG_SECONDS = 30  # between two lines of a log


class Progress:
    """A step of ``total`` units, as a context.

    In a log it says its name and its time when it ends, if it has a name.

    Attributes:
        in_log: whether lines are wanted in place of a bar.
    """

    def __init__(self, what: str, total: int, unit: str, done: int = 0, keep: bool = True, quiet: bool = False):
        """``done`` units were done before; ``keep`` leaves the bar on the terminal at the end; ``quiet`` shows none."""
        self.what, self.total, self.unit, self.keep = what, total, unit, keep
        self.done = done
        self.files = 0
        self.in_log = quiet or not sys.stderr.isatty()

    def __enter__(self) -> Self:
        self.started = self.said = time.monotonic()
        self.bar = tqdm(
            total=self.total, desc=self.what, unit=self.unit, unit_scale=self.unit == "B", initial=self.done,
            leave=self.keep, disable=self.in_log,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()
        if kind is None and self.in_log and self.what:
            files = f", {self.files:,} files" if self.files else ""
            print(f"{self.what}: {time.monotonic() - self.started:.1f} s{files}", flush=True)

    def is_line_due(self, seconds: float = LOG_SECONDS) -> bool:
        """Whether it is time for a line in the log; if so, the next one is due after as long."""
        if not self.in_log or time.monotonic() - self.said <= seconds:
            return False
        self.said = time.monotonic()
        return True

    def update(self, n: int) -> None:
        """Count ``n`` more units as done."""
        self.done += n
        self.bar.update(n)
        if self.what and self.is_line_due():
            seconds = self.said - self.started
            left = (
                f", {seconds / self.done * (self.total - self.done):.0f} s left" if 0 < self.done <= self.total else ""
            )
            files = f", {self.files:,} files at {self.files / seconds:.0f}/s" if self.files else ""
            print(f"  {self.what}: {self.done / max(self.total, 1):.0%}{files}{left}", flush=True)

    def count(self, files: int) -> None:
        """Count files apart from the units of progress."""
        self.files += files
        if not self.in_log and self.files % 100 == 0:
            self.show(f"{self.files / (time.monotonic() - self.started):.0f} files/s", refresh=False)

    def show(self, text: str, refresh: bool = True) -> None:
        """Put a few words at the end of the bar."""
        self.bar.set_postfix_str(text, refresh=refresh)
