"""A study from its first run to its last: tuning, KANs, MLPs matched to them. Finished runs are skipped, so a study
that is started again goes on where it stopped, and comes to the same plan, which follows from the archives alone.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException

from kanpde.errors import InputError
from kanpde.results.provenance import git_commit, hardware, versions
from kanpde.runs.checked_values import settings_from
from kanpde.runs.choices import group_choices, group_defaults
from kanpde.runs.hydra_composition import compose_mapping, near
from kanpde.runs.jobs import ARCHIVE, Result, State, solve_one
from kanpde.runs.settings import Config, config_of
from kanpde.studies.archive import Outcome
from kanpde.studies.classical import classical_solutions
from kanpde.studies.comparisons import series_of
from kanpde.studies.plans import Architecture, Kan, Mlp, Study, base_words, matched_widths, tuning_size
from kanpde.studies.records import Collection, Record, Skipped, read_all

DEFAULT_PRESET = "quick"
SET_BY_THE_STUDY = {
    "model": "study.kan_degrees=…, study.widths=… and their like",
    "seed": "study.seeds=…",
    "training.steps": "study.steps=…",
    "training.stages": "study.stages=…",
    "training.starts": "study.starts=…",
    "training.start_steps": "study.start_steps=…",
    "training.time_limit": "study.time_limit=…",
    "sampling.points": "study.points=…",
    "hydra": "none: the runs of a study follow one another, so that their times can be compared",
}
DEFAULTS = {"threads": "1", "output.plot": "false"}
ROUNDS = 2
"""How often widths are sought anew after budgets were measured."""

Say = Callable[[str], None]


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
    for one in (*study.kan_candidates, *study.mlp_candidates):
        config_of(compose_mapping([*plan.words, *one.words(study), "seed=0"]))
    if plan.config.problem.task is not None or not (plan.config.problem.exact or plan.config.problem.equations):
        raise InputError(
            f"{plan.config.problem.name}: a study compares errors of solutions of equations; this problem has none. "
            "Choose another problem."
        )


class Runner:
    """Makes the runs of a study one after another and keeps their records."""

    def __init__(self, plan: Plan, say: Say):
        self.plan, self.say = plan, say
        self.count = 0
        self.lost: list[Skipped] = []
        self.log = plan.folder / "study.log"

    def run(self, architectures: Sequence[Architecture], seeds: Sequence[int], *more: str) -> Collection:
        """Every architecture with every seed; what is finished already is only read.

        Seeds on the outside, so that a machine that is busy for a while slows all architectures alike.
        """
        paths = []
        for seed in seeds:
            for one in dict.fromkeys(architectures):
                words = [*self.plan.words, *more, *one.words(self.plan.study), f"seed={seed}"]
                result = self._solve(words, " ".join([f"{one}, seed {seed}", *more]))
                archive = Path(result.folder) / ARCHIVE
                if archive.is_file():
                    paths.append(archive)
                else:
                    self.lost.append(
                        Skipped(result.folder, f"left no archive ({result.state.value}): {result.sentence}")
                    )
        return read_all(paths)

    def _solve(self, words: list[str], what: str) -> Result:
        self.count += 1
        with self._quiet():
            result = solve_one(words)
        self.say(f"#{self.count} {what}: {result.state.value}, {result.note()}")
        if result.state is State.INTERRUPTED:
            raise KeyboardInterrupt
        return result

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """What a run would show goes to a file: a study has a hundred of them."""
        with self.log.open("a", encoding="utf-8") as file, contextlib.redirect_stderr(file):
            yield


def run_study(plan: Plan, say: Say) -> Outcome:
    """Make all runs of a study that are not yet made.

    Raises:
        KeyboardInterrupt: Ctrl-C; started again, the study goes on.
    """
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{plan.folder}: a folder for the study is needed; {error.strerror}. Set output.folder=…."
        ) from error
    runner, study = Runner(plan, say), plan.study
    kan, mlp, tuning = _tuned(runner)
    say(f"tuned: KAN of degree {kan.degree} and width {kan.width}, MLP of depth {mlp.depth} with {mlp.activation}")
    main = _ladder(runner, kan, mlp)
    own, own_words = _own_optimizers(runner, kan, mlp) if study.own_optimizer else (Collection((), ()), {})
    chosen = {"kan": asdict(kan), "mlp": asdict(mlp)}
    return Outcome(
        attributes=_attributes(plan, chosen, own_words),
        records=main.records,
        tuning=tuning,
        own=own.records,
        skipped=(*main.skipped, *own.skipped, *runner.lost),
        classical=tuple(classical_solutions(plan.config.problem)),
    )


def _tuned(runner: Runner) -> tuple[Kan, Mlp, tuple[Record, ...]]:
    """The candidate of each model with the lowest median error, all at about the same number of parameters."""
    study, problem = runner.plan.study, runner.plan.config.problem
    size = tuning_size(study, problem)
    runner.say(
        f"tuning: {len(study.kan_candidates)} KANs and {len(study.mlp_candidates)} MLPs of about {size} parameters"
    )
    found, records = [], []
    for candidates in (study.kan_candidates, study.mlp_candidates):
        results = [(runner.run([one.sized(size, problem)], study.tuning), one) for one in candidates]
        found.append(min(results, key=lambda result: _median_error(result[0]))[1])
        records += [record for result, _ in results for record in result.records]
    return found[0], found[1], tuple(records)


def _median_error(collection: Collection) -> float:
    errors = [record.error for record in collection.records]
    return float(np.median(errors)) if errors else math.inf


def _ladder(runner: Runner, kan: Kan, mlp: Mlp, *more: str) -> Collection:
    """All sizes of the KAN, and MLPs of equal parameters, then of equal measured budgets."""
    study, problem = runner.plan.study, runner.plan.config.problem
    kans = study.kans(kan)
    pairs = [(one, mlp.sized(one.parameters(problem), problem)) for one in kans]
    found = [runner.run([one for pair in pairs for one in pair], range(study.seeds), *more)]
    for budget in [name for name in study.match if name != "parameters"] * ROUNDS:
        records = _joined(found).records
        sizes = {size.first.path: size for one in series_of(records) for size in one.sizes}.values()
        of = {model: [size for size in sizes if size.first.model == model] for model in ("kan", "mlp")}
        wanted = set(matched_widths(budget, of["kan"], of["mlp"]).values())
        if wanted:
            runner.say(f"matching by {budget}: MLPs of width {', '.join(map(str, sorted(wanted)))}")
        found.append(runner.run([replace(mlp, width=width) for width in sorted(wanted)], range(study.seeds), *more))
    return _joined(found)


def _joined(collections: Sequence[Collection]) -> Collection:
    return Collection(
        tuple(record for one in collections for record in one.records),
        tuple(skipped for one in collections for skipped in one.skipped),
    )


def _own_optimizers(runner: Runner, kan: Kan, mlp: Mlp) -> tuple[Collection, dict[str, str]]:
    """Each model with the optimizer that serves it best at the size of tuning, over all of its sizes."""
    study, problem = runner.plan.study, runner.plan.config.problem
    size = tuning_size(study, problem)
    chosen, found = {}, []
    for name, one in (("kan", kan), ("mlp", mlp)):
        tried = {
            word: runner.run([one.sized(size, problem)], study.tuning, f"optimizer={word}") for word in study.optimizers
        }
        chosen[name] = min(tried, key=lambda word: _median_error(tried[word]))
        sizes = study.kans(kan)
        rivals = sizes if name == "kan" else [mlp.sized(other.parameters(problem), problem) for other in sizes]
        found.append(runner.run(rivals, range(study.seeds), f"optimizer={chosen[name]}"))
    return _joined(found), chosen


def _attributes(plan: Plan, chosen: dict, own: dict[str, str]) -> dict[str, str]:
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
