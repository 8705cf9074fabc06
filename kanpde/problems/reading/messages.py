"""Sentences that several keys share."""

from kanpde.errors import InputError
from kanpde.problems.language import shortened


def wrong_kind(where: str, wanted: str, came: object, example: str) -> InputError:
    return InputError(f"{where} needs {wanted}; it has {shortened(came)}. Write e.g. {example}.")
