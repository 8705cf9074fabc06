"""Equations and densities that say nothing of the fields, whatever they look like."""

import pytest

import kanpde
from kanpde.errors import InputError

LINE = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"}}
NEVER = "where(pi < 0, 2, 0)"


@pytest.mark.parametrize(
    ("task", "key"),
    [({"energy": f"{NEVER}*u_x**2"}, "energy"), ({"equations": {"heat": f"{NEVER}*u_xx = {NEVER}"}}, "equations.heat"),
     ({"energy": "where(x > 2, u_x**2, 0)"}, "energy"),
     ({"eigen": {"energy": f"{NEVER}*u_x**2", "states": 2}}, "eigen")],
)  # fmt: skip
def test_what_is_the_same_whatever_the_fields_are_is_refused(task, key):
    with pytest.raises(InputError, match=f"{key} needs to say something of u"):
        kanpde.load_problem({**LINE, **task})


@pytest.mark.parametrize(
    "task", [{"energy": "where(pi > 0, 2, 0)*u_x**2 - u"}, {"equations": "where(x > 0.9, 2, 1)*u_xx = 1"}]
)
def test_what_says_something_anywhere_is_not(task):
    kanpde.load_problem({**LINE, **task})
