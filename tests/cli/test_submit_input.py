"""`kanpde submit` with files, words and addresses that cannot be sent: a sentence, exit code 2, nothing sent."""

import json
import os

import pytest

from kanpde.cli.main import main
from kanpde.service.client import Client

FILES = {
    "not UTF-8": "latin.yaml", "empty": "empty.yaml", "a fifo": "fifo.yaml", "a folder": "folder.yaml",
    "an endless link": "link.yaml", "a device": "/dev/zero", "nobody's": "~nobodyhere/x.yaml", "missing": "no.yaml",
    "long": "a" * 5000 + ".yaml", "a zero byte": "a\0b.yaml", "not text": "\udcff.yaml", "too long": "large.yaml",
}  # fmt: skip
NAMED = {
    "a fifo": "fifo.yaml", "a device": "/dev/zero", "long": "a" * 5000, "a folder": ".", "missing": "no.npy",
    "a link": "link.yaml",
}  # fmt: skip
WORDS = ["x", "seed=choice(", "a..b=1", "seed=1,2", "problem.x.=[", "problem=nobody problem.title=x"]
ADDRESSES = [
    "http://[", "file:///etc/passwd", "http://a b", "\0", "http://x:99999", "http://", "ftp://x", "http://é", "x\ny",
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Client, "open", lambda *_: pytest.fail("it was sent"))
    (tmp_path / "latin.yaml").write_bytes(b"title: \xe9\n")
    (tmp_path / "large.yaml").write_text("#" * 100_000)
    (tmp_path / "empty.yaml").touch()
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "link.yaml").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "fifo.yaml")
    return tmp_path


def refused(capsys, *words, at="http://127.0.0.1:1"):
    assert main(["submit", *words, "--at", at]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1 and "Traceback" not in told and len(told) < 600


@pytest.mark.parametrize("name", FILES)
def test_problem_files(capsys, name):
    refused(capsys, f"problem={FILES[name]}")


@pytest.mark.parametrize("name", NAMED)
def test_files_that_a_problem_names(capsys, folder, name):
    problem = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "coefficients": {"V": {"file": NAMED[name]}},
               "equations": "u_xx = V", "boundary": {"*": "u = 0"}}  # fmt: skip
    (folder / "own.yaml").write_text(json.dumps(problem))
    refused(capsys, "problem=own.yaml")


@pytest.mark.parametrize("words", WORDS)
def test_words(capsys, words):
    refused(capsys, *words.split())


@pytest.mark.parametrize("address", ADDRESSES, ids=ascii)
def test_addresses(capsys, address):
    refused(capsys, "problem=poisson_1d", at=address)
