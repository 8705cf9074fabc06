"""Knots: their signature by two routes, and the table of invariants that is made in steps and kept."""

import numpy as np
import pytest

from kanpde.errors import InputError
from kanpde.studies import knot_census
from kanpde.studies.claims import Judgment, knots
from kanpde.studies.knot_census import INVARIANTS, census, row_of
from kanpde.studies.knot_signatures import diagram_signature, seifert_signature

TREFOIL = [[0, 4, 1, 3], [2, 0, 3, 5], [4, 2, 5, 1]]
FIGURE_EIGHT = [[3, 1, 4, 0], [7, 5, 0, 4], [5, 2, 6, 3], [1, 6, 2, 7]]


def mirror(crossings):
    """What was below is above: the upper strand's incoming end comes first."""
    ends = 2 * len(crossings)
    return [[over, i, j, k] if (j - over) % ends == 1 else [j, k, over, i] for i, j, k, over in crossings]


def test_the_signature_of_a_diagram_and_its_mirror_image():
    assert diagram_signature(TREFOIL) == 2 and diagram_signature(mirror(TREFOIL)) == -2
    assert diagram_signature(FIGURE_EIGHT) == diagram_signature(mirror(FIGURE_EIGHT)) == 0


def test_knots_of_the_census_have_the_signature_of_their_seifert_matrix():
    snappy = pytest.importorskip("snappy", reason="the extra knots is not installed")
    found = []
    for number in range(0, 59000, 6000):
        knot = snappy.HTLinkExteriors(cusps=1)[number]
        link = knot.link()
        expected = seifert_signature(np.array(link.seifert_matrix(), dtype=float))
        assert diagram_signature(link.PD_code(min_strand_index=0)) == expected
        row = row_of(knot)
        assert len(row) == len(INVARIANTS) + 2 and row[-2:] in ([expected, 1.0], [0.0, 0.0])
        found.append(row[-1])
    assert sum(found) >= 8  # SnapPy's first triangulation is not always a hyperbolic one


def test_a_table_that_was_stopped_goes_on_and_is_kept(tmp_path, monkeypatch):
    made, stops = [], [15]

    def row(number):
        if len(made) in stops:
            raise ArithmeticError(stops.pop())
        made.append(int(number))
        return [*range(number, number + len(INVARIANTS)), 2.0 * number, float(number != 3)]

    monkeypatch.setattr(knot_census, "_source", lambda: range(30))
    monkeypatch.setattr(knot_census, "row_of", row)
    monkeypatch.setattr(knot_census, "STEP", 10)
    path = tmp_path / "knots.npy"
    with pytest.raises(ArithmeticError):
        census(path=path)
    del made[10:]
    whole = census(path=path, most=20)
    assert len(made) == len(set(made)) == 20 and len(whole.signature) == 20 - (3 in made)
    assert census(path=path, most=5).signature.tolist() == whole.signature[: 5 - (3 in made[:5])].tolist()


def test_mirror_images_have_opposite_slope_and_signature():
    table = knot_census.Census(np.arange(1.0, 15.0).reshape(2, 7), np.array([2, -4]))
    both = table.with_mirrors()
    assert both.signature.tolist() == [2, -4, -2, 4] and np.allclose(both.slope[2:], -both.slope[:2])
    assert np.allclose(table.mirrored().mirrored().values, table.values)


def test_without_snappy_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(knot_census.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"kanpde\[knots\]"):
        census(path=tmp_path / "knots.npy")


def made_up(count=600):
    """Cusps drawn at random, and the signature that the slope's rule says, but for one knot in twenty."""
    draw = np.random.default_rng(0)
    values = draw.uniform(1, 2, (count, len(INVARIANTS)))
    values[:, 0], values[:, 1] = draw.uniform(5, 15, count), draw.uniform(-1, 1, count)
    table = knot_census.Census(values, np.zeros(count, int))
    wrong = 2 * (draw.random(count) < 0.05)
    return knot_census.Census(values, (knots.even(-table.slope / 2) + wrong).astype(int))


def test_networks_tell_a_signature_that_the_slope_decides(monkeypatch):
    monkeypatch.setattr(knots, "ADAM_STEPS", 2)
    table = made_up()
    assert knots.rule(table) == pytest.approx(0.95, abs=0.03)
    found = knots.with_all(table, 0)
    assert found["right"] > 0.6 > found["large"] and found["small"] > 0.5
    shares = found["shares"]
    assert sum(shares.values()) == pytest.approx(1) and max(shares, key=shares.get) == "meridian_real"
    own, held = knots.divided(table, 0)
    assert len(held.signature) == 240 and not set(map(tuple, np.abs(own.values))) & set(map(tuple, np.abs(held.values)))


def test_the_verdict_needs_both_shares_of_right_answers(monkeypatch):
    monkeypatch.setattr(knots, "census", lambda watch: made_up(30))
    row = {"shares": dict.fromkeys(INVARIANTS, 1 / 7), "rule": 0.7, "small": 0.8, "large": 0.8}
    line = {"function": "x", "constants": [-0.43, 1.0, 0.0, 0.0], "r2": 1.0, "right": 0.85}
    for every, few, verdict in (
        (0.9, 0.8, Judgment.HOLDS),
        (0.9, 0.7, Judgment.OPEN),
        (0.7, 0.8, Judgment.FAILS),
    ):
        kept = {"all": {**row, "right": every}, "slo": line}
        judged = knots.run(lambda label, compute, kept=kept, few=few: kept.get(label[:3], few))
        assert judged.verdict is verdict and judged.ours == every
        assert "-0.430·slope +0.000 (R² 1.0000), right for 85.0 %" in judged.sentence


def test_the_formula_of_the_slope_is_read_off_a_network():
    found = knots.of_slope(made_up(), 0)
    assert found["function"] == "x" and found["constants"][:3] == pytest.approx([-0.5, 1, 0], abs=0.02)
    assert found["right"] > 0.85


def test_with_a_larger_table_of_knots_installed_the_census_ends_at_14_crossings():
    snappy = pytest.importorskip("snappy", reason="the extra knots is not installed")
    assert len(knot_census._source()) == 59937
    fewer = snappy.HTLinkExteriors(cusps=1, filter=knot_census.UP_TO_14.replace("15", "14"))
    assert len(fewer) == 12965  # the filter is one that leaves knots out
