"""Where what was found before is kept."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """$KANPDE_CACHE, or kanpde in the user's folder for caches."""
    own = os.environ.get("KANPDE_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kanpde"
