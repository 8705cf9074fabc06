"""Claims: each ends in a verdict, is kept, and is not run twice."""

import pytest
import torch

from kanpde.cli.main import main
from kanpde.models.networks import KAN
from kanpde.studies.claims import CLAIMS, Claim, Judged, Verdict, judged
from kanpde.studies.claims.bumps import forgotten


def test_a_claim_is_judged_once(tmp_path, capsys):
    assert main(["claims", "conversion", "--folder", str(tmp_path)]) == 0
    first = capsys.readouterr().out
    assert "conversion: holds" in first and (tmp_path / "conversion.json").is_file()
    refused = Claim("conversion", "", lambda: pytest.fail("was run again"))
    assert judged(refused, tmp_path).verdict is Verdict.HOLDS
    found = judged(Claim("conversion", "", lambda: _other()), tmp_path, again=True)
    assert found.verdict is Verdict.OPEN


def _other():
    return Judged("conversion", Verdict.OPEN, "", 0.0, 0.0, 0.0, "")


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
