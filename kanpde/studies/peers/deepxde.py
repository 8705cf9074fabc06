"""DeepXDE as in its examples `Burgers`, `Allen_Cahn`, `Poisson_Lshape` and `Helmholtz_Dirichlet_2d`.

A tanh network, Glorot's start, Adam at 1e-3, then L-BFGS. Adam takes its steps or half of the limit, whichever is less.
Points are Sobol's; conditions are penalties of weight 1; numbers are single, as by default there.
"""

import contextlib
import importlib
import io
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kanpde.studies.peers.statements import Index, Statement, Watch

PACKAGE = "deepxde"
EVERY, ADAM = 100, 0.5
"""Steps of Adam between two measurements; the share of the limit that it has."""


@dataclass(frozen=True)
class Settings:
    """Of one example: hidden layers and their width, points inside and on each piece, steps of Adam."""

    layers: int
    width: int
    inside: int
    side: int
    steps: int


STATIONARY = Settings(4, 50, 1200, 30, 50_000)
EVOLUTION = Settings(3, 20, 2540, 80, 15_000)
PERIODIC = Settings(3, 20, 8000, 800, 40_000)


def train(statement: Statement, seed: int, watch: Watch) -> None:
    os.environ.setdefault("DDE_BACKEND", "pytorch")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        _train(importlib.import_module("deepxde"), statement, seed, watch)


def _train(dde: Any, statement: Statement, seed: int, watch: Watch) -> None:
    own = STATIONARY if statement.problem.time is None else PERIODIC if statement.problem.periodic else EVOLUTION
    dde.config.set_random_seed(seed)
    residual, (rim, value) = statement.residual(torch), statement.known(own.side, seed)

    def equation(points: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
        jets = {index: _derivative(dde, field, points, index) for index in statement.indices}
        return residual(points.split(1, dim=1), jets)

    space = dde.geometry.PointCloud(statement.inside(own.inside, seed), boundary_points=rim)
    known = dde.icbc.PointSetBC(rim, value[:, None])
    data = dde.data.PDE(space, equation, [known], num_domain=own.inside, num_boundary=len(rim))
    network = dde.nn.FNN([statement.width, *[own.width] * own.layers, 1], "tanh", "Glorot normal")
    if statement.problem.periodic:
        network.apply_feature_transform(lambda x: torch.cat(statement.inputs(x.split(1, dim=1), torch), dim=1))
    model = dde.Model(data, network)

    def values(points: np.ndarray) -> np.ndarray:
        return model.predict(points.astype(np.float32))[:, 0]

    model.compile("adam", lr=1e-3, verbose=0)
    for _ in range(0, own.steps, EVERY):
        model.train(iterations=EVERY, display_every=EVERY, verbose=0)
        watch(values)
        if not watch.share(ADAM):
            break
    options = dde.optimizers.config.LBFGS_options  # as many as between two measurements, else a thousand at once
    options |= {"iter_per_step": EVERY, "fun_per_step": EVERY * 5 // 4}
    model.compile("L-BFGS", verbose=0)
    model.train(display_every=10**9, verbose=0, callbacks=[_stopper(dde, watch, values)])
    watch(values)


def _derivative(dde: Any, field: torch.Tensor, points: torch.Tensor, index: Index) -> torch.Tensor:
    for axis, order in enumerate(index):
        for _ in range(order):
            field = dde.grad.jacobian(field, points, i=0, j=axis)
    return field


def _stopper(dde: Any, watch: Watch, values: Any) -> Any:
    """Ends L-BFGS where the time does."""

    class Stopper(dde.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self) -> None:
            self.model.stop_training = not watch(values)

    return Stopper()
