"""From the data of a problem file to a Problem: each key read, names resolved, `auto` put in."""

from kanpde.keys.data import with_table
from kanpde.keys.messages import wrong_kind
from kanpde.keys.statement import read_statement

__all__ = ["read_statement", "with_table", "wrong_kind"]
