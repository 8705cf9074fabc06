"""One page over all claims: what was said, what came of it, and what it rests on."""

from collections.abc import Sequence

from kanpde.reports.html import element, page, section, table
from kanpde.studies.claims.interface import Claim, Judged, Judgment


def claims_page(claims: Sequence[Claim], found: Sequence[Judged | None]) -> str:
    """The page, from outcomes in the order of the claims; None for what has not been run."""
    verdicts = [outcome.verdict for outcome in found if outcome is not None]
    counts = [f"{verdicts.count(verdict)} {_PLURAL[verdict]}" for verdict in Judgment]
    counts.append(f"{sum(outcome is None for outcome in found)} not run")
    rows = [_row(claim, outcome) for claim, outcome in zip(claims, found, strict=True)]
    parts = [
        section(f"{claim.name}: {outcome.verdict}", element("p", claim.statement), element("p", outcome.sentence))
        for claim, outcome in zip(claims, found, strict=True) if outcome is not None
    ]  # fmt: skip
    return page(
        "Claims of the KAN paper and of its critics",
        element("h1", "Claims of the KAN paper and of its critics"),
        element("p", ", ".join(counts) + ".", class_="lead"),
        table(["claim", "verdict", "paper", "ours", "from", "to", "what the figure is"], rows, "All claims"),
        *parts,
    )


_PLURAL = {Judgment.HOLDS: "hold", Judgment.FAILS: "do not hold", Judgment.OPEN: "not resolved"}


def _row(claim: Claim, outcome: Judged | None) -> list[str]:
    if outcome is None:
        return [claim.name, "not run", "", "", "", "", ""]
    figures = [f"{value:.3g}" for value in (outcome.ours, outcome.least, outcome.greatest)]
    return [claim.name, str(outcome.verdict), outcome.paper, *figures, outcome.what or "error, over seeds"]
