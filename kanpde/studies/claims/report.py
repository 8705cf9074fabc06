"""One page over all claims: what was said, what came of it, and what it rests on."""

from collections.abc import Sequence

from kanpde.reports.html import Markup, element, facts, page, section, table
from kanpde.studies.claims.interface import Claim, Judged, Judgment


def claims_page(claims: Sequence[Claim], found: Sequence[Judged | None]) -> str:
    """The page, from outcomes in the order of the claims; None for what has not been run."""
    verdicts = [outcome.verdict for outcome in found if outcome is not None]
    counts: dict[str, int] = {verdict: verdicts.count(verdict) for verdict in Judgment}
    counts["not run"] = len(found) - len(verdicts)
    rows = [_row(claim, outcome) for claim, outcome in zip(claims, found, strict=True)]
    parts = [_part(claim, outcome) for claim, outcome in zip(claims, found, strict=True) if outcome is not None]
    return page(
        "Claims of the KAN paper and of its critics",
        element("h1", "Claims of the KAN paper and of its critics"),
        element("p", "; ".join(f"{verdict}: {count}" for verdict, count in counts.items()) + ".", class_="lead"),
        table(["claim", "verdict", "ours", "from", "to"], rows, "All claims"),
        *parts,
    )


def _part(claim: Claim, outcome: Judged) -> Markup:
    figures = facts([("paper", outcome.paper), ("ours", outcome.between)])
    return section(
        f"{claim.name}: {outcome.verdict}", element("p", claim.statement), figures, element("p", outcome.sentence)
    )


def _row(claim: Claim, outcome: Judged | None) -> list[str]:
    if outcome is None:
        return [claim.name, "not run", "", "", ""]
    figures = [f"{value:.3g}" for value in (outcome.ours, outcome.least, outcome.greatest)]
    return [claim.name, str(outcome.verdict), *figures]
