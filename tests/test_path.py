"""The whole path in one go: words → settings → training → archive → back."""

import kanpde
from kanpde.cli.main import main

QUICK = ("problem=poisson_1d", "model.width=[4]", "training.stages=2", "training.starts=1", "training.steps=8")


def test_from_words_to_an_archive_and_back(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check", *QUICK]) == 0 and main(["solve", *QUICK]) == 0
    (archive,) = tmp_path.glob("outputs/poisson_1d/kan/*/result.h5")
    again = kanpde.open_run(archive)
    assert again.status == "done" and again.metrics["rel_l2"] < 1e-2
    assert main(["show", str(archive)]) == 0 and main(["export", str(archive), "--to", "csv"]) == 0
    assert main(["report", str(archive)]) == 0
    assert "rel_l2" in capsys.readouterr().out
