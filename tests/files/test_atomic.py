"""Files that are replaced whole or not at all."""

import pytest

from kanpde.errors import InputError
from kanpde.files.atomic import replace_file


def test_a_folder_that_is_missing_is_said(tmp_path):
    with pytest.raises(InputError, match="needed, but saving failed"):
        replace_file(tmp_path / "no" / "a.png", b"")
