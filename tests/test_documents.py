"""Documents: what is made from the code is up to date."""

from dataclasses import fields

import documents
import pytest

from kanpde.problems.language import WORDS
from kanpde.solving.training.settings import Training

HERE = (documents.ROOT / "conf" / "README.md").is_file()
pytestmark = pytest.mark.skipif(not HERE, reason="only a checkout has them")


@pytest.mark.parametrize("path", documents.SECTIONS)
def test_what_is_made_from_the_code_is_up_to_date(path):
    """`python tests/documents.py` brings it up to date."""
    assert documents.refreshed(path) == (documents.ROOT / path).read_text(encoding="utf-8")


def test_every_setting_and_every_function_has_a_row():
    conf, problems = (documents.refreshed(path) for path in ("conf/README.md", "problems/README.md"))
    assert all(f"| `training.{field.name}` | " in conf for field in fields(Training))
    assert all(f"| `{name}(" in problems for name in WORDS)


def test_a_table_that_is_out_of_date_is_found(monkeypatch):
    assert documents.main(["--check"]) == 0
    monkeypatch.setitem(documents.SECTIONS["conf/README.md"], "groups", lambda: "another table")
    assert documents.main(["--check"]) == 1
