"""From the data of a problem file to a Problem: each key read, names resolved, `auto` put in."""

from kanpde.problems.reading.data import with_table
from kanpde.problems.reading.messages import wrong_kind
from kanpde.problems.reading.problem_file import read_statement
from kanpde.problems.reading.schema import problem_schema

__all__ = ["problem_schema", "read_statement", "with_table", "wrong_kind"]
