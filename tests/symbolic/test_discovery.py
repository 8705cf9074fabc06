"""From values to formulas: known ones come back to the letter, what has none stays without, decimals are recognized."""

import math

import pytest
import sympy
import torch

from kanpde.errors import InputError
from kanpde.models.networks.edges import edge_network, named_edge, random_splines
from kanpde.models.networks.pruning import attribution, cut, scores
from kanpde.models.univariate import LIBRARY
from kanpde.symbolic import discovery
from kanpde.symbolic.constants import recognized
from kanpde.symbolic.discovery import Search, discover, discover_in
from kanpde.symbolic.edge_fits import candidates, canonical
from kanpde.symbolic.fitting import Values, fit, rms
from kanpde.symbolic.formulas import same
from kanpde.symbolic.hypotheses import hypothesis
from kanpde.symbolic.samples import drawn, split
from kanpde.symbolic.sparsity import penalized, prune, sparse_rows, sparsify
from kanpde.symbolic.structure import Structure
from kanpde.symbolic.templates import templates
from kanpde.symbolic.trees import expression, float_number, numbers, tree_of, values

X, Y = sympy.symbols("x y", real=True)


def product(x):
    return x[:, 0] * torch.exp(-x[:, 1])


def test_a_product_comes_back_to_the_letter():
    found = discover(drawn(product, [-1, -1], [2, 2], 0), ["x", "y"])
    assert found.formula is not None and same(found.formula.expr, X * sympy.exp(-Y))
    assert found.formula.unknown == 0 and found.error < 1e-12
    assert all(r2 > 1 - 1e-9 for r2 in found.explained.values())
    points = torch.rand(7, 2).numpy()
    assert abs(found.formula(points) - product(torch.from_numpy(points)).numpy()).max() < 1e-13
    namespace_free = found.formula.python
    assert namespace_free.startswith("def formula(x, y):\n    return x*exp(-y)")


def test_values_with_a_solver_s_error_still_have_the_numbers_they_are_of():
    """π is told from 3.1416 where errors are smooth; two templates that agree end the search."""

    def solved(x):
        u = torch.sin(torch.pi * x[:, 0]) * torch.sin(torch.pi * x[:, 1])
        return u + 1e-5 * torch.cos(3 * x[:, 0]) * x[:, 1]

    ladder = [t for t in templates(2, []) if t.name in ("A(x)·B(y)", "sum + A(x)·B(y)", "g(sum + A(x)·B(y))")]
    found = discover_in(ladder, drawn(solved, [0, 0], [1, 1], 0), ["x", "y"])
    assert found.formula.text == "sin(pi*x)*sin(pi*y)" and 1e-6 < found.error < 1e-4
    assert [entry.template for entry in found.tried] == ["A(x)·B(y)", "sum + A(x)·B(y)"]


def test_the_error_of_a_solution_is_no_part_of_its_formula():
    """A solver's error has a form as well; told how large it is, the search does not write it down."""

    def solved(x):
        return 0.999997 * x[:, 0] * torch.exp(-1.000002 * x[:, 1]) + 4e-6

    ladder, samples = [t for t in templates(2, []) if t.name == "A(x)·B(y)"], drawn(solved, [-1, -1], [2, 2], 0)
    plain = discover_in(ladder, samples, ["x", "y"])
    told = discover_in(ladder, samples, ["x", "y"], Search(doubt=3e-6))
    assert told.formula.text == "x*exp(-y)" and told.error < 1e-5
    assert plain.formula is None or plain.formula.text != "x*exp(-y)"


def test_a_formula_far_above_its_network_is_not_called_found():
    """With a tolerance for names that is far too wide, splines of 1e-7 are named by what misses by 1e-3."""
    samples = drawn(lambda x: torch.exp(torch.sin(2 * x[:, 0])) * x[:, 1], [-1, -1], [1, 1], 0)
    ladder = [t for t in templates(2, []) if t.name == "A(x)·B(y)"]
    found = discover_in(ladder, samples, ["x", "y"], Search(names=("x", "x^2", "x^3", "gauss", "sech")))
    assert found.network_error < 1e-5 and found.formula is None and "No formula was found" in found.sentence


def test_what_has_no_formula_stays_without_and_says_which_edges_resist():
    def bessel(x):
        return torch.special.bessel_j0(9 * x[:, 0]) + x[:, 1]

    found = discover(drawn(bessel, [0, -1], [1, 1], 0), ["x", "y"], Search(budget=4.0))
    assert found.formula is None and found.resisting
    assert "No formula was found" in found.sentence and str(found.resisting[0]).replace(" ", "") in found.sentence


def test_what_fits_no_template_is_read_off_a_full_network(monkeypatch):
    """Of 15 edges a penalty leaves a few, and they have names."""
    monkeypatch.setattr(discovery, "templates", lambda count, outer: templates(count, outer)[:1])
    samples = drawn(lambda x: torch.exp(x[:, 0] + x[:, 1] ** 2), [-1, -1], [1, 1], 0)
    found = discover(samples, ["x", "y"], structure=Structure)
    assert [entry.template for entry in found.tried] == ["sum", "[2,5,1]"] and 3 <= found.edges < 10
    assert same(found.formula.expr, sympy.exp(X + Y**2))


def test_a_hypothesis_is_tested_by_one_call():
    samples = drawn(lambda x: torch.exp(torch.sin(x[:, 0]) + x[:, 1] ** 2), [-1, -1], [1, 1], 0)
    right = discover_in([hypothesis("exp(a(x) + b(y))", ["x", "y"])], samples, ["x", "y"])
    wrong = discover_in([hypothesis("a(x) + b(y)", ["x", "y"])], samples, ["x", "y"])
    assert right.formula is not None and same(right.formula.expr, sympy.exp(sympy.sin(X) + Y**2))
    assert wrong.formula is None and wrong.tried[0].error > 0.01


@pytest.mark.parametrize(
    "text", ["a(x", "x.__class__", "a(x, y)", "a(z)", "x**y", "__import__('os')", "a(x)" * 400, "x(y)", "1/0*x", ""]
)
def test_other_texts_are_no_hypotheses(text):
    with pytest.raises(InputError, match="A hypothesis needs"):
        hypothesis(text, ["x", "y"])


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("exp(x + 2*y) - 1", lambda x, y: torch.exp(x + 2 * y) - 1),
        ("x*sin(y - x)/2", lambda x, y: x * torch.sin(y - x) / 2),
        ("(x + 1)*(y - 2)*x", lambda x, y: (x + 1) * (y - 2) * x),
        ("cos(x)**2 + 3*abs(y)", lambda x, y: torch.cos(x) ** 2 + 3 * y.abs()),
        ("1/(2 + x*y)", lambda x, y: 1 / (2 + x * y)),
    ],
)
def test_a_formula_without_unknowns_compiles_into_a_network(text, function):
    samples = drawn(lambda x: function(x[:, 0], x[:, 1]), [-1, -1], [1, 1], 0, count=50)
    network = hypothesis(text, ["x", "y"]).build(samples, 4, 5, 0)
    assert torch.allclose(network(samples.x)[:, 0], samples.y, atol=1e-12)
    tree = tree_of(network)
    again = expression(tree, [float_number(v) for v in numbers(tree)], (X, Y))
    compiled = sympy.lambdify((X, Y), again, "numpy")
    assert abs(compiled(*samples.x.numpy().T) - samples.y.numpy()).max() < 1e-10
    assert torch.allclose(values(tree, samples.x, torch.tensor(numbers(tree))), samples.y, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in LIBRARY if name != "sigmoid"])
def test_an_edge_is_read_as_what_it_is(name):
    x = torch.linspace(-1.5, 1.2, 200) if LIBRARY[name].family == "bell" else torch.linspace(0.2, 0.85, 200)
    a, b, c, d = (1.7, 1.0, -0.1, 0.3) if LIBRARY[name].power else (1.7, 0.9, 0.05, 0.3)
    found = candidates(x, a * LIBRARY[name](b * x + c) + d)
    assert found[0].unexplained < 1e-8
    own = next(candidate for candidate in found if candidate.name == name)
    assert own.unexplained < 1e-8


@pytest.mark.parametrize("name", LIBRARY)
def test_redundant_constants_at_rest_leave_the_function(name):
    x, constants = torch.linspace(0.3, 0.6, 9), (1.7, 0.8, 0.05, 0.3)
    a, b, c, d = canonical(name, constants)
    before = constants[0] * LIBRARY[name](constants[1] * x + constants[2]) + constants[3]
    assert torch.allclose(a * LIBRARY[name](b * x + c) + d, before, atol=1e-12)


def test_parabolas_are_not_called_waves():
    x = torch.linspace(-1, 1, 200)
    found = candidates(x, 3 * x**2 - x)
    assert found[0].name == "x^2"
    assert all(c.unexplained > 1e-9 for c in found if c.name in ("sin", "cosh", "gauss", "1/(1+x^2)"))


def test_singular_candidates_are_left_out():
    x = torch.linspace(-1, 1, 100)  # 0 and both signs
    names = {c.name for c in candidates(x, x, ["log", "1/x", "sqrt", "x"])}
    assert "x" in names and all(math.isfinite(c.unexplained) for c in candidates(x, x))


def test_numbers_are_recognized_or_left_alone():
    assert recognized(2 / 3 + 1e-9, 1e-6).symbol == sympy.Rational(2, 3)
    assert recognized(math.pi / 4, 1e-6).symbol == sympy.pi / 4
    assert recognized(-2.0, 1e-6).symbol == -2
    assert recognized(0.7312345, 1e-6) is None


def trained(seed=0, widths=(2, 3, 1)):
    samples = drawn(lambda x: torch.exp(torch.sin(2 * x[:, 0]) + x[:, 1] ** 2), [-1, -1], [1, 1], 0, 400).under("f")
    network = edge_network(widths, random_splines(widths, 4, 5, torch.Generator().manual_seed(seed)))
    network.extend(4, samples.x)
    fit(network, samples, 30)
    return network, samples


def test_the_fit_has_the_gradient_it_says():
    network, samples = trained()
    objective = Values(network, samples.x[:20], samples.y[:20], sparse_rows(network, samples.x, 1e-2))
    theta = objective.theta
    r, J = objective.linearize(theta)
    assert torch.allclose(r, objective.residual(theta), atol=1e-12)
    direction = torch.randn_like(theta)
    slope = (objective.residual(theta + 1e-6 * direction) - objective.residual(theta - 1e-6 * direction)) / 2e-6
    assert (slope - J @ direction).abs().max() < 1e-6 * slope.abs().max()


def test_a_node_that_another_can_stand_for_is_left_out():
    """Both nodes carry half of one function: the penalized loss is stationary there, and lower with one of them."""
    samples = drawn(lambda x: torch.exp(torch.sin(2 * x[:, 0]) + x[:, 1] ** 2), [-1, -1], [1, 1], 0, 400).under("f")
    one = edge_network((2, 1, 1), random_splines((2, 1, 1), 4, 5, torch.Generator().manual_seed(0)))
    one.extend(4, samples.x)
    fit(one, samples, 40)
    twice = {(0, i, o): edge for (depth, i, _), edge in one.edges.items() if depth == 0 for o in range(2)}
    last = one.edges[1, 0, 0]
    twice |= {(1, i, 0): type(last)(last.values / 2) for i in range(2)}
    network = edge_network((2, 2, 1), twice)
    network.extend(4, samples.x)
    before = penalized(network, samples, 1e-2, 1.0)
    sparse = sparsify(network, samples)
    assert len(network.edges) == 6 and len(sparse.edges) == 3
    assert penalized(sparse, samples, 1e-2, 1.0) < before


def test_scores_say_what_an_edge_does():
    """To first order, an edge's score is the rms of what the output loses without it."""
    network, samples = trained()
    key = min(scores(network, samples.x), key=scores(network, samples.x).get)
    edge = network.edges[key]
    mean = network.edge_values(samples.x)[key].detach().mean()
    faded = network.changed({key: type(edge)(edge.values * 0.999 + 0.001 * mean)})
    change = (faded(samples.x) - network(samples.x)).square().mean().sqrt().item()
    assert change == pytest.approx(1e-3 * scores(network, samples.x)[key], rel=1e-2)
    assert sum(attribution(network, samples.x)) == pytest.approx(1)


def test_pruning_keeps_the_error_and_takes_edges():
    network, samples = trained()
    before = rms(network, samples)
    fewer = prune(network, samples, 3 * before)
    assert len(fewer.edges) < len(network.edges) and rms(fewer, samples) < 10 * before


def test_a_threshold_that_would_cut_the_output_off_is_refused():
    network, samples = trained()
    with pytest.raises(InputError, match="The largest that does is") as refused:
        cut(network, 2.0, samples.x)
    largest = float(str(refused.value).rsplit("is ", 1)[1].rstrip("."))
    assert len(cut(network, 0.99 * largest, samples.x).edges) >= 2


def test_masks_of_templates_stay(random):
    samples = drawn(product, [-1, -1], [2, 2], 0, 100)
    for template in templates(2, ["log f"]) + templates(3, []) + templates(1, []):
        if template.widths[0] == 2:
            network = template.build(samples.under("f"), 4, 5, 0)
            assert template.mask is None or {k for k in network.edges if k[0] == 0} <= set(template.mask)
            assert network(samples.x).shape == (100, 1)


def test_tables_are_split_and_checked():
    x = torch.rand(100, 2)
    samples = split(x, x[:, 0], 0)
    assert len(samples.x) == 70 and len(samples.held_x) == 30
    with pytest.raises(InputError, match="at least 20 rows"):
        split(x[:5], x[:5, 0], 0)
    with pytest.raises(InputError, match="missing or infinite"):
        split(x, torch.full((100,), math.nan), 0)


def test_a_named_network_trains_on():
    """Symbolic edges are trainable: a wrong constant is found again."""
    samples = drawn(lambda x: torch.sin(2 * x[:, 0]), [-1], [1], 0, 100)
    network = edge_network([1, 1], {(0, 0, 0): named_edge("sin", (0.9, 1.8, 0.1, 0.0))})
    assert fit(network, samples, 30) < 1e-10
    assert network.edges[0, 0, 0].values.tolist() == pytest.approx([1, 2, 0, 0], abs=1e-8)
