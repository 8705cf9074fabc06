"""What `kanpde check` echoes, and the corners that it compares."""

from kanpde.problems.catalog import load_problem
from kanpde.problems.check_report import statement_lines

ROBIN = {
    "coordinates": {"x": [0, 1], "t": [0, 1]}, "fields": ["u"], "parameters": {"nu": "0.1/2", "h": 3},
    "equations": {"heat": "u_t = nu*u_xx"}, "boundary": {"x-": "u = 0", "x+": "dn(u) + h*u = 0"}, "initial": "u = 0*x",
}  # fmt: skip


def test_the_echo_has_parameters_by_name_and_the_normal_derivative_as_such():
    text = "\n".join(statement_lines(load_problem(ROBIN)))
    assert "parameters: nu = 0.1/2 = 0.05, h = 3" in text
    assert "written u_t = nu*u_xx" in text and "written dn(u) + h*u = 0" in text and "u_t - 0.05*u_xx = 0" in text
    assert "written u = 0" not in text  # nothing that the residual does not say


def test_the_echo_has_the_shapes_of_the_domain():
    lines = list(statement_lines(load_problem("laplace_holes")))
    (shapes,) = [line for line in lines if line.startswith("  domain: box")]
    assert "disk(" in shapes and " = " in shapes


def test_slopes_are_compared_at_corners():
    (warning,) = load_problem({**ROBIN, "initial": "u = x"}).warnings
    assert "x+" in warning and "x = 1" in warning
    assert not load_problem({**ROBIN, "initial": "u = x - 4*x**2/5"}).warnings
