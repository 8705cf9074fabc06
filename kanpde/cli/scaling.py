"""`kanpde scaling`: KAN against MLP over sizes, as one command that can be started again."""

from collections.abc import Sequence

from kanpde.cli.parsing import say
from kanpde.cli.settings import settings_parser
from kanpde.studies.files import write_study
from kanpde.studies.runner import plan_of, run_study

STUDY = """settings of the study:
  preset=quick|fronts|long ten minutes on two cores, an hour for problems in windows of time, or a night
  study.seeds=5            study.grids=[2,4,8]      study.widths=[2,4,8]      study.steps=120
  study.own_optimizer=true each model with its own best optimizer as well, shown apart
  the files in conf/study/ have all of them

"""


def scaling_command(words: Sequence[str]) -> int:
    """compare KAN and MLP over sizes at equal budgets: a study that goes on where it stopped"""
    parser = settings_parser(scaling_command)
    parser.epilog = STUDY + (parser.epilog or "")
    plan = plan_of(parser.parse_intermixed_args(words).settings)
    say(f"study: {plan.folder}")
    outcome = run_study(plan, lambda line: print(line, flush=True))
    files = write_study(plan.folder, outcome)
    for comparison in outcome.comparisons():
        say(*comparison.conclusions())
    say(*(f"left out: {one.path}: {one.reason}" for one in outcome.skipped))
    say(f"{plan.folder}: {'  '.join(path.name for path in files)}")
    return 0 if outcome.records else 1
