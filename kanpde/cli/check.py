"""`kanpde check`."""

from collections.abc import Sequence

from kanpde.cli.parsing import say
from kanpde.cli.settings import settings_parser
from kanpde.problems.check_report import findings, statement_lines
from kanpde.problems.freedoms import freedom_sentences
from kanpde.references import reference_sentence
from kanpde.runs.hydra_composition import compose_mapping
from kanpde.runs.settings import config_of


def check_command(words: Sequence[str]) -> int:
    """run the checks of a problem alone, with its equations echoed as text and in LaTeX"""
    options = settings_parser(check_command).parse_intermixed_args(words)
    config = config_of(compose_mapping(options.settings))
    warnings = dict.fromkeys((*config.problem.warnings, *config.warnings))
    found = [f"  ok  {finding}" for finding in dict.fromkeys(findings(config.problem))]
    say(*statement_lines(config.problem), "checked:", *found)
    say(f"reference: {reference_sentence(config.problem)}", *freedom_sentences(config.problem))
    say(*(f"warning: {sentence}" for sentence in warnings), "checks passed")
    return 0
