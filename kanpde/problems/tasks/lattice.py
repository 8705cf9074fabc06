"""The task `lattice`: what is measured on a tight-binding model instead of a field that is solved for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import sympy

from kanpde.problems.language import latex_of, text_of
from kanpde.problems.lattices import EdgeQuestion, Hopping, Measures, Parameter, draws_of
from kanpde.problems.problem import Problem, Task
from kanpde.problems.reading.lattice_schema import LATTICE_KEYS
from kanpde.problems.reading.schema_parts import Schema

OTHERS = (
    "coordinates", "fields", "boundary", "initial", "periodic", "coefficients", "exact", "reference", "shapes",
    "domain", "data",
)  # fmt: skip
"""Keys of fields, which a lattice has none of."""


@dataclass(frozen=True)
class Lattice(Task):
    """What a problem file says under `lattice`, `parameters`, `measure`, `edge` and `theory`."""

    key: ClassVar[str] = "lattice"
    example: ClassVar[str] = '{sites: [610], onsite: "2*lam*cos(2*pi*b*n)", hopping: 1}'
    about: ClassVar[str] = LATTICE_KEYS["lattice"][0]
    schema: ClassVar[Schema] = LATTICE_KEYS["lattice"][1]
    replaces: ClassVar[tuple[str, ...]] = OTHERS

    sites: tuple[int, ...]
    onsite: sympy.Expr
    hoppings: tuple[Hopping, ...]
    phase: sympy.Expr
    reach: int | None
    periodic: bool
    parameters: Mapping[str, Parameter]
    measures: Measures
    edge: EdgeQuestion | None = None
    theory: Mapping[str, sympy.Expr] = field(default_factory=dict)

    @property
    def question(self) -> EdgeQuestion:
        """What is asked of the mobility edge; only of lattices that ask."""
        if self.edge is None:
            raise ValueError("the lattice asks for no edge")
        return self.edge

    @property
    def count(self) -> int:
        """How many sites."""
        return math.prod(self.sites)

    @property
    def dimension(self) -> int:
        return len(self.sites)

    @property
    def drawn(self) -> tuple[str, ...]:
        """Parameters that each realization draws."""
        return tuple(name for name, value in self.parameters.items() if value.drawn)

    @property
    def axes(self) -> tuple[str, ...]:
        """Drawn parameters that are not averaged over: what results are shown against."""
        return tuple(name for name in self.drawn if not self.parameters[name].average)

    @property
    def random(self) -> bool:
        """Whether anything differs between realizations."""
        return bool(self.drawn) or any(draws_of(e) for e in (self.onsite, *(h.amplitude for h in self.hoppings)))

    def lines(self, problem: Problem) -> Iterator[str]:
        yield f"  sites: {' × '.join(map(str, self.sites))}, {'periodic' if self.periodic else 'open'}"
        yield f"  onsite: {text_of(self.onsite)}"
        yield f"    LaTeX {latex_of(self.onsite)}"
        for hopping in self.hoppings:
            first, last = hopping.displacements[0], hopping.displacements[-1]
            reach = f"distance {first[0]}" if first == last else f"distances {first[0]} to {last[0]}"
            yield f"  hopping: {text_of(hopping.amplitude)}, {reach if self.dimension == 1 else 'to neighbors'}"
        if self.phase != 0:
            yield f"  phase: {text_of(self.phase)}"
        yield from (f"  {name}: {one.described()}" for name, one in self.parameters.items())
        yield from (f"  theory, {name}: {text_of(expr)}" for name, expr in self.theory.items())
        if self.edge is not None:
            terms = ", ".join(self.edge.terms)
            yield f"  edge: localized by {self.edge.label} against {self.edge.threshold:g}, terms {terms}"
            for name, functions in self.edge.functions.items():
                yield f"    edges of {name}: {', '.join(functions)}"

    def verdicts(self, problem: Problem) -> Iterator[str]:
        if self.periodic:
            yield "ends: energies and hoppings repeat after a turn"
        yield "hopping: the matrix is Hermitian"
        yield "onsite: finite over the ranges of all parameters"
        states = "all" if self.measures.states is None else str(self.measures.states)
        yield f"measure: {states} states of {self.count} in {self.measures.realizations} realizations"


def lattice_of(problem: Problem) -> Lattice:
    """The lattice that a problem states; only for those that do."""
    if not isinstance(problem.task, Lattice):
        raise TypeError(f"{problem.name} states no lattice")
    return problem.task
