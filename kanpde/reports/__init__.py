"""Reports as single HTML files that need nothing else: no network, no scripts.

From the bottom up:

    pages       elements, escaped by construction, and the page around them
    drawings    figures as inline SVG
    formulas    mathematics as inline SVG that breaks into lines between terms
    parts       sections that runs and studies have in common
    runs        the report of one run
    studies     the report of a study
"""
