"""Reports as single HTML files that need nothing else: no network, no scripts.

From the bottom up:

    html        elements, escaped by construction, and the page around them
    figures     figures as inline SVG
    formulas    mathematics as MathML that breaks into lines between terms
    sections    what reports of runs and studies have in common, a section each
    plots/      figures of runs
    run_report  the report of one run
"""
