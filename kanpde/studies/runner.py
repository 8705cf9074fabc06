"""A study from its first run to its last: tuning, sizes of the first model, others matched to them.

Finished runs are skipped, so a study that is started again goes on where it stopped, and comes to the same plan, which
follows from the archives alone.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException

from kanpde.errors import InputError
from kanpde.files.atomic import made_folder
from kanpde.models.networks import Design, title_of
from kanpde.problems.problem import Problem
from kanpde.results.archive import ARCHIVE
from kanpde.results.classical import classical_solutions
from kanpde.results.provenance import git_commit, hardware, versions
from kanpde.runs.checked_values import settings_from
from kanpde.runs.choices import group_choices, group_defaults
from kanpde.runs.hydra_composition import compose_mapping, near
from kanpde.runs.jobs import JobState, Result, solve_one
from kanpde.runs.settings import Config, config_of
from kanpde.solving.optimizers import OPTIMIZERS, TRAINERS
from kanpde.studies.archive import StudyData
from kanpde.studies.comparisons import series_of
from kanpde.studies.plans import Study, base_words, matched_widths, parameters, sized, tuning_size, words
from kanpde.studies.records import Collection, Record, Skipped, read_all

DEFAULT_PRESET = "quick"
SET_BY_THE_STUDY = {
    "model": "study.models=…, study.kan_degrees=…, study.widths=… and their like",
    "seed": "study.seeds=…",
    "training.steps": "study.steps=…",
    "training.stages": "study.stages=…",
    "training.starts": "study.starts=…",
    "training.start_steps": "study.start_steps=…",
    "training.time_limit": "study.time_limit=…",
    "sampling.points": "study.points=…",
    "hydra": "none: the runs of a study follow one another, so that their times can be compared",
}
DEFAULTS = {"optimizer": TRAINERS[0], "threads": "1", "output.plot": "false"}
ROUNDS = 2
"""How often widths are sought anew after budgets were measured."""

Say = Callable[[str], None]
Made = Callable[[str, Result], None]
"""Is told of every run of a study: of which model, and what came out."""


@dataclass(frozen=True)
class Plan:
    """A study that may begin: its settings, the words all its runs share, and the configuration they make."""

    study: Study
    words: tuple[str, ...]
    config: Config

    @property
    def folder(self) -> Path:
        """`outputs/<problem>/scaling/<key>`, the same for the same study."""
        stated = json.dumps([self.config.sha256, asdict(self.study)], sort_keys=True)
        key = hashlib.sha256(stated.encode()).hexdigest()[:12]
        return Path(self.config.output.folder) / self.config.problem.name / "scaling" / key


def plan_of(words: Sequence[str]) -> Plan:
    """Read the words of the command: `preset=quick`, `study.seeds=5`, and settings that all runs share.

    Raises:
        InputError: One of them cannot be used.
    """
    values = {key: value for key, value in map(_split, words) if key == "preset" or key.startswith("study.")}
    shared = [word for word in words if _split(word)[0] not in values]
    for word in shared:
        key = _split(word)[0]
        for taken, instead in SET_BY_THE_STUDY.items():
            if key == taken or key.startswith((f"{taken}.", f"{taken}/")):
                raise InputError(f"{word}: the study itself sets {taken}. Leave it out; what you can set: {instead}.")
    study = _study(values)
    said = {_split(word)[0] for word in shared}
    shared += [f"{key}={value}" for key, value in DEFAULTS.items() if key not in said]
    shared += base_words(study)
    plan = Plan(study, tuple(shared), config_of(compose_mapping(shared)))
    if type(plan.config.optimizer) not in {OPTIMIZERS[name] for name in TRAINERS}:
        raise InputError(
            "A study compares models that are trained; an exact last layer would take the place of each of them. "
            f"Choose optimizer={' or optimizer='.join(TRAINERS)}."
        )
    _check_first_jobs(plan)
    return plan


def _split(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key.lstrip("+~"), value


def _study(values: dict[str, str]) -> Study:
    preset, presets = values.pop("preset", DEFAULT_PRESET), group_choices("study")
    if preset not in presets:
        raise InputError(f"preset is one of {', '.join(presets)}; {preset or 'nothing'} came.{near(preset, presets)}")
    settings = group_defaults("study", preset)
    own = {key.removeprefix("study."): _value(key, text) for key, text in values.items()}
    return settings_from(Study, settings | own, "study")


def _value(key: str, text: str) -> object:
    try:
        value = OverridesParser.create().parse_override(f"{key}={text}").value()
    except OverrideParseException as error:
        raise InputError(f"{key}={text}: a value such as 5 or [2,4,8] is needed; this cannot be read.") from error
    return list(value) if isinstance(value, (list, tuple)) else value


def _check_first_jobs(plan: Plan) -> None:
    """Compose one job of each kind, so that what cannot be used is said before the first run."""
    study = plan.study
    for one in (candidate for kind in study.models for candidate in study.candidates(kind)):
        config_of(compose_mapping([*plan.words, *words(one, study), "seed=0"]))
    if plan.config.problem.task.integrals() or not (plan.config.problem.exact or plan.config.problem.equations):
        raise InputError(
            f"{plan.config.problem.name}: a study compares errors of solutions of equations; this problem has none. "
            "Choose another problem."
        )


class Runner:
    """Makes the runs of a study one after another and keeps their records."""

    def __init__(self, plan: Plan, say: Say, made: Made = lambda model, result: None):
        self.plan, self.say, self.made = plan, say, made
        self.count = 0
        self.lost: list[Skipped] = []
        self.log = plan.folder / "study.log"

    def run(self, architectures: Sequence[Design], seeds: Sequence[int], *more: str) -> Collection:
        """Every architecture with every seed; what is finished already is only read.

        Seeds on the outside, so that a machine that is busy for a while slows all architectures alike.
        """
        paths = []
        for seed in seeds:
            for one in dict.fromkeys(architectures):
                job = [*self.plan.words, *more, *words(one, self.plan.study), f"seed={seed}"]
                result = self._solve(job, " ".join([f"{one}, seed {seed}", *more]))
                self.made(one.title, result)
                archive = Path(result.folder) / ARCHIVE
                if archive.is_file():
                    paths.append(archive)
                else:
                    self.lost.append(
                        Skipped(result.folder, f"left no archive ({result.state.value}): {result.sentence}")
                    )
        return read_all(paths)

    def _solve(self, job: list[str], what: str) -> Result:
        self.count += 1
        with self._quiet():
            result = solve_one(job)
        self.say(f"#{self.count} {what}: {result.state.value}, {result.note()}")
        if result.state is JobState.INTERRUPTED:
            raise KeyboardInterrupt
        return result

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """What a run would show goes to a file: a study has a hundred of them."""
        with self.log.open("a", encoding="utf-8") as file, contextlib.redirect_stderr(file):
            yield


def run_study(plan: Plan, say: Say, made: Made = lambda model, result: None) -> StudyData:
    """Make all runs of a study that are not yet made.

    Raises:
        KeyboardInterrupt: Ctrl-C; started again, the study goes on.
    """
    made_folder(plan.folder, "output.folder=…")
    runner, study = Runner(plan, say, made), plan.study
    tuned, tuning = _tuned(runner)
    say(f"tuned: {', '.join(one.label for one in tuned)}")
    main = _ladder(runner, tuned)
    own, own_words = _own_optimizers(runner, tuned) if study.own_optimizer else (Collection((), ()), {})
    chosen = {one.kind: one.description() | {"runs": list(runs)} for one, runs in tuned.items()}
    return StudyData(
        attributes=_attributes(plan, chosen, own_words),
        records=main.records,
        tuning=tuning,
        own=own.records,
        skipped=(*main.skipped, *own.skipped, *runner.lost),
        classical=tuple(classical_solutions(plan.config.problem)),
    )


def _tuned(runner: Runner) -> tuple[dict[Design, list[str]], tuple[Record, ...]]:
    """The candidate of each model with the lowest median error, all at about the same number of parameters.

    With each go the hashes of its runs.
    """
    study, problem = runner.plan.study, runner.plan.config.problem
    size = tuning_size(study, problem)
    candidates = {kind: study.candidates(kind) for kind in study.models}
    counts = " and ".join(f"{len(own)} {title_of(kind)}s" for kind, own in candidates.items())
    runner.say(f"tuning: {counts} of about {size} parameters")
    chosen, records = {}, []
    for own in candidates.values():
        results = [(runner.run([sized(one, size, problem)], study.tuning), one) for one in own]
        found, best = min(results, key=lambda result: _median_error(result[0]))
        chosen[best] = [record.sha256 for record in found.records]
        records += [record for result, _ in results for record in result.records]
    return chosen, tuple(records)


def _median_error(collection: Collection) -> float:
    errors = [record.error for record in collection.records]
    return float(np.median(errors)) if errors else math.inf


def _ladder(runner: Runner, tuned: Iterable[Design], *more: str) -> Collection:
    """All sizes of the first model, and others of equal parameters, then of equal measured budgets."""
    study, problem = runner.plan.study, runner.plan.config.problem
    first, *others = tuned
    wanted = [one for size in study.sizes(first) for one in (size, *_rivals(size, others, problem))]
    found = [runner.run(wanted, range(study.seeds), *more)]
    for budget, other in product([name for name in study.match if name != "parameters"] * ROUNDS, others):
        records = _joined(found).records
        sizes = {size.first.path: size for one in series_of(records) for size in one.sizes}.values()
        of = {kind: [size for size in sizes if size.first.model == kind] for kind in (first.kind, other.kind)}
        widths = sorted(set(matched_widths(budget, of[first.kind], of[other.kind]).values()))
        if widths:
            runner.say(f"matching by {budget}: {other.title}s of width {', '.join(map(str, widths))}")
        found.append(runner.run([other.widened(width) for width in widths], range(study.seeds), *more))
    return _joined(found)


def _rivals(size: Design, others: Iterable[Design], problem: Problem) -> list[Design]:
    return [sized(other, parameters(size, problem), problem) for other in others]


def _joined(collections: Sequence[Collection]) -> Collection:
    return Collection(
        tuple(record for one in collections for record in one.records),
        tuple(skipped for one in collections for skipped in one.skipped),
    )


def _own_optimizers(runner: Runner, tuned: Iterable[Design]) -> tuple[Collection, dict[str, str]]:
    """Each model with the optimizer that serves it best at the size of tuning, over all of its sizes."""
    study, problem = runner.plan.study, runner.plan.config.problem
    count = tuning_size(study, problem)
    first, *others = tuned
    chosen, found = {}, []
    for one in (first, *others):
        tried = {
            word: runner.run([sized(one, count, problem)], study.tuning, f"optimizer={word}")
            for word in study.optimizers
        }
        chosen[one.kind] = min(tried, key=lambda word: _median_error(tried[word]))
        sizes = study.sizes(first)
        own = sizes if one is first else [rival for size in sizes for rival in _rivals(size, [one], problem)]
        found.append(runner.run(own, range(study.seeds), f"optimizer={chosen[one.kind]}"))
    return _joined(found), chosen


def _attributes(plan: Plan, chosen: dict[str, Any], own: dict[str, str]) -> dict[str, str]:
    problem = plan.config.problem
    torch.set_num_threads(plan.config.threads or torch.get_num_threads())
    return {
        "title": problem.title,
        "problem": problem.name,
        "problem_yaml": problem.yaml(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "study_json": json.dumps(asdict(plan.study)),
        "chosen_json": json.dumps(chosen),
        "own_optimizers_json": json.dumps(own),
        "words_json": json.dumps(list(plan.words)),
        "versions_json": json.dumps(versions()),
        "hardware_json": json.dumps(hardware(torch.device("cpu"))),
        "git_commit": git_commit(),
    }
