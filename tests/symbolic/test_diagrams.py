"""The network's diagram: every edge that is on is a panel with its id, names are there, edges off are counted."""

import io

import torch

from kanpde.models.networks import KAN
from kanpde.models.networks.edges import as_edges, edge_network, named_edge, random_splines
from kanpde.symbolic.diagrams import diagram_points, network_diagram


def svg_of(network, inputs):
    buffer = io.StringIO()
    network_diagram(network, diagram_points(network), inputs, "u", "a network").savefig(buffer, format="svg")
    return buffer.getvalue()


def test_every_edge_is_a_panel():
    network = as_edges(KAN([2, 5, 1], 4, 5))
    svg = svg_of(network, ["x", "y"])
    assert all(f'id="edge-{"-".join(map(str, key))}"' in svg for key in network.edges)
    assert "edge-2-0-0" not in svg


def test_products_names_and_pruned_edges_are_told():
    edges = random_splines([2, (1, 1), 1], 4, 5, torch.Generator().manual_seed(0))
    del edges[0, 1, 0]
    edges[0, 0, 1] = named_edge("sin", (2.0, 3.0, 0.0, 0.0))
    network = edge_network([2, (1, 1), 1], edges, lower=[0, 0], upper=[3, 1])
    figure = network_diagram(network, diagram_points(network), ["x", "y"], "u")
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "×" in texts and "sin" in texts and any("1 edges pruned" in text for text in texts)
    assert any("2·f(3u)" in text for text in texts)
    points = diagram_points(network)
    assert points[:, 0].max() > 2.9 and points[:, 1].max() <= 1


def test_wide_networks_stay_in_the_figure():
    for widths in ([4, 3, 1], [17, 1, 1]):
        network = as_edges(KAN(widths, 3, 3))
        figure = network_diagram(network, diagram_points(network), [f"x{i}" for i in range(widths[0])], "u")
        boxes = [axes.get_position() for axes in figure.axes]
        assert all(box.y0 >= 0 and box.y1 <= 1 and box.x1 <= 1 for box in boxes)
        heights = sorted(box.y0 for box in boxes if box.width < 0.5 and abs(box.x0 - boxes[1].x0) < 1e-9)
        assert all(b - a > boxes[1].height for a, b in zip(heights, heights[1:], strict=False))  # no overlaps


def test_names_that_are_no_formulas_are_drawn_as_they_are():
    edges = random_splines([1, 1], 4, 5, torch.Generator().manual_seed(0))
    network = edge_network([1, 1], edges, lower=[0], upper=[1])
    buffer = io.BytesIO()
    network_diagram(network, diagram_points(network), ["$\\bad$"], "$x^{", "$\\frac$").savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")
