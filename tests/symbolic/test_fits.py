"""Fits of tables: numbers and classes, words and missing values, estimators in the manner of scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
import torch

import kanpde
from kanpde.errors import InputError
from kanpde.symbolic.columns import Encoding, columns_of
from kanpde.symbolic.discovery import discover_in
from kanpde.symbolic.samples import outers, split
from kanpde.symbolic.tables import FormulaClassifier, FormulaRegressor
from kanpde.symbolic.templates import templates

DRAW = np.random.default_rng(0)
U, V = DRAW.uniform(0.5, 2, (2, 400))
WORDS = np.where(DRAW.random(400) < 0.5, "cold", "warm")


def test_a_file_gives_its_formula_in_its_own_units(tmp_path):
    table = tmp_path / "t.csv"
    lines = [f"{1e6 * u:.17g},{1e-6 * v:.17g},{3e4 * u * v:.17g}" for u, v in zip(U, V, strict=True)]
    table.write_text("\n".join(["force,length,work", *lines]))
    found = kanpde.fit(table, "work", assume="a(force)*b(length)")
    assert found.formula is not None and found.errors["test"] < 1e-9 and set(found.errors) == {
        "train", "validation", "test"
    }  # fmt: skip
    assert found({"length": [1e-6], "force": [2e6]}) == pytest.approx([6e4])
    assert "force" in found.lines()[0] and "test" in found.lines()[1]


def test_rows_that_are_tested_are_not_seen():
    """Changing them changes nothing that was found."""
    y = 3 * U + V
    order = np.random.default_rng(0).permutation(400)[: round(0.15 * 400)]
    spoiled = y.copy()
    spoiled[order] += 100
    one, other = (kanpde.fit(np.stack([U, V], axis=1), own, names=["u", "v"]) for own in (y, spoiled))
    assert one.formula.text == other.formula.text == "3*u + v"
    assert one.errors["test"] < 1e-9 < 1 < other.errors["test"]


def test_words_become_columns_and_the_formula_has_them():
    table = {"u": U, "air": WORDS}
    found = kanpde.fit(table, 2 * U**2 + 5 * (WORDS == "warm"))
    assert found.formula.text == "5*air_warm + 2*u**2"
    assert found.notes == ("air has words: air_warm are 1 or 0, and all are 0 where it is cold.",)
    assert found({"u": [1.0, 1.0], "air": ["cold", "warm"]}).tolist() == pytest.approx([2, 7])
    with pytest.raises(InputError, match="one of cold, warm; hot came"):
        found({"u": [1.0], "air": ["hot"]})
    with pytest.raises(InputError, match="air are not there"):
        found({"u": [1.0]})


def test_missing_values_are_said_and_dropped_when_asked():
    u = U.copy()
    u[:7] = np.nan
    with pytest.raises(InputError, match="u in 7 of 400 rows.*drop"):
        kanpde.fit({"u": u, "v": V}, U)
    found = kanpde.fit({"u": u, "v": V}, 2 * U + V, missing="drop")
    assert found.formula.text == "2*u + v" and "7 of 400 rows are left out" in found.notes[0]


def test_tables_of_other_packages_are_read_by_their_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"u": U[:5], "w": ["a", None, "b", "a", "a"], "n": [1, 2, 3, 4, 5]})
    found = columns_of(frame)
    assert found["u"].tolist() == U[:5].tolist() and found["w"].tolist() == ["a", "", "b", "a", "a"]
    encoding = Encoding.of(found)
    assert encoding.names == ["u", "w_b", "n"]
    points = encoding.points(found)
    assert np.isnan(points[1, 1]) and points[[0, 2, 3], 1].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        ({"u": U, "v": V}, "z", "one of the columns u, v"),
        ({"u": U, "day": np.array(["2026-01-01"] * 400, dtype="datetime64[D]")}, U, "numbers or words"),
        ({"u": U, "name": [str(k) + "x" for k in range(400)]}, U, "2 to 12 different ones; name has 400"),
        ({"u v": U}, U, "names that are words"),
        (U, U, "shape"),
        (np.stack([U, V], axis=1), U[:50], "one row for each"),
        ({"u": U}, np.ones(400), "to vary"),
    ],
)
def test_what_is_no_table_is_refused(X, y, said):
    with pytest.raises(InputError, match=said):
        kanpde.fit(X, y)


def test_two_classes_have_the_formula_of_their_log_odds():
    """The edge αE + 2λ = 2 of a chain, seen through a sigmoid."""
    draw = np.random.default_rng(1)
    a, lam, E = (draw.uniform(low, high, 600) for low, high in ((-0.9, 0.9), (0.2, 2), (-3, 3)))
    labels = np.where(draw.random(600) < 1 / (1 + np.exp(-8 * (a * E + 2 * lam - 2))), "localized", "extended")
    fitted = FormulaClassifier().fit({"a": a, "lam": lam, "E": E}, labels)
    terms = fitted.formula_.expr.as_coefficients_dict()
    found = {str(term): float(value) for term, value in terms.items()}
    assert set(found) == {"E*a", "lam", "1"} and fitted.classes_.tolist() == ["extended", "localized"]
    assert found["lam"] / found["E*a"] == pytest.approx(2, rel=0.15) and found["E*a"] == pytest.approx(8, rel=0.4)
    assert found["1"] / found["E*a"] == pytest.approx(-2, rel=0.15)
    p = fitted.predict_proba({"a": [0.0, 0.0], "lam": [2.0, 0.2], "E": [0.0, 0.0]})
    assert p.sum(1) == pytest.approx(1) and p[0, 1] > 0.99 and p[1, 0] > 0.99
    assert fitted.score({"a": a, "lam": lam, "E": E}, labels) > 0.9 and fitted.fit_.errors["test"] < 0.1


def test_three_classes_are_told_apart_by_their_log_odds():
    draw = np.random.default_rng(2)
    x = draw.uniform(-3, 3, 900)
    odds = np.stack([0 * x, 2 * x, -2 * x], axis=1)
    p = np.exp(odds) / np.exp(odds).sum(1, keepdims=True)
    labels = np.array(["b", "c", "d"])[(draw.random((900, 1)) > p.cumsum(1)).sum(1)]
    found = kanpde.fit({"x": x}, labels)
    slopes = {name: float(formula.expr.diff(formula.symbols[0])) for name, formula in found.formulas.items()}
    assert slopes["c"] == pytest.approx(2, rel=0.25) and slopes["d"] == pytest.approx(-2, rel=0.25)
    assert np.abs(found.probabilities({"x": x}) - p).max() < 0.1 and "log p(c)/p(b)" in found.lines()[0]


def test_classes_need_rows_and_formulas_to_test_need_numbers():
    with pytest.raises(InputError, match="at least 10 rows"):
        kanpde.fit({"u": U}, ["a"] * 397 + ["b"] * 3)
    with pytest.raises(InputError, match="Leave assume out"):
        kanpde.fit({"u": U}, WORDS, assume="a(u)")
    with pytest.raises(InputError, match="classification"):
        kanpde.fit({"u": U}, WORDS, task="regression")


def test_estimators_keep_the_manners_of_scikit_learn():
    regressor = FormulaRegressor().set_params(seed=3, test=0.2)
    assert FormulaRegressor(**regressor.get_params()).get_params() == regressor.get_params()
    with pytest.raises(InputError, match="Call fit"):
        regressor.predict([[1.0]])
    with pytest.raises(InputError, match="'depth' came"):
        regressor.set_params(depth=2)
    fitted = regressor.fit(U[:, None], U**2)
    assert fitted.formula_.text == "x**2" and fitted.score(U[:, None], U**2) == pytest.approx(1)
    assert fitted.feature_names_in_.tolist() == ["x"] and fitted.n_features_in_ == 1


def test_values_between_0_and_1_are_tried_behind_their_logit():
    draw = np.random.default_rng(0)
    x, y = torch.from_numpy(draw.uniform(-2, 2, (2, 600)))
    samples = split(torch.stack([x, y], dim=1), torch.sigmoid(x * y + 2 * x - 1), 0)
    template = next(own for own in templates(2, outers(samples.y)) if own.name == "logit f: sum + A(x)·B(y)")
    found = discover_in([template], samples, "xy")
    assert found.formula is not None and found.error < 1e-12
    assert outers(samples.y + 1) == ("log f", "f^2", "1/f") and outers(-samples.y) == ()


def test_the_tutorial_for_those_who_come_from_pykan_finds_its_formula():
    page = Path(__file__).parents[2] / "kanpde" / "symbolic" / "README.md"
    steps = page.read_text(encoding="utf-8").partition("## Coming from pykan")[2].partition("```python\n")[2]
    known: dict = {}
    exec(steps.partition("```")[0], known)  # noqa: S102 (our own page)
    assert known["formula"].text == "exp(y**2 + sin(pi*x))" and sum(known["shares"]) == pytest.approx(1)
