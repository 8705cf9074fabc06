"""jaxKAN as in its tutorial on physics-informed networks: Chebyshev layers [d, 6, 6, 1] of degree 5, Adam at 1e-3.

    mean (residual at 2¹² Sobol points)² + mean (error at 2⁶ points a side)²

Derivatives are JAX's, by nested reverse mode as in its own equations; numbers are single, as by default there.
"""

import importlib
from typing import Any

import numpy as np

from kanpde.studies.peers.statements import Index, Statement, Watch

PACKAGE = "jaxkan"
INSIDE, SIDE, EVERY, LONGEST = 2**12, 2**6, 50, 100_000
LAYER = {
    "D": 5, "flavor": "exact", "residual": None, "external_weights": False,
    "init_scheme": {"type": "glorot_fine"}, "add_bias": True,
}  # fmt: skip


def train(statement: Statement, seed: int, watch: Watch) -> None:
    jax, nnx, optax = (importlib.import_module(name) for name in ("jax", "flax.nnx", "optax"))
    jnp, models = importlib.import_module("jax.numpy"), importlib.import_module("jaxkan.models.KAN")
    inside = tuple(jnp.asarray(column) for column in statement.inside(INSIDE, seed).T)
    rim, value = statement.known(SIDE, seed)
    sides, value = tuple(jnp.asarray(column) for column in rim.T), jnp.asarray(value)
    widths, residual = [statement.width, 6, 6, 1], statement.residual(jnp)
    network = models.KAN(layer_dims=widths, layer_type="chebyshev", required_parameters=LAYER, seed=seed)
    optimizer = nnx.Optimizer(network, optax.adam(learning_rate=1e-3), wrt=nnx.Param)

    def field(network: Any, *columns: Any) -> Any:
        return network(jnp.stack(statement.inputs(columns, jnp), axis=-1)[None])[0, 0]

    def lost(network: Any) -> Any:
        jets = {index: jax.vmap(_derivative(jax, network, field, index))(*inside) for index in statement.indices}
        found = jax.vmap(lambda *columns: field(network, *columns))(*sides)
        return jnp.mean(residual(inside, jets) ** 2) + jnp.mean((found - value) ** 2)

    @nnx.jit  # type: ignore[untyped-decorator]
    def step(network: Any, optimizer: Any) -> None:
        optimizer.update(network, nnx.grad(lost)(network))

    def values(points: np.ndarray) -> np.ndarray:
        columns = statement.inputs([jnp.asarray(column) for column in points.T], jnp)
        return np.asarray(network(jnp.stack(columns, axis=-1))[:, 0])

    for _ in range(0, LONGEST, EVERY):
        for _ in range(EVERY):
            step(network, optimizer)
        if not watch(values):
            return


def _derivative(jax: Any, network: Any, field: Any, index: Index) -> Any:
    """∂ of the field at one point."""

    def found(*columns: Any) -> Any:
        return field(network, *columns)

    for axis, order in enumerate(index):
        for _ in range(order):
            found = jax.grad(found, argnums=axis)
    return found
