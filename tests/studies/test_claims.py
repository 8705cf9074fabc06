"""Claims: each ends in a verdict, is kept, and is not run twice."""

import pytest
import sympy
import torch

from kanpde.cli.main import main
from kanpde.models.networks import KAN
from kanpde.studies.claims import CLAIMS, Claim, Judged, Judgment, judged
from kanpde.studies.claims.bumps import forgotten
from kanpde.studies.claims.feynman import FORMULAS
from kanpde.studies.claims.special import fitted
from kanpde.studies.claims.targets import equal, found_exactly, samples_of
from kanpde.studies.claims.ties import both_found
from kanpde.studies.claims.toys import errors_of, exponents
from kanpde.symbolic.formulas import symbols_of


def test_a_claim_is_judged_once(tmp_path, capsys):
    assert main(["claims", "conversion", "--folder", str(tmp_path)]) == 0
    first = capsys.readouterr().out
    assert "conversion: holds" in first and (tmp_path / "conversion.json").is_file()
    refused = Claim("conversion", "", lambda parts: pytest.fail("was run again"))
    assert judged(refused, tmp_path).verdict is Judgment.HOLDS
    found = judged(Claim("conversion", "", lambda parts: _other()), tmp_path, again=True)
    assert found.verdict is Judgment.OPEN


def _other():
    return Judged("conversion", Judgment.OPEN, "", 0.0, 0.0, 0.0, "")


def test_one_layer_of_local_splines_remembers_and_an_added_silu_does_not():
    options = {"lower": [0.0], "upper": [1.0], "dtype": torch.float64}
    assert forgotten(KAN([1, 1], 100, 3, generator=torch.Generator().manual_seed(0), **options)) < 1e-5
    assert forgotten(KAN([1, 1], 50, 3, base="silu", generator=torch.Generator().manual_seed(0), **options)) > 1e-3


def test_wrong_names_and_broken_files_are_explained(tmp_path, capsys):
    assert main(["claims", "nonsense"]) == 2
    assert "'nonsense' came" in capsys.readouterr().err
    (tmp_path / "bumps.json").write_text("{}")
    assert main(["claims", "bumps", "--folder", str(tmp_path)]) == 2
    assert main(["claims", "--list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in CLAIMS)


def test_a_claim_that_was_stopped_goes_on_where_it_was(tmp_path):
    made = []

    def run(parts):
        for label in ("a", "b"):
            parts(label, lambda label=label: made.append(label) or len(made))
        if len(made) == 2 and not (tmp_path / "stopped").exists():
            (tmp_path / "stopped").touch()
            raise KeyboardInterrupt
        return _other()

    with pytest.raises(KeyboardInterrupt):
        judged(Claim("x", "", run), tmp_path)
    assert judged(Claim("x", "", run), tmp_path).verdict is Judgment.OPEN and made == ["a", "b"]
    judged(Claim("x", "", run), tmp_path, again=True)
    assert made == ["a", "b", "a", "b"]


def test_one_page_says_what_came_of_all(tmp_path, capsys):
    assert main(["claims", "conversion", "--folder", str(tmp_path)]) == 0
    assert main(["claims", "report", "--folder", str(tmp_path)]) == 0
    page = (tmp_path / "claims.html").read_text()
    assert f"holds: 1; does not hold: 0; not resolved: 0; not run: {len(CLAIMS) - 1}." in page
    assert "conversion: holds" in page
    assert "claims.html" in capsys.readouterr().out


KNOWN = {
    "special": lambda label: {"error": 1e-9, "relative": 1e-8, "seconds": 1.0},
    "feynman": lambda label: {"exact": True, "seconds": 3.0},
    "widths": lambda label: {"exact": True, "seconds": 3.0},
    "ties": lambda label: {"exact": True, "right": True, "figure": 1e-5, "seconds": 3.0},
    "toys": lambda label: [[4, 1.0, 1e-2], [8, 1.0, 1e-2 / 16], [16, 1.0, 1e-2 / 256]],
    "poisson": lambda label: {"rel_l2": 1e-3 if "MLP" in label else 1e-6, "n_parameters": 9.0, "wall_time_s": 1.0},
    "speed": lambda label: {"kan_gradient": 20.0, "mlp_gradient": 1.0, "kan_step": 3.0, "mlp_step": 1.0},
}
POOR = {
    "special": {"error": 1.0, "relative": 1.0, "seconds": 1.0},
    "feynman": {"exact": False, "seconds": 3.0},
    "widths": {"exact": False, "seconds": 3.0},
    "ties": {"exact": False, "right": False, "figure": 1.0, "seconds": 3.0},
    "toys": [[4, 1e-2, 1e-2], [8, 0.9e-2, 0.9e-2], [16, 0.8e-2, 0.8e-2]],
    "poisson": {"rel_l2": 1e-3, "n_parameters": 9.0, "wall_time_s": 1.0},
    "speed": {"kan_gradient": 1.0, "mlp_gradient": 1.0, "kan_step": 3.0, "mlp_step": 1.0, "pykan_gradient": 5.0},
}


@pytest.mark.parametrize("name", KNOWN)
def test_verdicts_follow_from_figures(name):
    """What holds at good figures does not at poor ones; widths is a critics' claim, and falls at good ones."""
    good = CLAIMS[name].run(lambda label, compute: KNOWN[name](label))
    poor = CLAIMS[name].run(lambda label, compute: POOR[name])
    expected = Judgment.FAILS if name == "widths" else Judgment.HOLDS
    assert good.verdict is expected and poor.verdict is not expected
    assert good.least <= good.ours <= good.greatest and good.sentence.endswith(".")


def test_targets_are_equal_on_their_domain_only():
    y = symbols_of("xy")[1]
    assert equal(y, sympy.sqrt(y**2), ((0, 1), (1, 2))) and not equal(y, sympy.sqrt(y**2), ((0, 1), (-1, 2)))
    assert all(samples_of(text, box, 0).y.isfinite().all() for text, box in FORMULAS.values())
    row = found_exactly("x + 2", ((0, 1),), 0)
    assert row["exact"] and row["found"] == "x + 2"


def test_figures_of_claims_are_of_what_they_say():
    assert fitted("ellipeinc", (2,))["error"] < 1e-3
    assert both_found(0)["right"]
    rows = errors_of("J0(20x)", 0)
    assert exponents(rows)[-1] == pytest.approx(4, abs=0.2)
    assert all(kept < rms for _, rms, kept in rows)
    assert exponents([[4, 9.0, 1.0], [8, 9.0, 1 / 16], [16, 9.0, 1e-13]]) == pytest.approx([4])
