"""What derivatives say of a function's form, and which variables of a table are tied."""

import numpy as np
import pytest
import torch

from kanpde.errors import InputError
from kanpde.symbolic.hypotheses import hypothesis
from kanpde.symbolic.relations import tied
from kanpde.symbolic.samples import Samples, drawn
from kanpde.symbolic.structure import FAILS, HOLDS, Kind, structure_of, structure_of_samples
from kanpde.symbolic.templates import suggested, templates


def structure(text, names="xy", low=0.3, high=1.7):
    """Of a formula, whose network has exact jets."""
    count = len(names)
    samples = drawn(lambda x: x.sum(1), [low] * count, [high] * count, 0, count=300)
    network = hypothesis(text, list(names)).build(samples, 4, 5, 0)
    return structure_of(lambda x, indices: network.jet(x, indices)[:, :, 0].detach(), samples.held_x, names)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("sin(x) + exp(y)", {"a(x) + b(y)"}),
        ("exp(-x)*sin(y) + 1", {"A(x)·B(y) + c"}),
        ("tanh(x + y**2)", {"g(a(x) + b(y))"}),
        ("x + exp(y) + x**2*cos(y)", {"f = a(x) + b(y) + A(x)·B(y)"}),
        ("sin(x**2 + y**2)", {"g(a(x) + b(y))", "h(x² + y²)", "same for x and y exchanged"}),
        ("exp(x**2 - y**2)", {"A(x)·B(y) + c", "h(x² - y²)"}),
        ("cos(2*x + 3*y)", {"g(a(x) + b(y))", "h(0.6667·x + y)"}),
        ("sin(3*x*y) + x", set()),
    ],
)
def test_what_holds_is_told_from_what_does_not(text, holds):
    found = structure(text)
    implied = {"g(a(x) + b(y))", "f = a(x) + b(y) + A(x)·B(y)"} if holds & {"a(x) + b(y)", "A(x)·B(y) + c"} else set()
    own = [relation for relation in found.relations if relation.outer == "f"]
    assert {relation.text for relation in own if relation.verdict} == holds | implied
    assert all(relation.figure <= HOLDS or relation.figure >= FAILS for relation in own), found.lines()


def test_three_variables_show_what_enters_together():
    found = structure("x*exp((y - z)**2)", "xyz")
    assert found.holds(Kind.INNER, (1, 2, 0)) and not found.holds(Kind.INNER, (0, 1, 2))
    assert found.holds(Kind.FUNCTION_OF_SUM, (1, 2)) and found.holds(Kind.PRODUCT, (0, 1))
    ladder = templates(3, [])
    assert suggested(ladder, found)[0].name in ("A(x)·g(s(y,z))", "A(x)·B(y,z)")
    assert len(suggested(ladder, found)) == len(ladder)


def test_symmetries_are_seen_where_the_domain_allows():
    found = structure("cos(x) + y**3", low=-1, high=1)
    said = {relation.text for relation in found.true if relation.kind is Kind.SYMMETRY}
    assert said == {"even in x"}
    assert not [relation for relation in structure("cos(x) + y**3").relations if "even" in relation.text]


def test_a_coordinate_that_is_not_there_is_named_alone():
    found = structure("exp(x) + 0*y")
    assert [relation.text for relation in found.true] == ["no y"]


def test_values_alone_are_enough_and_noise_says_nothing():
    samples = drawn(lambda x: x[:, 0] * torch.exp(-x[:, 1]), [-1, -1], [2, 1], 0, count=600)
    assert structure_of_samples(samples, "xy").holds(Kind.PRODUCT, (0, 1))
    blurred = Samples(samples.x, torch.randn(600), samples.held_x, torch.randn(1200))
    found = structure_of_samples(blurred, "xy")
    assert not found.reliable and found.holds(Kind.PRODUCT) is None and "nothing can be said" in found.lines()[0]


def test_tied_variables_are_found_and_others_are_not():
    draw = np.random.default_rng(0)
    x1, x2, x4, x6 = draw.uniform(-1, 1, (4, 600))
    x3, x5 = np.exp(np.sin(np.pi * x1) + x2**2), x4**3
    found = tied(np.stack([x1, x2, x3, x4, x5, x6], axis=1), seeds=3)
    assert {tie.names for tie in found} == {("x4", "x5"), ("x1", "x2", "x3")}
    assert all(tie.figure < 1e-3 and tie.seeds == 3 for tie in found) and "tied" in str(found[0])
    assert tied(draw.uniform(-1, 1, (300, 5)), seeds=2) == []
    with pytest.raises(InputError, match="at least 50 rows"):
        tied(np.zeros((10, 3)))


def test_what_first_derivatives_show_needs_no_third_ones():
    samples = drawn(lambda x: x.sum(1), [-1, -1], [1, 1], 0, count=300)
    network = hypothesis("atan(x - 2*y)", ["x", "y"]).build(samples, 4, 5, 0)

    def jets(x, indices):
        high = torch.tensor([float(sum(index) > 2) for index in indices])
        return network.jet(x, indices)[:, :, 0].detach() * (1 + 0.1 * high * torch.randn(len(x), len(indices)))

    assert structure_of(jets, samples.held_x, "xy").holds(Kind.FUNCTION_OF_SUM, (0, 1))
