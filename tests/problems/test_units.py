"""Units of names: terms that are added have one."""

from fractions import Fraction

import pytest

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.problems.reading.units import unit_of

ROD = {
    "coordinates": {"x": [0, 1], "t": [0, 10]}, "fields": ["T"],
    "parameters": {"k": 400, "rho": 8960, "c": 385, "h": 25, "Q": 1000},
    "equations": {"heat": "rho*c*T_t = k*T_xx"},
    "boundary": {"x-": "T = 300", "x+": "k*dn(T) + h*(T - 293) = 0"}, "initial": "T = 300",
    "units": {"x": "m", "t": "s", "T": "K", "k": "W/(m*K)", "rho": "kg/m**3", "c": "J/(kg*K)", "h": "W/(m**2*K)"},
}  # fmt: skip


def test_units_are_products_of_base_units():
    assert unit_of("W/(m*K)", "here") == {"kg": 1, "m": 1, "s": -3, "K": -1}
    assert unit_of("m**(1/2)", "here") == {"m": Fraction(1, 2)} and unit_of("rad", "here") == {}
    with pytest.raises(InputError, match="furlong"):
        unit_of("furlong", "here")


def test_names_without_a_unit_take_any():
    scaled = ROD["equations"] | {"heat": "rho*c*T_t = k*T_xx + Q"}
    assert load_problem(ROD | {"equations": scaled}).name


@pytest.mark.parametrize(("changes", "reason"), [
    ({"equations": {"heat": "rho*c*T_t = k*T_x"}}, "equations.heat needs terms of one unit; "),
    ({"equations": {"heat": "rho*c*T_t = k*T_xx + Q*sin(x)"}}, r"arguments without a unit in sin\(…\); x has m"),
    ({"boundary": {"x-": "T = 300", "x+": "k*dn(T) + h*T_x = 0"}}, r"boundary.x\+ needs terms of one unit"),
    ({"units": ROD["units"] | {"k": "W/m"}}, "kg"),
    ({"units": {"z": "m"}}, "z is none"),
    ({"units": {"x": "parsec"}}, "parsec"),
    ({"units": "SI"}, "a mapping of names"),
])  # fmt: skip
def test_units_that_do_not_agree(changes, reason):
    with pytest.raises(InputError, match=reason):
        load_problem(ROD | {"equations": {"heat": "rho*c*T_t = k*T_xx"}} | changes)
