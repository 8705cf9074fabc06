"""Files that somebody else names: read when they are plain and short, refused before they are opened otherwise."""

import os
import socket

import pytest

from kanpde.files.regular import Unreadable, check_regular, plain_name, read_regular


def test_a_plain_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "v.bin"
    path.write_bytes(b"x" * 100)
    assert read_regular(path, 100) == b"x" * 100
    check_regular(path, 100)
    for refuse in (read_regular, check_regular):
        with pytest.raises(Unreadable, match="more than"):
            refuse(path, 99)


def refused(path, reason, links=False):
    with pytest.raises(Unreadable, match=reason):
        read_regular(path, 1000, links)


def test_links_are_followed_only_where_they_may_be(tmp_path):
    (tmp_path / "v").write_bytes(b"x")
    (tmp_path / "link").symlink_to("v")
    refused(tmp_path / "link", "a link")
    assert read_regular(tmp_path / "link", 10, links=True) == b"x"
    (tmp_path / "endless").symlink_to("/dev/zero")
    refused(tmp_path / "endless", "no plain file", links=True)
    (tmp_path / "gone").symlink_to("nowhere")
    refused(tmp_path / "gone", "not there", links=True)


def test_what_never_ends_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    refused(tmp_path / "fifo", "no plain file")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket")[-100:])
        refused(tmp_path / "socket", "no plain file")
    refused("/dev/zero", "no plain file")
    refused(tmp_path, "a folder")


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "\ud800", "missing", "v/v"])
def test_odd_names_have_a_reason(tmp_path, name):
    (tmp_path / "v").write_bytes(b"x")
    refused(f"{tmp_path}/{name}", "is not there|cannot be read")


def test_a_bare_name_stays_in_its_folder():
    assert plain_name("v-1 (copy).npy")
    for name in ("", ".", "..", "../v", "a/b", "/v", "~root", "a\0", "C:v", "\\\\host\\v", "x" * 300, "a\nb"):
        assert not plain_name(name), name
