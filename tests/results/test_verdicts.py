"""Verdicts: the words, the estimate by the error equation against true errors, what a problem leaves free."""

import math

import numpy as np
import pytest
import torch

import kanpde
from kanpde.problems.catalog import load_problem
from kanpde.problems.freedoms import aligned, free_fields, freedom_sentences
from kanpde.references.means import NotOne
from kanpde.results.doubts import doubts_of
from kanpde.results.error_equation import ErrorEstimate, estimated_error
from kanpde.results.errors import value_errors
from kanpde.results.signs import energy_signs, equation_signs, relative_residual
from kanpde.results.verdicts import Doubt, Sign, Verdict, Word, attributes_of, verdict_in, verdict_of
from kanpde.solving.ansatz.exact_conditions import ansatz_of
from kanpde.solving.tasks import goal_of

# the words


@pytest.mark.parametrize(
    ("error", "word"), [(1e-9, "solved"), (1e-2, "solved"), (0.02, "unsure"), (0.1, "unsolved"), (3.0, "unsolved")]
)
def test_a_measured_error_decides(error, word):
    verdict = verdict_of({"rel_l2": error, "reference_error": 1e-12})
    assert (verdict.word, verdict.estimate, verdict.factor) == (Word(word), error, 1.0)


def test_an_error_below_the_references_own_is_that_of_the_reference():
    verdict = verdict_of({"rel_l2": 1e-5, "reference_error": 0.03})
    assert verdict.word is Word.UNSURE and verdict.estimate == 0.03


def test_a_reference_that_errs_by_more_than_a_tenth_measures_nothing():
    assert verdict_of({"rel_l2": 1e-5, "reference_error": 0.2}, [Sign(0.3, "bad")]).reason == "bad"
    assert verdict_of({"rel_l2": 1e-5, "reference_error": 0.2}).word is Word.UNSURE


@pytest.mark.parametrize(("estimate", "word"), [(1e-4, "solved"), (0.03, "unsure"), (0.06, "unsolved")])
def test_the_worst_sign_decides_where_nothing_was_measured(estimate, word):
    verdict = verdict_of({}, [Sign(1e-8, "fine"), Sign(estimate, "worst")])
    assert (verdict.word, verdict.reason) == (Word(word), "worst") and verdict.factor > 1


def test_what_is_no_number_is_unsolved_and_a_failed_run_too():
    assert verdict_of({}, [Sign(1e-8, "fine"), Sign(math.nan, "?")]).word is Word.UNSOLVED
    assert verdict_of({"rel_l2": 1e-9}, (), "It diverged.") == verdict_of({}, (), "It diverged.")
    assert verdict_of({}, (), "It diverged.").word is Word.UNSOLVED


def test_a_verdict_survives_the_archive_and_old_archives_are_judged():
    verdict = Verdict(Word.UNSURE, 0.02, 10.0, "Because.")
    assert verdict_in(attributes_of(verdict), {}) == verdict
    assert verdict_in({"status": "done"}, {"rel_l2": 1e-3, "reference_error": 0.0}).word is Word.SOLVED
    assert verdict_in({"verdict": "splendid", "status": "done"}, {"rel_l2": 0.5}).word is Word.UNSOLVED


# what is wrong with a problem

BAR = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"}}
QUICK = {"model": {"width": [3]}, "training": {"stages": 1, "starts": 1, "steps": 20}, "threads": 1}


def test_no_verdict_is_better_than_its_doubt():
    doubts = [Doubt(Word.UNSURE, "Perhaps."), Doubt(Word.UNSOLVED, "No.")]
    good, bad = {"rel_l2": 1e-9}, {"rel_l2": 0.5}
    assert verdict_of(good, doubts=doubts[:1]).reason == "Perhaps. The measured error is 1.0e-09."
    assert verdict_of(good, doubts=doubts).word is Word.UNSOLVED
    assert verdict_of(bad, doubts=doubts[:1]).reason == "The measured error is 5.0e-01."


@pytest.mark.parametrize(
    ("changes", "word", "reason"),
    [
        ({"equations": "u_xx = 2", "boundary": {"x-": ["u = 0", "u_x = 0.1"], "x+": "u = 1"}}, "unsolved", "no solu"),
        ({"equations": "u_xx = 2", "boundary": {"x-": ["u = 0", "u_x = 0"], "x+": "u = 1"}}, "solved", "measured"),
        ({"energy": "u_x**2/2 - u**4"}, "unsolved", "no least value"),
    ],
)
def test_a_problem_without_one_solution_is_not_solved(changes, word, reason):
    words = {**QUICK, "training": {**QUICK["training"], "steps": 40 if word == "solved" else 2}}
    verdict = kanpde.solve({**BAR, **changes}, **words).verdict
    worse = ["solved", "unsure", "unsolved"]
    assert worse.index(verdict.word.value) >= worse.index(word) and reason in verdict.reason, verdict


def test_doubts_are_of_problems_whose_solution_nobody_has_told():
    doubts = {
        "u_xx + u**3 = 0": "Zero satisfies", "u_x**2 = 1": "not linear in u_x", "u_xx + u = 0": "", "u_xx = 1": "",
    }  # fmt: skip
    for equation, reason in doubts.items():
        found = list(doubts_of(load_problem({**BAR, "equations": equation})))
        assert [doubt.word for doubt in found] == [Word.UNSURE] * bool(reason)
        assert all(reason in doubt.reason for doubt in found)
    one = load_problem({**BAR, "equations": "u_xx + pi**2*u = 1"})
    words = [doubt.word for none in (False, True) for doubt in doubts_of(one, "chebyshev", NotOne("finds", none))]
    assert words == [Word.UNSURE, Word.UNSOLVED]
    free = load_problem({**BAR, "equations": "u_xx = cos(pi*x)", "boundary": {"*": "u_x = 0"}})
    assert not list(doubts_of(free, "chebyshev", NotOne("finds more than one")))  # by a constant, which is named


@pytest.mark.parametrize(
    ("energy", "lower"), [("u_x**2/2 - u**4", True), ("u_x**2/2 - 50*u**2", True), ("u_x**2/2 + u**4 - u", False)]
)
def test_an_energy_is_asked_for_lower_values_far_away(energy, lower):
    """Zero is a minimum of u_x²/2 - u⁴, and all that references find; ten times a function of size 1 is far below."""
    problem = load_problem({**BAR, "energy": energy})
    goal = goal_of(problem, ansatz_of(problem, "exact"), (1.0, 1.0), torch.float64)
    assert bool(goal.lower_elsewhere(0.0 if lower else -0.05)) == lower


# the error equation against true errors


def solved(problem, steps: int, **settings):
    training = {"stages": 1, "starts": 1, "steps": steps}
    return kanpde.solve(problem, training=training, threads=1, **settings)


@pytest.mark.parametrize("steps", [2, 6, 14])
@pytest.mark.parametrize("name", ["poisson_2d", "bratu", "advection_1d"])
def test_the_estimate_is_within_a_factor_of_five_of_the_true_error(name, steps):
    run = solved(name, steps, model={"width": [5]})
    found = estimated_error(run.solution, ansatz_of(run.problem, "exact"))
    true = min(run.metrics["rel_l2"], 1.0)  # beyond 1 there is nothing left to tell apart
    assert true / 5 < found.size < 5 * max(true, 1e-9), (name, steps, run.metrics["rel_l2"], found)


HOT = {
    "coordinates": {"x": [0, 1]}, "fields": ["T", "c"],
    "equations": {"heat": "T_xx = 0", "salt": "c_xx = -2"},
    "boundary": {"x-": ["T = 300", "c = 0"], "x+": ["T = 300", "c = 0"]},
}  # fmt: skip


def test_an_error_in_a_small_field_does_not_hide_behind_a_large_one():
    """c has a wrong curvature everywhere, 1.5e-3 of T: its conditions, its residual and its size are its own."""
    run = kanpde.solve(HOT, model={"width": [3]}, training={"stages": 1, "starts": 1, "steps": 1}, reference=False)
    wrong = run.solution
    with torch.no_grad():
        wrong.network.layers[-1].weight.zero_()
    known = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    missing = value_errors(("T", "c"), torch.from_numpy(wrong.values(known)),
                           torch.cat([300 + 0 * known, known * (1 - known)], 1))  # fmt: skip
    assert missing["rel_l2"] < 1e-3 and missing["varying_error"] > 0.5
    assert estimated_error(wrong, ansatz_of(wrong.problem, "exact")).size > 0.5
    assert any("T (300)" in warning and "hides" in warning for warning in run.warnings)
    penalty = ansatz_of(load_problem({**HOT, "boundary": {"*": ["T = 300", "c = 0.2"]}}), "penalty")
    missed = equation_signs(wrong, penalty, {})
    assert any(sign.estimate > 0.5 and "condition" in sign.reason for sign in missed)


def test_conditions_that_are_missed_count():
    run = solved("poisson_2d", 3, model={"width": [5]}, sampling={"boundary_points": 4})
    penalty = kanpde.solve(
        "poisson_2d", training={"conditions": "penalty", "stages": 1, "starts": 1, "steps": 3}, threads=1
    )
    signs = equation_signs(penalty.solution, ansatz_of(penalty.problem, "penalty"), {})
    assert any("condition" in sign.reason and sign.estimate > 1e-3 for sign in signs)
    built_in = equation_signs(run.solution, ansatz_of(run.problem, "exact"), {})
    assert not any("condition" in sign.reason for sign in built_in)


@pytest.mark.parametrize(("bend", "least", "most"), [(1e-9, 1e-9, 1e-8), (1.0, 0.9, 1.1)])
def test_terms_that_all_vanish_are_small_beside_the_field(bend, least, most):
    """u_xx = 0 has one term, and on a straight line that is rounding: a bend of 1e-9 is no error of 100 %."""
    line = {"coordinates": {"x": [0, 2]}, "fields": ["u"], "boundary": {"x-": "u = 0", "x+": "u = 2"}}
    solution = kanpde.solve({**line, "equations": f"u_xx = {bend}*x*(2 - x)"}, threads=1).solution
    solution.problem = kanpde.load_problem({**line, "equations": "u_xx = 0"})
    assert least < relative_residual(solution) < most


def test_the_relative_residual_is_that_of_the_largest_term():
    run = solved("poisson_1d", 20)
    assert relative_residual(run.solution) < 1e-3 < relative_residual(solved("poisson_1d", 1).solution)


@pytest.mark.parametrize(("unexplained", "residual", "worst"), [(0.8, 1e-6, 1e-9), (0.8, 0.3, 0.06), (0.3, 0.3, 1e-9)])
def test_what_the_error_equation_leaves_over_counts_where_it_could_do_harm(monkeypatch, unexplained, residual, worst):
    run = solved("poisson_1d", 1)
    found = ErrorEstimate(1e-9, unexplained)
    monkeypatch.setattr("kanpde.results.signs.estimated_error", lambda *_: found)
    monkeypatch.setattr("kanpde.results.signs.relative_residual", lambda _: residual)
    signs = equation_signs(run.solution, ansatz_of(run.problem, "exact"), {})
    assert max(sign.estimate for sign in signs) == pytest.approx(worst)


def test_energies_that_agree_speak_for_a_minimum():
    assert energy_signs(1.0)[0].estimate == 0 and energy_signs(2.0)[0].estimate == pytest.approx(0.1)


def test_an_energy_that_still_falls_speaks_against_it():
    """Flat in the end: solved. A fall by 4 % is an error of a fifth; one without end is no minimum."""
    flat, falling = [5.0, 2.0, 1.0, 1.0, 1.0, 1.0], [3.0, 2.0, 1.5, 1.04, 1.02, 1.0]
    endless = [-(10.0**n) for n in range(9)]
    estimates = [max(sign.estimate for sign in energy_signs(1.0, course)) for course in (flat, falling, endless)]
    assert estimates == pytest.approx([0, (0.04 / 1.04) ** 0.5, 0.999**0.5])
    words = [verdict_of({}, energy_signs(1.0, course)).word for course in (flat, endless)]
    assert words == [Word.SOLVED, Word.UNSOLVED]


def test_fewer_equations_than_fields_determine_nothing():
    two = {"coordinates": {"x": [0, 1]}, "fields": ["u", "v"], "equations": "u_xx + v = 1", "boundary": {"*": "u = 0"}}
    quick = {"model": {"width": [3]}, "training": {"stages": 1, "starts": 1, "steps": 20}, "reference": False}
    run = kanpde.solve(two, **quick)
    assert run.verdict.word is Word.UNSOLVED and "1 equations and measured fields for 2 fields" in run.verdict.reason
    assert run.verdict.reason in load_problem(two).warnings
    assert not any("measured fields for" in warning for warning in load_problem("inverse_conductivity").warnings)


def test_an_energy_without_a_least_value_is_not_solved():
    bar = {"coordinates": {"x": [0, 1]}, "fields": ["u"], "boundary": {"*": "u = 0"}}
    quick = {"model": {"width": [3]}, "training": {"stages": 1, "starts": 1, "steps": 20}, "reference": False}
    assert kanpde.solve({**bar, "energy": "u_x**2/2 - 50*u**2 - u"}, **quick).verdict.word is Word.UNSOLVED
    assert kanpde.solve({**bar, "energy": "u_x**2/2 - u"}, **quick).verdict.word is Word.SOLVED


# a run and its verdict


def test_a_run_has_a_verdict_in_its_archive():
    run = solved("poisson_1d", 20)
    assert run.verdict.word is Word.SOLVED and run.verdict.estimate == run.metrics["rel_l2"]
    assert run.data.attributes["verdict"] == "solved"


def test_without_a_reference_a_starved_run_says_so_and_a_good_one_is_believed():
    problem = {**load_problem("bratu").source}
    problem.pop("reference", None)
    problem.pop("exact", None)
    bad = solved(problem, 1, reference=False, model={"width": [3]})
    good = solved(problem, 25, reference=False)
    assert "rel_l2" not in good.metrics
    assert good.verdict.word is Word.SOLVED and bad.verdict.word is not Word.SOLVED


# what a problem leaves free

FLOW = {
    "coordinates": {"x": [0, 1], "y": [0, 1], "t": [0, 1]},
    "fields": ["u", "p"],
    "equations": {"momentum": "u_t + p_x = u_xx + u_yy", "pressure": "lap(p) = x*y*t"},
    "boundary": {"*": ["u = 0", "dn(p) = 0"]},
    "initial": ["u = 0"],
}


def test_a_pressure_is_free_up_to_a_function_of_time():
    problem = load_problem(FLOW)
    assert free_fields(problem) == {"p": (2,)}
    assert "p is determined up to a function of t" in freedom_sentences(problem)[0]
    assert free_fields(load_problem("poisson_2d")) == {}


def test_a_free_shift_is_taken_out_and_nothing_else():
    problem = load_problem(FLOW)
    points = torch.rand(400, 3, dtype=torch.float64)
    known = torch.stack([points[:, 0], points[:, 1] ** 2], dim=1)
    found = known.clone()
    found[:, 1] += 3 + torch.sin(points[:, 2])
    assert (aligned(problem, points, found, known) - found).abs().max() < 1e-8
    found[:, 1] += points[:, 0]
    assert (aligned(problem, points, found, known) - found).abs().max() > 0.1
    found[:, 0] += 1
    assert np.allclose(aligned(problem, points, found, known)[:, 0], known[:, 0])


# what a field's size hides


def test_an_offset_hides_no_error():
    rise = torch.linspace(0, 20, 101, dtype=torch.float64)[:, None]
    found = value_errors(("T",), 300 + 1.3 * rise, 300 + rise)
    assert found["rel_l2"] < 0.02 and found["varying_error"] > 0.3
    verdict = verdict_of({**found, "reference_error": 1e-9})
    assert verdict.word is Word.UNSOLVED and "varies little" in verdict.reason


def test_a_small_field_is_judged_by_its_own_size():
    x = torch.linspace(-1, 1, 101, dtype=torch.float64)
    known = torch.stack([x, 1e-3 * x], dim=1)
    found = value_errors(("u", "v"), known * torch.tensor([1.0, 1.5]), known)
    assert found["rel_l2"] < 1e-3 and found["varying_error"] == pytest.approx(0.5)


def test_rounding_in_what_is_constant_or_zero_counts_for_nothing():
    x = torch.linspace(-1, 1, 101, dtype=torch.float64)
    known = torch.stack([x, 0 * x, 0 * x + 1], dim=1)
    assert value_errors(("u", "v", "w"), known + 1e-12 * x[:, None], known)["varying_error"] < 1e-7
    assert value_errors(("u",), known[:, 1:2], known[:, 1:2])["varying_error"] == 0


def test_without_an_offset_one_field_has_one_error():
    x = torch.linspace(-1, 1, 101, dtype=torch.float64)[:, None]
    found = value_errors(("u",), torch.sin(3 * x) + 0.01, torch.sin(3 * x))
    assert found["varying_error"] == pytest.approx(found["rel_l2"])


# what no residual sees


@pytest.mark.parametrize(("start", "seen"), [("2/cosh(x)", True), ("2*cos(pi*x/5)", False)])
def test_a_kink_across_a_period_that_nothing_rounds_off_is_a_sign(start, seen):
    problem = load_problem({
        "coordinates": {"x": [-5, 5], "t": [0, 0.1]}, "fields": {"h": "complex"}, "periodic": ["x"],
        "equations": "i*h_t + h_xx/2 + abs(h)**2*h = 0", "initial": f"h = {start}",
    })  # fmt: skip
    run = kanpde.solve(problem, reference=False, training={"steps": 1, "stages": 1, "starts": 1}, progress=False,
                       model={"width": [2], "grid": 2}, optimizer="lm")  # fmt: skip
    signs = [sign for sign in equation_signs(run.solution, ansatz_of(run.problem, "exact"), {})
             if "no residual sees" in sign.reason]  # fmt: skip
    assert bool(signs) == seen and all(0.01 < sign.estimate < 0.1 for sign in signs)
