"""TensorBoard: a folder `tensorboard` in the run's, for `tensorboard --logdir outputs`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from kanpde.runs.trackers.interface import Tracked, Tracker


class TensorboardTracker(Tracker):
    """Scalars by step; the settings as a text; the metrics of the end as `final/…`."""

    def __init__(self, run: Tracked):
        folder = run.folder / "tensorboard"
        for earlier in folder.glob("events.out.tfevents.*"):  # of the same run, made again
            earlier.unlink()
        self.writer = _writer_class()(str(folder))
        self.step = 0
        rows = [f"| {name} | {value} |" for name, value in run.settings.items()]
        self.writer.add_text("settings", "\n".join(["| setting | value |", "|---|---|", *rows]), 0)

    def record(self, step: int, values: Mapping[str, float]) -> None:
        self.step = step
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def end(self, status: str, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(f"final/{name}", value, self.step)
        self.writer.add_text("status", status, self.step)
        self.writer.close()


def _writer_class() -> type:
    """PyTorch's, which needs TensorBoard itself, or tensorboardX, which is smaller and needs not even that."""
    try:
        found = importlib.import_module("torch.utils.tensorboard")
    except ImportError:
        found = importlib.import_module("tensorboardX")
    writer: type = found.SummaryWriter
    return writer
