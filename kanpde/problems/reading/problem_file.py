"""The keys of a problem file in their order, and those that every problem has: names, ranges, equations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import sympy

from kanpde.errors import InputError
from kanpde.files.yaml import Entries
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.fillings import filling_of
from kanpde.problems.language import (
    ExpressionError,
    Scope,
    check_name,
    constant_value,
    derivative_index,
    parse_complex,
    parse_expression,
    shortened,
    suggestion,
)
from kanpde.problems.listing import problem_title
from kanpde.problems.named_files import NamedFiles
from kanpde.problems.problem import Condition, Problem, Task
from kanpde.problems.reading.coefficients import read_coefficients
from kanpde.problems.reading.conditions import read_conditions
from kanpde.problems.reading.constraints import parted, read_constraints
from kanpde.problems.reading.data import read_data
from kanpde.problems.reading.entries import Source, double_of
from kanpde.problems.reading.families import family_names, family_ranges
from kanpde.problems.reading.fewer_coordinates import fewer_coordinates, still_equations
from kanpde.problems.reading.interfaces import across_walls
from kanpde.problems.reading.lattice_schema import LATTICE_KEYS
from kanpde.problems.reading.lattices import read_lattice
from kanpde.problems.reading.learned import read_bounds, read_learned, read_priors
from kanpde.problems.reading.mappings import check_mapping, read_mapping
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.metrics import metric_warnings, read_metric
from kanpde.problems.reading.own_names import check_own_names
from kanpde.problems.reading.parts import (
    insides,
    own_coefficients,
    own_equations,
    parted_value,
    parting_shapes,
    read_homes,
    within_homes,
    within_parts,
)
from kanpde.problems.reading.reference import check_reference, read_reference
from kanpde.problems.reading.rims import across_seams
from kanpde.problems.reading.schema import KEYS
from kanpde.problems.reading.settings import read_settings
from kanpde.problems.reading.shapes import read_region, read_shapes
from kanpde.problems.reading.units import check_units
from kanpde.problems.reading.vectors import complex_fields, field_names, vector_fields
from kanpde.problems.tasks import task_of

MAX_DIMENSION = 20
SHORTEST = 1e-30
AT_THE_END = " What holds at the end of time is a condition: boundary: {t+: u = 0}."


def read_statement(
    data: Entries, label: str, name: str, samples: Mapping[str, np.ndarray] | None = None
) -> Problem:
    """The problem that plain data states, its solvability not yet checked.

    The files that it names are read, unless their `samples` are given: then no disk is looked at.

    Raises:
        InputError: in three parts, beginning with `label` and the key.
    """
    return ProblemFile(data, label, NamedFiles(samples)).problem(name)


class ProblemFile(Source):
    """A problem file on its way to a problem; each method reads one key."""

    def problem(self, name: str) -> Problem:
        if "lattice" in self.data:
            return read_lattice(self, name, self.title(name))
        self.check_keys()
        kind = task_of(self)
        self.check_complete(kind)
        parameters = self.parameters()
        family = family_names(self)
        coordinates, box = self.coordinates(parameters)
        ranges = dict(zip(coordinates, zip(box.lower, box.upper, strict=True), strict=True))
        scope = replace(self.scope(coordinates, parameters), family=family, ranges=ranges)
        scope = replace(scope, metric=read_metric(self, scope, box))
        shapes = read_shapes(self, self.with_tables(scope, box), box)
        parts = parting_shapes(self, shapes)
        space = tuple(axis for axis, name in enumerate(coordinates) if name not in (scope.time, *family))
        scope = replace(scope, shapes=insides(parts, coordinates, space))
        coefficients = read_coefficients(
            self.mapping("coefficients", "{V: 1 + x**2}"), scope, box, self.where("coefficients"), self.files
        )
        coefficients = own_coefficients(self, scope, coefficients)
        scope = replace(scope, definitions={**scope.definitions, **coefficients})
        self.check_derivative_names([*coefficients], scope.fields, coordinates)
        narrow = fewer_coordinates(self, scope)
        homes = read_homes(self, scope, parts, narrow)
        scope = read_mapping(self, replace(scope, narrow=narrow), box)
        scope = replace(scope, history=self.history(scope))
        exact = self.exact(scope)
        exact = kind.solution(self, scope) or exact
        check_mapping(self, scope, box, exact)
        learned = read_learned(self, parameters)
        known = {name: value for name, value in parameters.items() if name not in learned}
        places = {name: scope.definitions[name] for name in scope.slopes if name in scope.definitions}
        scope = replace(scope, auto=bool(exact), definitions={**known, **coefficients, **places})
        periodic = self.periodic(coordinates, family)
        check_reference(self, exact)
        region = read_region(self, scope, box, shapes, [name for name, _ in parts])
        fill = partial(filling_of, region, parts, tuple(coordinates[axis] for axis in region.axes), shapes)
        scope = replace(scope, regions=tuple(shapes), filled=not region.whole, fill=fill)
        task = kind.read(self, scope)
        fields = task.fields(self, scope)
        conditions = read_conditions(self, scope, exact, periodic, region, box)
        if homes:
            conditions = tuple(within_homes(self, conditions, scope, homes, parts, region, box))
        conditions = within_parts(conditions, parts, region, box)
        conditions = task.conditions(conditions, fields, scope, self.where("boundary"))
        equations = task.equations(self, scope, exact)
        stated = own_equations(self, scope, exact, equations, homes)
        equations, walls = self.across_walls(stated.residuals, scope, box)
        stated = replace(stated, residuals=equations)
        equations, rims = across_seams(self, stated, scope, exact, parts if equations else (), homes, region, box)
        texts = self.data.get("equations")
        equations, apart = parted(equations, scope, region, box, texts if isinstance(texts, dict) else {})
        conditions = (*conditions, *walls, *rims, *apart, *read_constraints(self, scope, exact, region, box))
        equations |= still_equations(narrow, coordinates)
        check_own_names(self, fields, learned)
        check_units(self, scope, conditions)
        truths = {name: parameters[name] for name in learned}
        data = read_data(self, scope, box, exact, truths, task.test_share(self), region)
        read_reference(self, coordinates, fields)
        return Problem(
            name=name,
            title=self.title(name),
            coordinates=coordinates,
            domain=box,
            region=region,
            fields=fields,
            time=coordinates.index("t") if "t" in coordinates else None,
            periodic=periodic,
            parameters={key: constant_value(value) for key, value in parameters.items()},
            equations=equations,
            conditions=conditions,
            task=task,
            parts=parts,
            homes=homes,
            held=stated.held,
            exact=exact,
            learned=learned,
            bounds=read_bounds(self, learned),
            priors=read_priors(self, learned),
            vectors=dict(scope.vectors),
            complexes=dict(scope.complexes),
            narrow=narrow,
            metric=scope.metric,
            places=places,
            slopes=dict(scope.slopes),
            family=tuple(map(coordinates.index, family)),
            data=data,
            coefficients=coefficients,
            settings=read_settings(self),
            warnings=(*self.unused(), *metric_warnings(self, coordinates)),
            source=self.files.sealed(self.data),
            samples=self.files.samples,
        )

    def with_tables(self, scope: Scope, box: Box) -> Scope:
        """The scope with coefficients out of files, which level sets may be made of; others may depend on shapes."""
        stated = self.mapping("coefficients", "{V: 1 + x**2}")
        tables = {name: value for name, value in stated.items() if isinstance(value, dict) and "file" in value}
        if not tables or not self.mapping("shapes", '{hole: "disk(0, 0, 0.1)"}'):
            return scope
        found = read_coefficients(tables, scope, box, self.where("coefficients"), self.files)
        return replace(scope, definitions={**scope.definitions, **found})

    def check_keys(self) -> None:
        for key in self.data:
            if key in LATTICE_KEYS:
                raise InputError(f"{self.label} has {key}, which needs a lattice; there is none. Add lattice: {{…}}.")
            if key not in KEYS:
                hint = AT_THE_END if key in ("final", "terminal") else suggestion(key, KEYS)
                hint = hint or f" Use {', '.join(KEYS)}."
                raise InputError(f"{self.label} has the key {shortened(key)}, which is none of a problem.{hint}")

    def check_complete(self, kind: type[Task]) -> None:
        needed = {"coordinates": "{x: [0, 1]}", "fields": "[u]", kind.key: kind.example}
        for key, example in needed.items():
            if self.data.get(key) in (None, "", [], {}):
                own = key == kind.key and self.data.get("data")
                other = ", or fit: true, where the fields follow the data alone" if own else ""
                raise InputError(f"{self.label} needs {key}; it has none. Add {key}: {example}{other}.")

    def unused(self) -> tuple[str, ...]:
        """A sentence on each parameter that no other entry of the file mentions."""
        own = self.mapping("parameters", "{nu: 0.01/pi}")
        texts = [*_texts({key: value for key, value in self.data.items() if key not in ("title", "parameters")})]
        return tuple(
            f"The parameter {name} is used nowhere: changing it changes nothing. Put it into an equation, or remove it."
            for name in own
            if not _mentioned(name, [*texts, *_texts({key: value for key, value in own.items() if key != name})])
        )

    def title(self, name: str) -> str:
        return problem_title(self.data, name, self.label)

    # names and ranges

    def coordinates(self, parameters: dict[str, sympy.Expr]) -> tuple[tuple[str, ...], Box]:
        ranges = self.mapping("coordinates", "{x: [-1, 1], t: [0, 1]}") | family_ranges(self)
        if len(ranges) > MAX_DIMENSION:
            raise InputError(
                f"{self.where('coordinates')} may have {MAX_DIMENSION} entries; it has {len(ranges)}. Use fewer."
            )
        scope = Scope(parameters=tuple(parameters), definitions=parameters)
        bounds = [self.bounds(name, value, scope) for name, value in ranges.items()]
        return tuple(ranges), Box(tuple(low for low, _ in bounds), tuple(high for _, high in bounds))

    def bounds(self, name: str, value: object, scope: Scope) -> tuple[float, float]:
        check_name(name, "coordinate", self.where("coordinates"))
        where = self.where(f"coordinates.{name}")
        if not isinstance(value, list) or len(value) != 2:
            raise wrong_kind(where, "a range of two numbers", value, f"{name}: [0, 1]")
        low, high = (constant_value(double_of(parse_expression(end, scope, where), where)) for end in value)
        if not low < high or not high - low < float("inf"):
            raise InputError(
                f"{where} needs a range [low, high] with low < high; it has [{low:g}, {high:g}]. Correct it."
            )
        if not SHORTEST < high - low < 1 / SHORTEST:
            raise InputError(
                f"{where} needs a length from {SHORTEST:g} to {1 / SHORTEST:g}, whose powers doubles can hold; it has "
                f"{high - low:g}. Choose another unit."
            )
        return low, high

    def scope(self, coordinates: tuple[str, ...], parameters: dict[str, sympy.Expr]) -> Scope:
        vectors = vector_fields(self, coordinates)
        fields = field_names(self)
        complexes = complex_fields(self)
        for name in (*fields, *vectors, *complexes):
            check_name(name, "field", self.where("fields"))
        names = [*coordinates, *fields, *vectors, *complexes, *parameters]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f'{self.label} needs a different name for each coordinate, field and parameter; "{name}" is used '
                    "twice. Rename one."
                )
        self.check_derivative_names(names, (*fields, *vectors, *complexes), coordinates)
        time = "t" if "t" in coordinates else None
        return Scope(
            coordinates, fields, tuple(parameters), time=time, vectors=vectors, complexes=complexes,
            definitions=parameters,
        )  # fmt: skip

    def check_derivative_names(self, names: list[str], fields: tuple[str, ...], coordinates: tuple[str, ...]) -> None:
        for name in names:
            for field in fields:
                if name.startswith(f"{field}_") and _is_subscript(name[len(field) + 1 :], coordinates):
                    raise InputError(
                        f'{self.label} needs names that are not derivatives; "{name}" reads as a derivative of '
                        f"{field}. Rename it."
                    )

    def periodic(self, coordinates: tuple[str, ...], family: tuple[str, ...]) -> tuple[int, ...]:
        names = self.words("periodic", "[x]") if self.data.get("periodic") is not None else ()
        for name in names:
            space = [c for c in coordinates if c != "t" and c not in family]
            if name not in space:
                raise InputError(
                    f"{self.where('periodic')} needs space coordinates ({', '.join(space)}); it has {shortened(name)}."
                    f"{suggestion(name, space) or ' Remove it.'}"
                )
        return tuple(sorted({coordinates.index(name) for name in names}))

    # equations and solutions

    def exact(self, scope: Scope) -> dict[str, sympy.Expr]:
        texts = self.mapping("exact", '{u: "sin(pi*x)"}')
        if not texts:
            return {}
        parts = {part: name for name, pair in scope.complexes.items() for part in pair}
        wanted = tuple(dict.fromkeys(parts.get(name, name) for name in scope.fields))
        for name in (*wanted, *texts):
            if name not in texts or name not in wanted:
                raise InputError(
                    f"{self.where('exact')} needs every field ({', '.join(wanted)}) and nothing else; "
                    f"{shortened(name)} is {'missing' if name not in texts else 'no field'}. Correct it."
                )
        real = [name for name in wanted if name not in scope.complexes]
        found = {name: self.known_by_part(f"exact.{name}", texts[name], scope) for name in real}
        for name, pair in scope.complexes.items():
            values = parse_complex(texts[name], scope, self.where(f"exact.{name}"))
            found |= dict(zip(pair, values, strict=True))
        return {name: found[name] for name in scope.fields}

    def known_by_part(self, key: str, value: object, scope: Scope) -> sympy.Expr:
        """An expression without fields, or one for each part."""
        parted = parted_value(value, replace(scope, fields=()), self.where(key))
        return self.known(key, value, scope) if parted is None else parted

    def across_walls(
        self, equations: dict[str, sympy.Expr], scope: Scope, box: Box
    ) -> tuple[dict[str, sympy.Expr], tuple[Condition, ...]]:
        """Equations, and the fluxes that go on where a factor in them jumps."""
        try:
            return across_walls(equations, scope, box)
        except ExpressionError as error:
            raise InputError(f"{self.where('equations')} {error}") from None

    def history(self, scope: Scope) -> dict[str, sympy.Expr]:
        """What fields were before time began."""
        texts = self.mapping("history", '{u: "cos(t)"}')
        if texts and (scope.time is None or set(texts) != set(scope.fields)):
            raise InputError(
                f"{self.where('history')} needs the coordinate t and an expression for every field "
                f"({', '.join(scope.fields)}); it has {', '.join(map(str, texts))}. Correct it."
            )
        return {name: self.known(f"history.{name}", text, scope) for name, text in texts.items()}


def _texts(value: object) -> Iterator[str]:
    """All strings in plain data."""
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(part)


def _mentioned(name: str, texts: Iterable[str]) -> bool:
    word = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])")
    return any(word.search(text) for text in texts)


def _is_subscript(text: str, coordinates: tuple[str, ...]) -> bool:
    try:
        return derivative_index(text, coordinates) is not None
    except ExpressionError:
        return True
