"""The key `settings` of a problem file: in place of defaults, and of nothing that was said."""

import pytest

from kanpde.errors import InputError
from kanpde.problems.catalog import load_problem
from kanpde.runs.run import solve
from kanpde.runs.settings import compose

BEAM = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "equations": "lap(u) = -1", "boundary": {"*": "u = 0"}}


def beam(**settings):
    return load_problem({**BEAM, "settings": settings}, name="beam")


def test_they_take_the_place_of_defaults_and_enter_the_key():
    config = compose([], beam(model={"width": [], "grid": 40}, training={"stages": 1}, sampling={"density": 7}))
    assert config.model.width == () and config.model.grid == 40
    assert config.training.stages == 1 and config.sampling.density == 7
    assert "grid: 40" in config.yaml
    assert config.key != compose([], beam()).key


def test_what_is_said_wins():
    problem = beam(model={"width": [], "grid": 40, "degree": 5}, training={"stages": 1})
    words = ["model.width=[8]", "training.stages=4"]  # the very defaults
    config = compose(words, problem)
    assert config.model.width == (8,) and config.training.stages == 4 and config.model.grid == 40
    assert compose(["experiment=degree_9"], problem).model.degree == 9


def test_they_are_meant_for_the_default_choices():
    problem = beam(model={"width": []}, training={"stages": 1})
    config = compose(["model=mlp", "training=quick"], problem)
    assert config.model.width == (20, 20) and config.training.stages == 2
    assert compose(["model=kan"], problem).model.width == ()


def test_one_layer_of_splines_is_a_linear_problem():
    run = solve(beam(model={"width": [], "grid": 40}, training={"stages": 1, "steps": 3}), reference=False)
    assert abs(run.solution([[0.5]])[0, 0] - 0.125) < 1e-12


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model": {"widht": [3]}}, "settings.model.widht: there is no such setting.*Did you mean width"),
        ({"modle": {}}, "settings takes model, optimizer, sampling, training; it has"),
        ({"model": 3}, "settings.model needs settings, name: value"),
        ({"training": {"stages": "x"}}, "training.stages needs a whole number; 'x' came"),
        ({"model": {"kind": "mlp"}}, "settings.model needs name: value, without kind"),
        ({"training": {"stages": {"a": 1}}}, "settings.training needs name: value"),
    ],
)
def test_bad_settings_are_refused(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        compose([], beam(**settings))
