"""The keys of a lattice problem: lattice, parameters, measure, edge, theory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import sympy

from kanpde.errors import InputError
from kanpde.files.yaml import Entries
from kanpde.problems.geometry.boxes import Box
from kanpde.problems.geometry.regions import Region
from kanpde.problems.language import (
    Scope,
    check_name,
    constant_value,
    parse_expression,
    shortened,
    suggestion,
)
from kanpde.problems.lattices import (
    ENERGY,
    IRRATIONAL,
    MEASURED,
    EdgeQuestion,
    Hopping,
    Measures,
    Parameter,
    SiteFunction,
    approximant,
    site_names,
)
from kanpde.problems.problem import Problem
from kanpde.problems.reading.entries import Source
from kanpde.problems.reading.lattice_schema import LATTICE_KEYS
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.settings import read_settings
from kanpde.problems.tasks.lattice import Lattice

KEYS = ("title", "parameters", *LATTICE_KEYS, "settings")
LARGEST, LARGEST_FULL, LARGEST_WINDOW = 10**8, 4096, 10**6
"""Sites at all, for all eigenvectors, and for a window of them."""
FUNCTIONS = ("x", "abs", "x^2", "x^3", "1/x", "sqrt", "log", "exp", "sin", "cosh", "tanh")
"""What edges of the classifier can be named by hand."""
CLOSED = 1e-9
POLE = 1e3
"""Over the median size of an onsite energy, what counts as a pole."""


def read_lattice(statement: Source, name: str, title: str) -> Problem:
    """The problem that a file with the key `lattice` states.

    Raises:
        InputError: in three parts, beginning with the file and the key.
    """
    for key in statement.data:
        if key not in KEYS:
            hint = suggestion(key, KEYS) or f" Use {', '.join(KEYS)}."
            raise InputError(
                f"{statement.label} has the key {shortened(key)}, which is none of a lattice problem.{hint}"
            )
    lattice, nowhere = _Reading(statement).lattice(), Box((), ())
    return Problem(
        name=name, title=title, coordinates=(), domain=nowhere, region=Region.all_of(nowhere, ()), fields=(),
        time=None, periodic=(),
        parameters={key: value.value for key, value in lattice.parameters.items() if not value.drawn},
        equations={}, conditions=(), exact={}, task=lattice, settings=read_settings(statement), source=statement.data,
    )  # fmt: skip


class _Reading:
    """One file on its way to a lattice; a method a key."""

    def __init__(self, source: Source):
        self.source = source
        self.own = self.section("lattice", "{sites: [610], onsite: 2*lam*cos(2*pi*b*n), hopping: 1}")

    def section(self, key: str, example: str) -> Entries:
        found, known = self.source.mapping(key, example), LATTICE_KEYS[key][1]["properties"]
        for name in found:
            if name not in known:
                hint = suggestion(name, known) or " Remove it."
                raise InputError(f"{self.source.where(key)} takes {', '.join(known)}; it has {shortened(name)}.{hint}")
        return found

    def lattice(self) -> Lattice:
        sites, periodic = self.sites(), self.periodic()
        parameters = self.parameters(sites, periodic)
        scope = Scope(coordinates=site_names(len(sites)), parameters=tuple(parameters), discrete=True)
        bonds = Scope(coordinates=(*scope.coordinates, "r", "axis"), parameters=scope.parameters, discrete=True)
        reach = self.reach(sites, periodic)
        known = Scope(coordinates=(ENERGY, *parameters), discrete=True)
        measures = self.measures(sites)
        found = Lattice(
            sites=sites,
            onsite=self.expression("lattice.onsite", self.own.get("onsite", 0), scope),
            hoppings=self.hoppings(sites, reach, bonds),
            phase=self.expression("lattice.phase", self.own.get("phase", 0), bonds),
            reach=None if isinstance(self.own.get("hopping"), dict) else reach,
            periodic=periodic,
            parameters=parameters,
            measures=measures,
            theory=self.theory(known),
        )
        self.check_closed(found)
        self.check_hermitian(found)
        return Lattice(**{**vars(found), "edge": self.edge(known, found)})

    def expression(self, key: str, text: object, scope: Scope) -> sympy.Expr:
        return parse_expression(text, scope, self.source.where(key))

    # the lattice

    def sites(self) -> tuple[int, ...]:
        where, value = self.source.where("lattice.sites"), self.own.get("sites")
        value = [value] if isinstance(value, int) else value
        if not isinstance(value, list) or not 1 <= len(value) <= 3 or not all(map(_is_count, value)):
            raise wrong_kind(where, "one whole number for each of one to three dimensions", value, "sites: [610]")
        if min(value) < 2 or math.prod(value) > LARGEST:
            raise InputError(
                f"{where} needs at least 2 sites along each axis and at most {LARGEST:.0e} in all; it has {value}. "
                "Take fewer: densities of states converge at 10⁶, spectra are for thousands."
            )
        return tuple(value)

    def periodic(self) -> bool:
        ends = self.own.get("ends", "periodic")
        if ends not in ("periodic", "open"):
            raise wrong_kind(self.source.where("lattice.ends"), "periodic or open", ends, "ends: open")
        return bool(ends == "periodic")

    def reach(self, sites: tuple[int, ...], periodic: bool) -> int:
        """The largest distance of hopping."""
        where, value = self.source.where("lattice.range"), self.own.get("range", 1)
        most = sites[0] // 2 if periodic else sites[0] - 1
        if value == "all":
            value = most
        if not isinstance(value, int) or not _is_count(value) or value < 1:
            raise wrong_kind(where, "a whole number from 1 or the word all", value, "range: 3")
        if value > most:
            raise InputError(f"{where} may be up to {most} on {sites[0]} sites; it is {value}. Lower it, or write all.")
        if value > 1 and len(sites) > 1:
            raise InputError(f"{where} needs a chain; it has {len(sites)} dimensions. Remove it: neighbors hop.")
        return value

    def hoppings(self, sites: tuple[int, ...], reach: int, scope: Scope) -> tuple[Hopping, ...]:
        value = self.own.get("hopping", 1)
        if not isinstance(value, dict):
            amplitude = self.expression("lattice.hopping", value, scope)
            if len(sites) == 1:
                return (Hopping(tuple((distance,) for distance in range(1, reach + 1)), amplitude),)
            units = tuple(tuple(int(a == b) for b in range(len(sites))) for a in range(len(sites)))
            return (Hopping(units, amplitude),)
        found = []
        where = self.source.where("lattice.hopping")
        if not value:
            raise wrong_kind(where, "an amplitude, or one for each distance on a chain", value, '{"1": 1, "2": 0.3}')
        for key, text in value.items():
            if len(sites) > 1 or not _is_step(key) or not 0 < abs(int(key)) < sites[0]:
                raise wrong_kind(where, "an amplitude, or one for each distance on a chain", key, '{"1": 1, "2": 0.3}')
            found.append(Hopping(((int(key),),), self.expression(f"lattice.hopping.{key}", text, scope)))
        return tuple(found)

    # parameters

    def parameters(self, sites: tuple[int, ...], periodic: bool) -> dict[str, Parameter]:
        found: dict[str, Parameter] = {}
        taken = (*site_names(len(sites)), "r", "axis", ENERGY, *IRRATIONAL, *MEASURED)
        for name, entry in self.source.mapping("parameters", "{lam: 1.5}").items():
            where = self.source.where(f"parameters.{name}")
            check_name(name, "parameter", self.source.where("parameters"))
            if name in taken:
                raise InputError(f"{where} needs a name of its own; {name} has a meaning on lattices. Rename it.")
            found[name] = self.parameter(entry, where, found, sites, periodic)
        return found

    def parameter(
        self, entry: object, where: str, before: Mapping[str, Parameter], sites: tuple[int, ...], periodic: bool
    ) -> Parameter:
        fixed = {name: sympy.Float(one.value) for name, one in before.items() if not one.drawn}
        scope = Scope(parameters=tuple(fixed), definitions=fixed)
        if isinstance(entry, str) and entry in IRRATIONAL:
            value = IRRATIONAL[entry]
            exact = approximant(value, sites[0], where) if periodic else value
            return Parameter.fixed(exact, irrational=True)
        if not isinstance(entry, dict):
            if isinstance(entry, bool) or not isinstance(entry, (str, int, float)):
                raise wrong_kind(where, "a number, an expression or golden", entry, "1.5")
            return Parameter.fixed(constant_value(parse_expression(entry, scope, where)))
        if set(entry) - {"range", "average"} or entry.get("average", False) not in (True, False):
            raise wrong_kind(where, "a range, with average: true if it is averaged over", entry, "{range: [0.2, 3]}")
        ends = entry.get("range")
        if not isinstance(ends, list) or len(ends) != 2:
            raise wrong_kind(where, "a range of two numbers", ends, "{range: [0.2, 3]}")
        low, high = (constant_value(parse_expression(end, scope, where)) for end in ends)
        if not low < high:
            raise InputError(f"{where} needs a range [low, high] with low < high; it has [{low:g}, {high:g}].")
        return Parameter(low, high, entry.get("average", False))

    # what is asked

    def measures(self, sites: tuple[int, ...]) -> Measures:
        own = self.section("measure", "{realizations: 100}")
        count = math.prod(sites)
        states = own.get("states", "all")
        counts = {"realizations": (1, 10**6), "lyapunov": (0, 10**8), "moments": (0, 10**5)}
        values = {}
        for name, (least, most) in counts.items():
            value = own.get(name, getattr(Measures, name))
            if not _is_count(value) or not least <= value <= most:
                wanted = f"a whole number from {least} to {most}"
                raise wrong_kind(self.source.where(f"measure.{name}"), wanted, value, f"{name}: 100")
            values[name] = value
        if states != "all" and (not _is_count(states) or not 0 <= states <= count):
            wanted = f"all, 0, or how many of the {count}"
            raise wrong_kind(self.source.where("measure.states"), wanted, states, "states: 40")
        sizes = own.get("sizes", [])
        if not isinstance(sizes, list) or not all(map(_is_count, sizes)) or any(size < 2 for size in sizes):
            raise wrong_kind(self.source.where("measure.sizes"), "a list of linear sizes", sizes, "sizes: [233, 610]")
        self.check_size(states, max([count, *(size ** len(sites) for size in sizes)]))
        near = constant_value(parse_expression(own.get("near", 0.0), Scope(), self.source.where("measure.near")))
        landscape = own.get("landscape", False)
        if landscape not in (True, False):
            raise wrong_kind(self.source.where("measure.landscape"), "true or false", landscape, "landscape: true")
        return Measures(**values, states=None if states == "all" else states, near=near, sizes=tuple(sizes),
                        landscape=landscape)  # fmt: skip

    def check_size(self, states: str | int, count: int) -> None:
        where = self.source.where("measure.states")
        if isinstance(states, str) and count > LARGEST_FULL:
            raise InputError(
                f"{where}: all states need a dense matrix, of at most {LARGEST_FULL} sites; there are {count}. Write "
                "states: 40 and near: 0 for a window by shift and invert, or states: 0 and moments: 1000 for the "
                "density of states."
            )
        if isinstance(states, int) and states > 0 and count > LARGEST_WINDOW:
            raise InputError(
                f"{where}: a window by shift and invert needs at most {LARGEST_WINDOW:.0e} sites; there are {count}. "
                "Write states: 0 and moments: 1000 for the density of states by the kernel polynomial method."
            )

    def theory(self, scope: Scope) -> dict[str, sympy.Expr]:
        texts = self.section("theory", "{edge: alpha*E + 2*lam - 2}")
        return {name: self.expression(f"theory.{name}", text, scope) for name, text in texts.items()}

    def edge(self, scope: Scope, lattice: Lattice) -> EdgeQuestion | None:
        if "edge" not in self.source.data:
            return None
        own, where = self.section("edge", "{label: lyapunov, states: 10}"), self.source.where("edge")
        label = own.get("label", "lyapunov" if lattice.measures.lyapunov else "dimension")
        if label not in ("lyapunov", "dimension"):
            raise wrong_kind(f"{where}.label", "lyapunov or dimension", label, "label: lyapunov")
        if label == "lyapunov" and not lattice.measures.lyapunov:
            raise InputError(
                f"{where}.label needs Lyapunov exponents; none are measured. Write measure: {{lyapunov: 30000}}."
            )
        if not lattice.axes:
            raise InputError(
                f"{where} needs a parameter that is drawn, to learn an edge against; none is. Write e.g. "
                "parameters: {lam: {range: [0.2, 3]}}."
            )
        if lattice.measures.realizations < 10:
            raise InputError(
                f"{where} needs at least 10 realizations, to train on some and test on others; there are "
                f"{lattice.measures.realizations}. Write measure: {{realizations: 700}}."
            )
        states = own.get("states", 10)
        if not _is_count(states) or states < 1:
            raise wrong_kind(f"{where}.states", "a whole number from 1", states, "states: 10")
        threshold = own.get("threshold", 3e-3 if label == "lyapunov" else 0.5)
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)):
            raise wrong_kind(f"{where}.threshold", "a number", threshold, "threshold: 0.5")
        terms = own.get("terms", _library(lattice.axes))
        if not isinstance(terms, list) or not 2 <= len(terms) <= 40:
            raise wrong_kind(f"{where}.terms", "a list of 2 to 40 terms in E and the parameters", terms, "[1, lam, E]")
        for place, text in enumerate(terms):
            self.expression(f"edge.terms.{place}", text, scope)
        functions = self.functions(own.get("functions", {}), lattice)
        return EdgeQuestion(label, float(threshold), states, tuple(map(str, terms)), functions)

    def functions(self, given: object, lattice: Lattice) -> dict[str, tuple[str, ...]]:
        """What the edges of an input are, by hand: one function, or one into the sum and one into the product."""
        where, inputs = self.source.where("edge.functions"), (ENERGY, *lattice.axes)
        stated = given if isinstance(given, dict) else {"": []}
        listed: dict[str, list[str]] = {name: [one] if isinstance(one, str) else one for name, one in stated.items()}
        known = list(FUNCTIONS)
        good = all(
            name in inputs and isinstance(own, list) and len(own) in (1, 2) and all(one in known for one in own)
            for name, own in listed.items()
        )
        if not good:
            wanted = f"for some of {', '.join(inputs)} one or two of {', '.join(FUNCTIONS)}"
            raise wrong_kind(where, wanted, given, "functions: {p: [exp, cosh]}")
        return {name: tuple(own) for name, own in listed.items()}

    # checks

    def check_closed(self, lattice: Lattice) -> None:
        """A ring's onsite energies and hoppings repeat after N sites, and are finite numbers."""
        n = np.arange(min(12, lattice.sites[0]))
        names = site_names(lattice.dimension)
        values = {name: one.value + 0 * n for name, one in lattice.parameters.items()}
        places = {**values, **dict.fromkeys((*names, "r", "axis"), n), "r": 1.0 + 0 * n, "axis": 1.0 + 0 * n}
        exprs = {"onsite": lattice.onsite, "hopping": lattice.hoppings[0].amplitude, "phase": lattice.phase}
        for key, expr in exprs.items():
            function = SiteFunction(expr)
            here = function(places, np.random.default_rng(0))
            if not np.isfinite(here).all():
                raise InputError(
                    f"{self.source.where(f'lattice.{key}')} needs finite numbers at every site; it is "
                    f"{here[~np.isfinite(here)][0]} at some. Restrict the parameters."
                )
            for name, count in zip(names, lattice.sites, strict=True):
                if lattice.periodic and function.depends_on(name) and key != "phase":
                    there = function({**places, name: n + count}, np.random.default_rng(0))
                    if np.abs(there - here).max() > CLOSED * max(1.0, np.abs(here).max()):
                        raise InputError(
                            f"{self.source.where(f'lattice.{key}')} needs to repeat after {count} sites on a periodic "
                            f"lattice; it does not ({here[-1]:.4g} at {name} = {n[-1]}, {there[-1]:.4g} a turn on). "
                            "Write b: golden for an approximant, a number of sites that the period of a mosaic "
                            "divides, or ends: open."
                        )
        self.check_bounded(lattice)

    def check_bounded(self, lattice: Lattice) -> None:
        """Onsite energies stay finite over the corners of all ranges, as |α| ≥ 1 in 1/(1 - α cos) does not let them."""
        function = SiteFunction(lattice.onsite)
        ends = [(one.low, one.high) if one.drawn and not one.average else (one.value,) for one in
                lattice.parameters.values()][:10]  # fmt: skip
        rng = np.random.default_rng(0)
        turns = np.linspace(0, 1, 721)[:, None]
        averaged = {name: one.low + (one.high - one.low) * turns for name, one in lattice.parameters.items()
                    if one.average}  # fmt: skip
        n = np.arange(min(200, lattice.sites[0]))[None, :]
        for corner in itertools.product(*ends):
            values = dict(zip(lattice.parameters, corner, strict=False)) | averaged
            found = function({**values, **dict.fromkeys(site_names(lattice.dimension), n), "_": turns + 0 * n}, rng)
            sizes = np.abs(found[np.isfinite(found) & (found != 0)])
            poles = not np.isfinite(found).all() or (sizes.size > 0 and sizes.max() / POLE > np.median(sizes))
            if poles and not function.depends_on("draws"):
                shown = ", ".join(f"{name} = {value:.4g}" for name, value in zip(lattice.parameters, corner,
                                                                                 strict=False))  # fmt: skip
                raise InputError(
                    f"{self.source.where('lattice.onsite')} needs bounded energies; it has a pole at {shown}. Keep the "
                    "parameters where it has none, |alpha| < 1 in 1/(1 - alpha*cos(…))."
                )

    def check_hermitian(self, lattice: Lattice) -> None:
        """Where both n → n+d and n+d → n are given, they agree."""
        given = {one.displacements[0][0]: one for one in lattice.hoppings if len(one.displacements) == 1}
        n = np.arange(lattice.sites[0])
        values = {name: one.value + 0 * n for name, one in lattice.parameters.items()}
        for distance, hopping in given.items():
            if lattice.dimension > 1 or distance > 0:
                continue
            forward = given.get(-distance)
            rng = [np.random.default_rng(0), np.random.default_rng(0)]
            one = SiteFunction(hopping.amplitude)({**values, "n": n - distance, "r": -distance + 0 * n}, rng[0])
            other = 0 * one
            if forward is not None:
                other = SiteFunction(forward.amplitude)({**values, "n": n, "r": -distance + 0 * n}, rng[1])
            if np.abs(one - other).max() > CLOSED * max(1.0, np.abs(one).max()):
                raise InputError(
                    f"{self.source.where('lattice.hopping')} needs a Hermitian matrix, the same amplitude from n to "
                    f"n{-distance:+d} and back; it has {other[0]:.4g} and {one[0]:.4g}. Give positive distances alone; "
                    "the way back follows."
                )


def _library(names: tuple[str, ...]) -> list[str]:
    """1, each parameter, E, and their products in pairs, |E| times each among them: what edges are searched in."""
    pairs = itertools.combinations_with_replacement((*names, ENERGY), 2)
    return ["1", *names, ENERGY, *(f"{a}*{b}" for a, b in pairs), f"abs({ENERGY})",
            *(f"{name}*abs({ENERGY})" for name in names)]  # fmt: skip


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_step(key: object) -> bool:
    return _is_count(key) or (isinstance(key, str) and key.lstrip("-").isdigit())
