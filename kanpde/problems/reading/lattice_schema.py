"""The JSON Schema of the keys of lattice problems, and what each key is for."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

EXPRESSION: Schema = {"type": ["string", "number"]}
WHOLE: Schema = {"type": "integer", "minimum": 0}


def _keys(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


SITES = {"type": "array", "items": {"type": "integer", "minimum": 2}, "minItems": 1, "maxItems": 3}
ALL = {"const": "all"}

LATTICE_KEYS: dict[str, tuple[str, Schema]] = {
    "lattice": (
        "in place of coordinates, fields and equations, a tight-binding model: `{sites: [610], onsite: "
        '"2*lam*cos(2*pi*b*n)", hopping: 1, ends: periodic}`; `n`, or `n1 n2 n3`, count sites, `uniform(-1/2, 1/2)` '
        "and `normal(0, 1)` draw a number a site; see `kanpde/lattices/README.md`",
        _keys(
            sites={"anyOf": [{"type": "integer", "minimum": 2}, SITES]},
            onsite=EXPRESSION,
            hopping={"anyOf": [EXPRESSION, {"type": "object", "additionalProperties": EXPRESSION}]},
            range={"anyOf": [{"type": "integer", "minimum": 1}, ALL]},
            phase=EXPRESSION,
            ends={"enum": ["periodic", "open"]},
        ),
    ),
    "measure": (
        "on a lattice: `realizations`, `states` (`all`, or how many next to the energy `near`), steps of `lyapunov`, "
        "`moments` of the density of states, other `sizes`, `landscape`",
        _keys(
            realizations={"type": "integer", "minimum": 1},
            states={"anyOf": [WHOLE, ALL]},
            near=EXPRESSION,
            lyapunov=WHOLE,
            moments=WHOLE,
            sizes={"type": "array", "items": {"type": "integer", "minimum": 2}},
            landscape={"type": "boolean"},
        ),
    ),
    "edge": (
        "on a lattice: a mobility edge to learn; the `label` is `lyapunov` or `dimension` against a `threshold`, "
        "`states` of each realization are taken; `functions: {p: [exp, cosh]}` names edges of the network by hand, "
        "into the sum and into the product; `terms` make the formula where edges have no names",
        _keys(
            label={"enum": ["lyapunov", "dimension"]},
            threshold={"type": "number"},
            states={"type": "integer", "minimum": 1},
            functions={"type": "object"},
            terms={"type": "array", "items": EXPRESSION, "minItems": 2, "maxItems": 40},
        ),
    ),
    "theory": (
        "on a lattice, in E and the parameters: `edge`, positive where states are localized, and `lyapunov`, γ",
        _keys(edge=EXPRESSION, lyapunov=EXPRESSION),
    ),
}
"""Of each key, what it is for and what it takes."""
