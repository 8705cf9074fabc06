"""Paths that nobody should type, given to every command that takes one: a sentence and exit code 2."""

import os

import pytest

from kanpde.cli.main import main

NAMES = {
    "empty": "", "long": "x" * 300, "very long": "x" * 5000, "deep": "a/" * 3000, "nobody's": "~nobodyhere/x",
    "device": "/dev/zero", "zero byte": "a\0b", "escape": "\x1b[31mé", "not text": "\udcff", "fifo": "fifo",
    "link": "link", "empty file": "empty.h5", "quoted": "a'b", "fifo inside": "fifos", "folder in its place": "folders",
    "no archive": "texts",
}  # fmt: skip
COMMANDS = {
    "show": "show", "report": "report", "export": "export --to csv", "collect": "collect", "symbolic": "symbolic",
    "claims": "claims", "check": "check", "reference": "reference",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One of each kind of thing that is no run."""
    above = tmp_path_factory.mktemp("odd")
    os.mkfifo(above / "fifo")
    (above / "link").symlink_to("/dev/zero")
    (above / "empty.h5").touch()
    for name in ("a'b", "fifos/p/kan/1", "folders/result.h5", "texts/p/kan/1"):
        (above / name).mkdir(parents=True)
    for name in ("result.h5", "history.jsonl"):
        os.mkfifo(above / "fifos/p/kan/1" / name)
        (above / "texts/p/kan/1" / name).write_text("[" * 60_000)
    return above


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", COMMANDS)
def test_odd_paths(command, name, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    given = NAMES[name] if command not in ("check", "reference") else f"problem={NAMES[name]}"
    assert main([*COMMANDS[command].split(), given]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ") and "\x1b" not in told.err
    assert "Traceback" not in told.err
