"""The error of an expression."""


class ExpressionError(ValueError):
    """An expression cannot be used; the text continues the sentence that names the place: `… uses "nu", which …`."""
