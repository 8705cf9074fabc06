"""A run: from a configuration to a trained, measured solution, to an archive and back."""

import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from kanpde.errors import InputError
from kanpde.lattices.outcomes import study_lattice
from kanpde.models.learned_constants import learn
from kanpde.models.networks import SMOOTH
from kanpde.problems.catalog import Problem, changed_problem
from kanpde.problems.field_sizes import set_sizes, size_sentences, small_ones
from kanpde.problems.freedoms import aligned, freedom_sentences
from kanpde.problems.grids import grid_axes, grid_points, tracking_points
from kanpde.problems.tasks.lattice import Lattice, lattice_of
from kanpde.references import FILE, NotSolved, Reference, method_for, no_reference, reference_of
from kanpde.references.means import NotOne, OutOfMeans, time_left, time_limit
from kanpde.reports.cards import run_card, summary_lines
from kanpde.reports.plots import solution_figure
from kanpde.results.archive import ModelData, RunData, archive_of, read_archive, write_archive
from kanpde.results.archived_problems import UNNAMED, archived_problem
from kanpde.results.doubts import doubts_of
from kanpde.results.errors import known_values, relative_l2
from kanpde.results.known_functions import known_functions
from kanpde.results.measuring import Measurement
from kanpde.results.metrics import metrics_of
from kanpde.results.provenance import git_commit, hardware, versions
from kanpde.results.signs import energy_signs, equation_signs
from kanpde.results.verdicts import Doubt, Sign, Verdict, Word, attributes_of, is_measured, verdict_in, verdict_of
from kanpde.runs.budgets import GRACE, Budget
from kanpde.runs.live import live_line
from kanpde.runs.memory_checks import check_memory, check_sizes
from kanpde.runs.rebuilding import conditions_met, filled, rebuilt
from kanpde.runs.settings import Config, compose, override_words
from kanpde.runs.stops import Stops
from kanpde.solving.ansatz.exact_conditions import ansatz_of
from kanpde.solving.ansatz.interface import Ansatz
from kanpde.solving.processes import Lost, leads, part, shared, shared_training, told
from kanpde.solving.solution import Solution
from kanpde.solving.tasks import Goal, goal_of
from kanpde.solving.time_windows import Windows, solution_of, window_ends
from kanpde.solving.training.events import Event, Finished, Note, Outcome, Started, Step
from kanpde.solving.training.journal import Journal, Recorded
from kanpde.solving.training.memory import forget_peak, peak_memory_mb
from kanpde.solving.training.own_modules import check_module
from kanpde.solving.training.routes import TrackOf, train_by_route
from kanpde.solving.training.setup import Setup, Trained
from kanpde.symbolic.diagrams import diagram_points, network_diagram
from kanpde.symbolic.manual import network_of
from kanpde.symbolic.readings import Reading, read_formulas

BELIEVABLE = 10.0
"""Held-out over training residual above which a warning is due; good runs have about 2, cheated ones 30 and more."""


COARSE = 1e-2
"""A reference's own error from which it is said that it was cut short."""

FEWEST = 5
"""Points along an axis of the archive, however little time there is."""

PROBED = 512
"""Points that tell how long a grid takes."""


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A finished run.

    problem: What was solved.
    data: All that the archive holds, as plain arrays.
    warnings: Sentences a careful reader wants to know.
    """

    problem: Problem
    data: RunData
    warnings: tuple[str, ...] = ()
    network: nn.Module | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """Errors, residuals, sizes and times by name."""
        return dict(self.data.metrics)

    @property
    def status(self) -> str:
        """done, interrupted or failed."""
        return str(self.data.attributes["status"])

    @property
    def stop_reason(self) -> str:
        """The sentence on how the run ended."""
        return str(self.data.attributes["stop_reason"])

    @property
    def verdict(self) -> Verdict:
        """solved, unsure or unsolved, with an estimate of the relative error and the reason."""
        return verdict_in(self.data.attributes, self.data.metrics)

    def __repr__(self) -> str:
        return "\n".join(summary_lines(self.data))

    def _repr_html_(self) -> str:
        """What a notebook shows: a few lines and the picture."""
        return run_card(self.data)

    def plot(self, what: Literal["solution", "network"] = "solution", field: str | None = None) -> Figure:
        """A picture of the run, a Matplotlib figure; `run.plot().savefig("run.pdf")` for paper.

        Args:
            what: The solution, or the network of edges: the one that formulas were read from, else the run's own.
            field: Whose network, the first unless given.

        Raises:
            InputError: There is no such picture, or the network has no edges that are splines.
        """
        if what == "solution":
            return solution_figure(self.data)
        own = field or self.problem.fields[0]
        if what != "network" or own not in self.problem.fields:
            raise InputError(
                f'A picture is of the "solution" or of the "network" of one of {", ".join(self.problem.fields)}; '
                f"{what!r} of {own!r} came. Choose one."
            )
        network = network_of(self.solution, self.data, own)
        return network_diagram(network, diagram_points(network), self.problem.coordinates, own)

    @property
    def history(self) -> dict[str, np.ndarray]:
        """One array per column, one entry per recorded step."""
        return dict(self.data.history)

    @cached_property
    def solution(self) -> Solution:
        """The trained fields; call it with points [n, d]."""
        own = self.problem
        network = self.network if self.network is not None else rebuilt(self.data.model, own.learned, own.bounds)
        return solution_of(self.problem, conditions_met(self.data.model), network)

    def symbolic(self, assume: str | None = None, seed: int = 0) -> Reading:
        """Look for a formula of every field and put what is found into the problem.

        Args:
            assume: A form to test, as "exp(a(x) + b(y))", a and b unknown.
            seed: Of the points and the networks.
        """
        return read_formulas(self.solution, seed=seed, assume=assume, error=self.verdict.estimate)

    def save(self, path: str | Path) -> None:
        """Write the archive; an existing file is replaced only once the new one is complete."""
        write_archive(path, self.data)


def solve(
    problem: str | Path | dict[str, Any] | Problem,
    model: str | dict[str, Any] | nn.Module | None = None,
    *,
    progress: bool | None = None,
    on_event: Callable[[Event], None] | None = None,
    **overrides: Any,
) -> Run:
    """Solve a problem and return the run.

    Args:
        problem: A name, a path, a mapping as in a problem file, or what `load_problem` returned.
        model: A name in the group `model`, a mapping of its settings, or a torch module [n, d] -> [n, fields] of your
            own, which is trained over nested automatic differentiation; without one the route is chosen.
        progress: Show how training goes, on one line that changes; by default in notebooks.
        on_event: Is told of what happens: `kanpde.solving.training.events`.
        overrides: Settings as on the command line: `seed=1`, `training={"steps": 20}`, `optimizer="adam"`; with
            dots as `**{"training.steps": 20, "problem.parameters.nu": 0.1}`.

    Raises:
        InputError: Something given cannot be used.

    >>> run = solve("poisson_1d", training={"stages": 1, "steps": 3}, model={"width": [4]})  # doctest: +SKIP
    """
    module = model if isinstance(model, nn.Module) else None
    own = {key.removeprefix("problem."): value for key, value in overrides.items() if key.startswith("problem.")}
    overrides = {key: value for key, value in overrides.items() if not key.startswith("problem.")}
    loaded = changed_problem(problem, own)
    if module is not None:
        check_module(module, loaded)
    named = {} if model is None else {"model": SMOOTH if module is not None else model}
    words = override_words(**named, **overrides)
    config = compose(words, loaded)
    listeners = [listen for listen in (on_event, live_line(progress)) if listen is not None]

    def tell(event: Event) -> None:
        for listen in listeners:
            listen(event)

    with own_threads(config.threads):
        return solve_config(config, tell, network=module)


@contextmanager
def own_threads(count: int | None) -> Iterator[None]:
    """So many threads of PyTorch inside; the calling program's number afterwards."""
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)


def open_run(path: str | Path, network: nn.Module | None = None) -> Run:
    """Read an archive back; its solution evaluates bit for bit as when it was written.

    Args:
        path: `result.h5`, or the folder that holds it.
        network: The module of your own that was trained, if it was one; a copy of it is filled in.
    """
    data = read_archive(archive_of(path))
    problem = archived_problem(data, Path(path).name)
    if network is not None:  # a copy: the caller's stays as it is
        network = copy.deepcopy(network).to(getattr(torch, json.loads(data.model.config_json)["dtype"]))
        filled(learn(network, problem.learned, problem.bounds), data.model)
    nameless = f"{path} does not say what its problem is called; it is {UNNAMED} here."
    return Run(problem, data, () if "problem" in data.attributes else (nameless,), network)


def solve_config(
    config: Config,
    on_event: Callable[[Event], None] = lambda event: None,
    network: nn.Module | None = None,
    journal: Journal | None = None,
    stops: Stops | None = None,
    budget: Budget | None = None,
) -> Run:
    """Train and measure what a configuration describes; writes no files.

    Ctrl-C ends the training, not the run: the best state so far is measured and marked interrupted. Ctrl-C while that
    is measured leaves out what has not been measured.

    Args:
        config: What to solve, and how.
        on_event: Is told what happens.
        network: A module of the user's own to train.
        journal: Records the training, and is played back first, where it has some.
        stops: Takes the signals, if anybody does.
        budget: The seconds of the whole run, if they have begun to pass.
    """
    forget_peak()
    budget = budget or Budget(config.training.time_limit)
    if isinstance(config.problem.task, Lattice):
        return _lattice_run(config, on_event)
    check_sizes(config)
    device = _device(config.device)
    window_ends(config.problem, config.training.windows)  # before time goes into a reference
    ansatz = ansatz_of(config.problem, config.training.conditions)
    reference, note, doubts = _reference(config, on_event, budget)
    history: list[dict[str, float]] = []

    def listen(event: Event) -> None:
        if isinstance(event, Step):
            history.append(event.record)
        if isinstance(event, Started):
            check_memory(event, config)
        on_event(event)

    setup, stops = _setup(config, ansatz, device, network, reference), stops or Stops()
    with shared_training():
        trained = _trained(setup, listen, partial(_tracker, reference=reference), journal, history, stops)
    try:
        stops.reopen()
        with time_limit(budget.measuring()):
            run = _measured(config, setup, trained, history, reference, note, doubts)
        stops.close()
    except KeyboardInterrupt:
        run = _unmeasured(config, setup, trained, history, note)
    return run


def train_beside(config: Config) -> None:
    """What the other processes of a shared run do: the same training, of which they keep nothing."""
    if isinstance(config.problem.task, Lattice):
        return
    ansatz = ansatz_of(config.problem, config.training.conditions)
    setup = replace(_setup(config, ansatz, _device(config.device), None, None), track=lambda network: math.nan)
    with shared_training(), own_threads(config.threads):
        _trained(setup, lambda event: None, lambda goal: setup.track, Journal(), [], Stops())


def _trained(
    setup: Setup,
    on_event: Callable[[Event], None],
    track_of: TrackOf,
    journal: Journal | None,
    history: list[dict[str, float]],
    stops: Stops,
) -> Trained:
    """The training; an interrupt that strikes beside its steps leads to the best state by way of the journal.

    So does the loss of another process: the first one goes on alone.
    """
    if journal is None:
        return train_by_route(setup, on_event, track_of)
    said = ""
    try:
        if shared():
            journal.together()
        return train_by_route(_recorded(setup, journal), on_event, track_of)
    except (KeyboardInterrupt, Lost) as stopped:
        if not journal.begun or not leads():
            raise
        said = str(stopped)
    part()
    stops.close()  # what starts the processes stops them all when it misses one
    history.clear()

    def again(event: Event) -> None:  # it is known to those who watch
        if isinstance(event, Step):
            history.append(event.record)
        elif isinstance(event, Finished):
            on_event(event)

    found = train_by_route(_recorded(setup, journal.replayed()), again, track_of)
    stops.waiting = stops.waiting and not said
    return replace(found, sentence=f"{found.sentence} {said}".strip())


def _recorded(setup: Setup, journal: Journal) -> Setup:
    def settled(number: float) -> float:
        return journal.settled(told(number))

    return replace(setup, optimizer=Recorded(setup.optimizer, journal), clock=journal.clock, settled=settled)


def _lattice_run(config: Config, on_event: Callable[[Event], None]) -> Run:
    """Measure a lattice; its states take the place of a field, its classifier that of the network."""
    lattice, begun = lattice_of(config.problem), time.perf_counter()
    history: list[dict[str, float]] = []
    on_event(Started(0, lattice.measures.realizations, (), ()))

    def listen(done: int, chunk: Mapping[str, np.ndarray]) -> None:
        seconds = time.perf_counter() - begun
        means = {name: float(np.mean(chunk[name])) for name in ("dimension", "gamma") if name in chunk}
        record = {"step": done, "time_s": seconds, "share": done / lattice.measures.realizations, **means}
        history.append(record)
        on_event(Step(record))

    found = study_lattice(lattice, config.problem.source, config.model, config.seed, listen)
    outcome = Outcome.FINISHED if found.status == "done" else Outcome.INTERRUPTED
    on_event(Finished(outcome))
    metrics = {**found.metrics, "wall_time_s": time.perf_counter() - begun, "peak_memory_mb": peak_memory_mb()}
    about = _ended(config, outcome.status, found.sentence, torch.device("cpu"))
    data = RunData(
        attributes={**about, "reference": "none", **found.texts, **attributes_of(found.verdict)},
        axes={}, fields={}, history=_columns(history), metrics=metrics, model=found.model, points={},
        spectrum=found.arrays, spectrum_axes=found.axes, symbolic=found.symbolic,
        symbolic_attributes=found.symbolic_attributes,
    )  # fmt: skip
    return Run(config.problem, data)


def _reference(
    config: Config, on_event: Callable[[Event], None], budget: Budget
) -> tuple[Reference | None, tuple[str, ...], tuple[Doubt, ...]]:
    """A classical solution to measure against, or a sentence on why there is none; what is wrong with the problem."""
    problem, doubts = config.problem, tuple(doubts_of(config.problem))
    if not config.reference:
        return None, ("There is no reference, so no error is measured: reference=false was set.",), doubts
    method = method_for(problem)
    if method is None:
        return None, () if problem.exact else (no_reference(problem),), doubts
    on_event(Note(f"reference: solving by {method}"))
    try:
        found = reference_of(problem, method, budget.reference)
    except NotSolved as reason:
        against = reason if isinstance(reason, NotOne) else None
        said = f"There is no reference, so no error is measured: {method} {reason}."
        return None, (said,), tuple(doubts_of(problem, method, against))
    on_event(Note(f"reference: {found.unknowns} unknowns, relative error {found.error:.1e}, {found.seconds:.1f} s"))
    return found, _cut_short(method, found), () if method == FILE else doubts


def _cut_short(method: str, found: Reference) -> tuple[str, ...]:
    """A word on a reference that is coarse because there was no time for a finer one."""
    if not found.cut or found.error < COARSE:
        return ()
    said = f"The reference is that of {found.unknowns} unknowns, with an error of {found.error:.1e} itself: {method}"
    return (f"{said} {found.cut}. Allow more: training.time_limit.",)


def _device(name: str) -> torch.device:
    automatic = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(automatic if name == "auto" else name)


def _setup(
    config: Config, ansatz: Ansatz, device: torch.device, network: nn.Module | None, reference: Reference | None
) -> Setup:
    dtype, weights = getattr(torch, config.dtype), (config.training.boundary_weight, config.training.data_weight)
    goal = goal_of(config.problem, ansatz, weights, dtype)
    return Setup(
        problem=config.problem,
        goal=goal,
        design=config.model if network is None else None,
        optimizer=config.optimizer,
        sampling=config.sampling,
        settings=config.training,
        seed=config.seed,
        dtype=dtype,
        device=device,
        track=_tracker(goal, reference),
        network=network,
    )


def _tracker(goal: Goal, reference: Reference | None) -> Callable[[nn.Module], float]:
    """The relative error of a network at a fixed set of points, for the history."""
    points = tracking_points(goal.problem)
    lives = goal.problem.lives(points)
    try:
        with time_limit(GRACE):
            known = known_values(goal.problem, points, reference)
    except OutOfMeans:
        known = None
    if known is None:
        return lambda network: float("nan")

    def error(network: nn.Module) -> float:
        found = Solution(goal.problem, goal.ansatz, network).values(points)
        nearest = goal.nearest(known, found, reference)
        nearest = aligned(goal.problem, points, torch.from_numpy(found), nearest)
        return relative_l2((torch.from_numpy(found) - nearest)[lives], nearest[lives])

    return error


def _measured(
    config: Config,
    setup: Setup,
    trained: Trained,
    history: list[dict[str, float]],
    reference: Reference | None,
    notes: tuple[str, ...],
    doubts: tuple[Doubt, ...],
) -> Run:
    solution = _solution(config, setup, trained)
    if reference is not None:
        reference = setup.goal.turned(reference, solution, tracking_points(config.problem).numpy())
    measured = setup.goal.measured(trained.network, reference)
    if trained.outcome.status == "done" and measured.fault:
        trained = replace(trained, outcome=Outcome.BELOW, sentence=f"{Outcome.BELOW.value} {measured.fault}")
    axes, coarser = _axes_in_time(config, solution)
    notes += coarser
    fields = _fields(solution, axes, reference)
    if reference is not None and f"{config.problem.fields[0]}_ref" not in fields:
        notes += ("There was no time to evaluate the reference on the grid, so the picture is without an error.",)
    known = known_functions(config.problem, axes, fields)
    taken = Measurement(setup, trained, solution, reference, measured, fields, len(history), config.output.resolution)
    metrics, missed = metrics_of(taken)
    doubts += () if measured.doubt is None else (Doubt(Word.UNSOLVED, measured.doubt),)
    verdict = _judged(config, setup, trained, solution, metrics, _last_stage(history), doubts)
    about = {**_attributes(config, setup, trained), "reference": _method(config.problem, reference)}
    data = RunData(
        attributes={**about, **attributes_of(verdict)},
        axes=axes,
        fields=fields,
        history=_columns(history),
        metrics=metrics,
        model=_model_data(config, setup, trained),
        points={name: points.cpu().double().numpy() for name, points in trained.points.items()},
        coefficients=known,
        spectrum=measured.arrays,
        samples=dict(config.problem.samples),
    )
    if missed:
        notes += (f"There was no time to measure {', '.join(missed)}. Allow more: training.time_limit.",)
    notes += tuple(_sizes_found(config.problem, fields))
    return Run(config.problem, data, (*_warnings(config, setup, trained, metrics), *notes), trained.network)


def _sizes_found(problem: Problem, fields: Mapping[str, np.ndarray]) -> list[str]:
    """A word on fields that came out far apart in size, where the problem's own warnings have not said so."""
    if small_ones(set_sizes(problem)):
        return []
    return size_sentences({name: _size(fields[name]) for name in problem.fields})


def _size(values: np.ndarray) -> float:
    """Root mean square where there are values."""
    inside = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(inside**2))) if inside.size else 0.0


def _solution(config: Config, setup: Setup, trained: Trained) -> Solution:
    """What was trained, behind the ansatz that it was trained behind, which is not built twice where that is known."""
    if trained.conditions or isinstance(trained.network, Windows):
        return solution_of(config.problem, _met(config, trained), trained.network)
    return Solution(config.problem, setup.goal.ansatz, trained.network)


def _last_stage(history: Sequence[Mapping[str, float]]) -> list[float]:
    """The loss at each step of the last stage."""
    last = history[-1].get("stage") if history else None
    return [record["loss"] for record in history if record.get("stage") == last and "loss" in record]


def _judged(
    config: Config,
    setup: Setup,
    trained: Trained,
    solution: Solution,
    metrics: dict[str, float],
    course: Sequence[float],
    doubts: Sequence[Doubt],
) -> Verdict:
    """The verdict; signs are asked for only where nothing was measured."""
    failed = trained.sentence if trained.outcome.status == "failed" else ""
    signs: list[Sign] = []
    if not failed and not is_measured(metrics):
        if config.problem.task.integrals():
            signs = energy_signs(trained.parting, course)
        else:
            signs = equation_signs(solution, ansatz_of(config.problem, _met(config, trained)), metrics)
    return verdict_of(metrics, signs, failed, doubts)


def _met(config: Config, trained: Trained) -> str:
    """How the conditions are met: as was set, or as the route chose."""
    return trained.conditions or config.training.conditions


def _axes_in_time(config: Config, solution: Solution) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Those of the archive's grid, with fewer points where evaluating all would take over half of the time left."""
    axes = grid_axes(config.problem, config.output.resolution)
    probe, seconds = tracking_points(config.problem)[:PROBED], math.inf
    with time_limit(math.inf):
        for _ in range(2):  # the first time is slower
            begun = time.thread_time()
            solution.values(probe)
            seconds = min(seconds, time.thread_time() - begun)
    affordable = max(time_left(), 0.0) / 2 * PROBED / max(seconds, 1e-9)
    whole = math.prod(map(len, axes.values()))
    if whole <= affordable:
        return axes, ()
    count = max(FEWEST, int(affordable ** (1 / len(axes))))
    said = f"There was no time to evaluate the solution at {whole} points; its archive has {count} along each axis."
    return grid_axes(config.problem, count), (f"{said} Allow more: training.time_limit, or set output.resolution.",)


def _unmeasured(
    config: Config, setup: Setup, trained: Trained, history: list[dict[str, float]], notes: tuple[str, ...]
) -> Run:
    """The run as far as it is known without measuring: its fields, its sizes, its history."""
    outcome = Outcome.INTERRUPTED if trained.outcome.status == "done" else trained.outcome
    trained = replace(trained, outcome=outcome, sentence=f"{outcome.value} It was stopped before it was measured.")
    axes = grid_axes(config.problem, config.output.resolution)
    metrics = {
        "n_parameters": sum(p.numel() for p in trained.network.parameters()),
        "wall_time_s": trained.seconds,
        "steps": len(history),
    }
    data = RunData(
        attributes={**_attributes(config, setup, trained), "reference": _method(config.problem, None)},
        axes=axes,
        fields=_fields(_solution(config, setup, trained), axes, None),
        history=_columns(history),
        metrics=metrics,
        model=_model_data(config, setup, trained),
        points={name: points.cpu().double().numpy() for name, points in trained.points.items()},
    )
    return Run(config.problem, data, notes, trained.network)


def _attributes(config: Config, setup: Setup, trained: Trained) -> dict[str, str | int]:
    return _ended(config, trained.outcome.status, trained.sentence, setup.device)


def _ended(config: Config, status: str, sentence: str, device: torch.device) -> dict[str, str | int]:
    return {
        "title": config.problem.title,
        "problem": config.problem.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": status,
        "stop_reason": sentence,
        "seed": config.seed,
        "config_yaml": config.yaml,
        "config_sha256": config.sha256,
        "problem_yaml": config.problem.yaml(),
        "versions_json": json.dumps(versions()),
        "hardware_json": json.dumps(hardware(device)),
        "git_commit": git_commit(),
    }


def _fields(solution: Solution, axes: dict[str, np.ndarray], reference: Reference | None) -> dict[str, np.ndarray]:
    """Every field on the grid, with the exact or reference values and the error where they are known."""
    points, shape = grid_points(axes), [len(x) for x in axes.values()]
    with time_limit(math.inf):  # they are an archive's first content
        found = solution.values(points)
    if not solution.problem.region.whole:
        found[~solution.problem.region.touches(torch.from_numpy(points)).numpy()] = np.nan
    found[~solution.problem.lives(torch.from_numpy(points)).numpy()] = np.nan
    try:
        known = known_values(solution.problem, torch.from_numpy(points), reference)
    except OutOfMeans:
        known = None
    if known is not None:
        known = aligned(solution.problem, torch.from_numpy(points), torch.from_numpy(found), known)
    fields = {}
    for place, name in enumerate(solution.problem.fields):
        fields[name] = found[:, place].reshape(shape)
        if known is not None:
            fields[f"{name}_ref"] = known[:, place].numpy().reshape(shape) + 0 * fields[name]  # NaN outside the region
            fields[f"{name}_error"] = fields[name] - fields[f"{name}_ref"]
    return fields


def _method(problem: Problem, reference: Reference | None) -> str:
    return "exact" if problem.exact else "none" if reference is None else reference.method


def _columns(history: list[dict[str, float]]) -> dict[str, np.ndarray]:
    names = list(dict.fromkeys(name for record in history for name in record))
    return {name: np.array([record.get(name, math.nan) for record in history], dtype=float) for name in names}


def _model_data(config: Config, setup: Setup, trained: Trained) -> ModelData:
    network, design = trained.network, trained.design or setup.design
    trainable = {name for name, _ in network.named_parameters()}
    arrays = {name: value.detach().cpu().double().numpy() for name, value in network.state_dict().items()}
    described = {
        "conditions": _met(config, trained),
        "dtype": config.dtype,
        "design": design.description() if design is not None else None,
        "grid": network.grid if design is not None else 0,
        "inputs": config.problem.domain.dimension,
        "outputs": config.problem.outputs,
        "periodic": list(config.problem.periodic),
        "windows": network.ends.tolist() if isinstance(network, Windows) else None,
    }
    return ModelData(
        kind=design.kind if design is not None else "module",
        config_json=json.dumps(described),
        parameters={name: value for name, value in arrays.items() if name in trainable},
        grids={name: value for name, value in arrays.items() if name not in trainable},
    )


def _warnings(config: Config, setup: Setup, trained: Trained, metrics: dict[str, float]) -> tuple[str, ...]:
    """The problem's own warnings, the ansatz's, and what the figures give away."""
    found = [*config.problem.warnings, *config.warnings, *setup.goal.ansatz.warnings]
    found += freedom_sentences(config.problem)
    if metrics.get("rel_l2", math.inf) < metrics.get("reference_error", 0.0):
        found.append(
            f"The error measured, {metrics['rel_l2']:.1e}, is below that of the reference, "
            f"{metrics['reference_error']:.1e}: it says no more than that they agree. Set reference.resolution in the "
            "problem file to more."
        )
    if trained.parting > BELIEVABLE:
        found.append(
            f"At the end the held-out residual was {trained.parting:.0f} times the training residual: the points were "
            "fitted rather than the equation; the best state before that is kept. Use more points (sampling.density) "
            "or training.resample."
        )
    if metrics.get("outside_grid_fraction", 0) > 0.01:
        found.append(
            f"{metrics['outside_grid_fraction']:.0%} of the hidden activations lie outside their grids, where the end "
            "pieces continue. Use more stages, or another seed."
        )
    return tuple(found)
