"""From samples to a formula: templates from small to large, a few short starts each, until one is exact."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sympy
import torch

from kanpde.models.networks.edges import EdgeNetwork, Key
from kanpde.models.networks.pruning import cut
from kanpde.symbolic.constants import rounded
from kanpde.symbolic.fitting import CLEAN, allowed, fit, rms, robust_error
from kanpde.symbolic.formulas import Formula, simplest
from kanpde.symbolic.samples import OUTER, Samples, outers
from kanpde.symbolic.snapping import explained, snap
from kanpde.symbolic.sparsity import prune, sparsify, straighten
from kanpde.symbolic.structure import Structure, structure_of_samples
from kanpde.symbolic.templates import Template, suggested, templates
from kanpde.symbolic.trees import INVERSE, INVERSE_VALUES, expression, tree_of, values


@dataclass(frozen=True)
class Search:
    """How formulas are sought.

    Args:
        starts: Random networks for each template.
        grids: Cells of the splines, coarse to fine.
        degree: Of the splines.
        good: Held-out error, relative to the spread of f, below which a template is tried for names.
        exact: Held-out error at which a formula is taken for exact, and the search ends.
        budget: CPU seconds after which no further template is begun.
        doubt: Relative error of the values themselves, as a solver leaves it; three times that cannot be told from it.
        names: Functions of the library; all unless given.
    """

    starts: int = 3
    grids: tuple[int, ...] = (4, 8, 16)
    degree: int = 5
    good: float = 5e-3
    exact: float = 1e-9
    budget: float = 60.0
    doubt: float = 0.0
    names: tuple[str, ...] | None = None


DEFAULT = Search()

WEAK = 0.03
"""Score relative to the largest below which an edge of a sparse network is cut off."""

NEAR = 2.0
"""Sparse networks with errors no larger than this times the least are told apart by how many edges they have."""

PER_UNKNOWN = 0.2
"""What a number that is not recognized has to gain in log10 of the error, where no formula is exact."""

TEMPLATES, WIDTH = 0.75, 5
"""The share of the budget that templates have before a full network of this width is tried."""

SMALL = {1: 2, 2: 3, 3: 2}
"""How many templates of so many variables are tried before derivatives are asked: they cost less than the answer."""


@dataclass(frozen=True)
class Tried:
    """A template and the error its best network reached."""

    template: str
    error: float


@dataclass(frozen=True, eq=False)
class Found:
    """What a search came to.

    formula: None where none was found.
    network: The best network with named edges, all of them or as far as it went; standardized values.
    samples: What it was fitted to.
    template: Its shape.
    network_error, error: Held-out errors relative to the spread of f: of the splines before, of the formula.
    explained: R² of every edge.
    resisting: Edges that no function explains.
    tried: All templates, in order.
    seconds: CPU time.
    structure: What derivatives say, where they were asked.
    edges: How many a penalty left, where there was no template.
    """

    formula: Formula | None
    network: EdgeNetwork | None
    samples: Samples | None
    template: str
    network_error: float
    error: float
    explained: dict[Key, float] = field(default_factory=dict)
    resisting: tuple[Key, ...] = ()
    tried: tuple[Tried, ...] = ()
    seconds: float = 0.0
    structure: Structure | None = None
    edges: int = 0

    @property
    def sentence(self) -> str:
        """What came of it, for people."""
        if self.formula is not None:
            return f"{self.formula.text} (error {self.error:.1e}; of its network {self.network_error:.1e})"
        if self.network is None:
            best = min((entry.error for entry in self.tried), default=math.inf)
            return f"No formula was found: no template of {len(self.tried)} came closer than {best:.1e}."
        edges = ", ".join(str(key).replace(" ", "") for key in self.resisting)
        why = f"edges {edges} resist" if edges else f"its error {self.error:.1e} is too far above the network's"
        return f"No formula was found: the closest template is {self.template}, but {why}."


Watch = Callable[[str], None]


def discover(
    samples: Samples,
    names: Sequence[str],
    search: Search = DEFAULT,
    seed: int = 0,
    structure: Callable[[], Structure] | None = None,
    watch: Watch = lambda line: None,
) -> Found:
    """Look for a formula of the samples.

    First on the smallest templates, then on those that the structure suggests; where none has one, on what a penalty
    leaves of a full network.

    Args:
        samples: Points and values as they are.
        names: Of the variables.
        search: How.
        seed: Of the random networks.
        structure: What is known of derivatives; taken from a network fitted to the samples unless given.
        watch: Told of every template.
    """
    begun = time.process_time()
    ladder = templates(samples.x.shape[1], _other(samples))
    ahead = SMALL[min(samples.x.shape[1], 3)]
    first = discover_in(ladder[:ahead], samples, names, search, seed, watch)
    if _ends(first, search) or samples.x.shape[1] == 1:
        return first
    known = (structure or (lambda: structure_of_samples(samples, names, seed)))()
    watch("; ".join(["structure", *(relation.text for relation in known.true)]))
    left = replace(search, budget=TEMPLATES * search.budget - (time.process_time() - begun))
    best = discover_in(suggested(ladder[ahead:], known), samples, names, left, seed, watch, first)
    tried = first.tried + best.tried
    if best.formula is None and time.process_time() - begun < search.budget:
        sparse = discover_sparse(samples, names, WIDTH, search, seed, watch)
        tried, best = tried + sparse.tried, min(best, sparse, key=lambda found: _rank(found, search))
    return replace(best, tried=tried, seconds=time.process_time() - begun, structure=known)


def discover_in(
    ladder: Iterable[Template],
    samples: Samples,
    names: Sequence[str],
    search: Search = DEFAULT,
    seed: int = 0,
    watch: Watch = lambda line: None,
    before: Found | None = None,
) -> Found:
    """The same on given templates, in their order, and with what was found before; the best of all.

    It ends where a formula is exact, or two templates agree on one.
    """
    begun, tried, best = time.process_time(), [], before
    for template in ladder:
        if time.process_time() - begun > search.budget:
            break
        own = samples.under(template.outer)
        network, error = _best_network(template, own, search, seed, begun)
        tried.append(Tried(template.name, error))
        watch(f"{template.name}: {error:.1e}, {time.process_time() - begun:.1f} s")
        if network is not None and error < search.good:
            found = _named(template, network, own, samples, names, search)
            watch(f"  {found.sentence}")
            again = best is not None and _agree(best, found)
            best = found if best is None or _rank(found, search) < _rank(best, search) else best
            if again or _ends(found, search):
                break
    best = best or Found(None, None, None, "none", math.inf, math.inf)
    return replace(best, tried=tuple(tried), seconds=time.process_time() - begun)


def _ends(found: Found, search: Search) -> bool:
    if found.formula is None:
        return False
    within = search.doubt < CLEAN and found.formula.unknown == 0 and found.error <= 3 * search.doubt
    return found.error < search.exact or within or _as_good_as_noise(found, search)


def _agree(one: Found, other: Found) -> bool:
    return one.formula is not None and other.formula is not None and one.formula.expr == other.formula.expr


def _rank(found: Found, search: Search) -> tuple[Any, ...]:
    exact = found.formula is not None and found.error < search.exact
    figure = math.log10(max(found.error, 1e-16)) + (PER_UNKNOWN * found.formula.unknown if found.formula else 0)
    return (not exact, found.formula is None, found.network is None, len(found.resisting), figure)


def _as_good_as_noise(found: Found, search: Search) -> bool:
    """Data with noise have no exact formula: the search ends where a formula is no worse than its network.

    Nor can it be much better there; where it is, the network's error was a singularity's.
    """
    return found.network_error > CLEAN and 0.5 <= found.error / found.network_error <= 1.05


def _other(samples: Samples) -> list[str]:
    """What h(f) are defined and smooth on the samples."""
    return list(outers(torch.cat([samples.y, samples.held_y])))


def _best_network(
    template: Template, samples: Samples, search: Search, seed: int, begun: float
) -> tuple[EdgeNetwork | None, float]:
    """The best of a few starts, each on finer and finer grids; a good one ends them."""
    best, error = None, math.inf
    for start in range(search.starts):
        network, own = trained(template, samples, search, 1000 * seed + start)
        if network is not None and own < error / (3 if best is not None else 1):
            best, error = network, own
        elif best is None:
            error = min(error, own)
        if (best is not None and error < 1e-5) or time.process_time() - begun > search.budget:
            break
    return best, error


def trained(template: Template, samples: Samples, search: Search, seed: int) -> tuple[EdgeNetwork | None, float]:
    """One start on the template: the held-out best of all grids; no network where the start is hopeless."""
    network = template.build(samples, search.grids[0], search.degree, seed)
    error = math.inf
    for rough, steps in ((1e-3, 15), (1e-4, 10), (1e-6, 15)):
        fit(network, samples, steps, rough)
        if not _sound(network):
            return None, math.inf
        network.extend(network.grid, samples.x)
        error = robust_error(network, samples)
        if error > 0.35 and rough < 1e-3:
            return None, error
    if error > 0.1:
        return None, error
    best = network.changed({})
    for grid in search.grids[1:]:
        network.extend(grid, samples.x)
        fit(network, samples, 25)
        if not _sound(network):
            break
        network.extend(grid, samples.x)
        if (own := robust_error(network, samples)) < error:
            best, error = network.changed({}), own
    return best, error


def discover_sparse(
    samples: Samples,
    names: Sequence[str],
    width: int = 5,
    search: Search = DEFAULT,
    seed: int = 0,
    watch: Watch = lambda line: None,
) -> Found:
    """Look for a formula without a template: a full [d, width, 1] network under L1 and entropy, what is left named."""
    begun, own = time.process_time(), samples.under("f")
    template = Template(f"[{samples.x.shape[1]},{width},1]", (samples.x.shape[1], width, 1))
    network, edges = sparse_network(template, own, search, seed)
    error = robust_error(network, own)
    watch(f"{template.name}: {edges} edges left, {error:.1e}, {time.process_time() - begun:.1f} s")
    tried = (Tried(template.name, error),)
    found = Found(None, None, None, template.name, error, math.inf)
    if error < max(search.good, 0.03):
        found = _named(template, network, own, samples, names, search)
    return replace(found, tried=tried, seconds=time.process_time() - begun, edges=edges)


def sparse_network(template: Template, samples: Samples, search: Search, seed: int) -> tuple[EdgeNetwork, int]:
    """The template's network with few edges, trained on, and how many the penalty left before that."""
    starts = []
    for start in range(2):
        network = template.build(samples, search.grids[0], search.degree, 1000 * seed + start)
        network = sparsify(network, samples)
        starts.append((robust_error(network, samples), cut(network, WEAK, samples.x)))
    least = min(error for error, _ in starts)
    best = min((network for error, network in starts if error <= NEAR * least), key=lambda own: len(own.edges))
    edges = len(best.edges)
    for grid in search.grids[:2]:
        best.extend(grid, samples.x)
        fit(best, samples, 25)
        best.extend(grid, samples.x)
    return best, edges


def _sound(network: EdgeNetwork) -> bool:
    return all(bool(parameter.isfinite().all()) for parameter in network.parameters())


def _named(
    template: Template,
    network: EdgeNetwork,
    own: Samples,
    raw: Samples,
    names: Sequence[str],
    search: Search,
) -> Found:
    """Prune, straighten, snap, and write the formula."""
    floor = max(1e-6, 3 * search.doubt)
    tolerance = allowed(robust_error(network, own), floor)
    network = straighten(prune(network, own, tolerance), own, tolerance)
    before, spline_error = network.changed({}), rms(network, own)
    snapped = snap(network, own, allowed(robust_error(network, own), floor), search.names)
    unexplained = explained(before, snapped.network, own)
    found = Found(
        None, snapped.network, own, template.name, spline_error, rms(snapped.network, own), unexplained, snapped.failed
    )
    if snapped.failed:
        return found
    formula, error = written(snapped.network, own, raw, names, search.doubt)
    if not error <= max(allowed(spline_error, search.exact), 3 * search.doubt):
        return Found(None, found.network, own, template.name, spline_error, error, unexplained)
    return Found(formula, found.network, own, template.name, spline_error, error, unexplained)


def written(
    network: EdgeNetwork, own: Samples, raw: Samples, names: Sequence[str], doubt: float = 0.0
) -> tuple[Formula, float]:
    """The formula of a named network with constants recognized, and its held-out error relative to the spread."""
    tree = tree_of(network, own.shift, own.scale)
    transform = OUTER[own.outer]
    data = raw.x, transform(raw.y), raw.held_x, transform(raw.held_y)
    known = rounded(tree, *data, logarithm=own.outer == "log f", doubt=doubt)
    symbols = tuple(sympy.Symbol(name, real=True) for name in names)
    expr = INVERSE[own.outer](expression(tree, known.symbols, symbols))
    with torch.no_grad():
        rest = INVERSE_VALUES[own.outer](values(tree, raw.held_x, known.floats)) - raw.held_y
    error = float(rest.square().mean().sqrt() / raw.held_y.std())
    return Formula(simplest(expr, known.unknown == 0), symbols, known.unknown), error
