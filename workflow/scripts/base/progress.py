"""Say how far a long step is: a bar on a terminal, a line now and then in a log."""

import sys
import time

from tqdm import tqdm

LOG_SECONDS = 30


class Progress:
    """A step of ``total`` units, as a context; in a log it says its name and time when it ends."""

    def __init__(self, what: str, total: int, unit: str):
        self.what, self.total, self.unit = what, total, unit
        self.done = self.files = 0

    def __enter__(self) -> "Progress":
        self.started = self.said = time.monotonic()
        scale = self.unit == "B"
        self.bar = tqdm(
            total=self.total, desc=self.what, unit=self.unit, unit_scale=scale, disable=not sys.stderr.isatty()
        )
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        self.bar.close()
        if kind is None and self.bar.disable:
            files = f", {self.files:,} files" if self.files else ""
            print(f"{self.what}: {time.monotonic() - self.started:.1f} s{files}", flush=True)

    def update(self, n: int) -> None:
        self.done += n
        self.bar.update(n)
        if self.bar.disable and time.monotonic() - self.said > LOG_SECONDS:
            self.said = time.monotonic()
            seconds = self.said - self.started
            left = (
                f", {seconds / self.done * (self.total - self.done):.0f} s left" if 0 < self.done <= self.total else ""
            )
            files = f", {self.files:,} files at {self.files / seconds:.0f}/s" if self.files else ""
            print(f"  {self.what}: {self.done / max(self.total, 1):.0%}{files}{left}", flush=True)

    def count(self, files: int) -> None:
        """Count files apart from the units of progress."""
        self.files += files
        if not self.bar.disable and self.files % 100 == 0:
            self.bar.set_postfix_str(f"{self.files / (time.monotonic() - self.started):.0f} files/s", refresh=False)
