"""How often formulas are found, and in how many CPU seconds: `python tests/benchmarks/symbolic.py targets 0 5`.

Sets: structure (20 functions and all that derivatives say of them; a line says what is wrong), targets (five
formulas), sparsify (two of them from a full [2,5,1] under a penalty: edges that it leaves, and after pruning),
noise (all five with one per cent), sigmoid (values of σ(αE + 2λ - 2), and its coefficients' worst error), feynman2 and
feynman3 (the KAN paper's dimensionless set in two and three variables, domains as below, the paper's being unstated). A
line a run; a formula counts if SymPy finds it equal to the target on its domain, so a decimal in it does not.
"""

import json
import math
import sys
import time

import sympy
import torch

import kanpde
from kanpde.symbolic.discovery import Search, discover, discover_sparse
from kanpde.symbolic.formulas import same
from kanpde.symbolic.samples import Samples, drawn
from kanpde.symbolic.structure import structure_of_samples

NAMES = ("x", "y", "z")

TARGETS = {
    "exp(sin(pi*x) + y**2)": ((-1, 1), (-1, 1)),
    "x*y": ((-1, 1), (-1, 1)),
    "x/y": ((-1, 1), (0.5, 2)),
    "sqrt(x**2 + y**2)": ((-1, 1), (-1, 1)),
    "sin(pi*x)*sin(pi*y)": ((-1, 1), (-1, 1)),
}

FEYNMAN = {
    "I.6.2": ("exp(-x**2/(2*y**2))/sqrt(2*pi*y**2)", (-1, 1), (0.5, 2)),
    "I.6.2b": ("exp(-(x - y)**2/(2*z**2))/sqrt(2*pi*z**2)", (-1, 1), (-1, 1), (0.5, 2)),
    "I.12.11": ("1 + x*sin(y)", (-1, 2), (-3, 3)),
    "I.13.12": ("x*(1/y - 1)", (-1, 2), (0.4, 2)),
    "I.15.3x": ("(1 - x)/sqrt(1 - y**2)", (-1, 2), (-0.8, 0.8)),
    "I.16.6": ("(x + y)/(1 + x*y)", (-0.8, 0.8), (-0.8, 0.8)),
    "I.18.4": ("(1 + x*y)/(1 + x)", (0.1, 2), (-1, 2)),
    "I.26.2": ("asin(x*sin(y))", (0.1, 0.9), (-1.2, 1.2)),
    "I.27.6": ("1/(1 + x*y)", (-0.8, 2), (0.1, 1)),
    "I.29.16": ("sqrt(1 + x**2 - 2*x*cos(y - z))", (1.5, 3), (-1, 1), (-1, 1)),
    "I.30.3": ("sin(x*y/2)**2/sin(y/2)**2", (1, 3), (0.3, 2)),
    "I.30.5": ("asin(x/y)", (-0.8, 0.8), (1, 2)),
    "I.37.4": ("1 + x + 2*sqrt(x)*cos(y)", (0.1, 2), (-3, 3)),
    "I.40.1": ("x*exp(-y)", (-1, 2), (-1, 2)),
    "I.44.4": ("x*log(y)", (-1, 2), (0.3, 3)),
    "I.50.26": ("cos(x) + y*cos(x)**2", (-3, 3), (-1, 1)),
    "II.2.42": ("(x - 1)*y", (-1, 2), (-1, 2)),
    "II.6.15a": ("z*sqrt(x**2 + y**2)/(4*pi)", (0.3, 2), (0.3, 2), (-1, 2)),
    "II.11.7": ("x*(1 + y*cos(z))", (-1, 2), (-1, 1), (-3, 3)),
    "II.11.27": ("x*y/(1 - x*y/3)", (-1, 1.2), (0.1, 1.2)),
    "II.35.18": ("x/(exp(y) + exp(-y))", (-1, 2), (-2, 2)),
    "II.36.38": ("x + y*z", (-1, 1), (-1, 1), (-1, 1)),
    "II.38.3": ("x/y", (0.5, 2), (0.5, 2)),
    "III.9.52": ("x*(sin((y - z)/2)/((y - z)/2))**2", (-1, 2), (0, 1), (-2, -1)),
    "III.10.19": ("sqrt(1 + x**2 + y**2)", (-2, 2), (-2, 2)),
    "III.17.37": ("x*(1 + y*cos(z))", (-1, 2), (-1, 1), (-3, 3)),
}


STRUCTURES = {
    # function: (box, …), what holds besides what follows from it; everything else does not
    "sin(x) + exp(y)": (((-1, 2), (-1, 1)), "a+b"),
    "x**3 + cosh(2*y)": (((-1, 1), (-1, 1)), "a+b", "even y"),
    "x*y": (((-1, 1), (-1, 1)), "A*B", "h(x·y)", "odd x", "odd y", "exchange"),
    "x/y": (((0.5, 2), (0.5, 2)), "A*B", "h(x/y)"),
    "exp(-x)*sin(y)": (((-1, 2), (-3, 3)), "A*B", "odd y"),
    "sin(pi*x)*sin(pi*y)": (((-1, 1), (-1, 1)), "A*B", "odd x", "odd y", "exchange"),
    "exp(sin(pi*x) + y**2)": (((-1, 1), (-1, 1)), "A*B", "even y"),
    "1 + x*sin(y)": (((-1, 2), (-3, 3)), "A*B", "odd x", "odd y"),
    "tanh(x + y**2)": (((-1, 1), (-1, 1)), "g(a+b)", "even y"),
    "1/(2 + x + exp(y))": (((-1, 2), (-1, 1)), "g(a+b)"),
    "sqrt(1 + x**2 + y**2)": (((-2, 2), (-2, 2)), "g(a+b)", "h(x² + y²)", "even x", "even y", "exchange"),
    "sin(x**2 + y**2)": (((0.3, 1.5), (0.3, 1.5)), "g(a+b)", "h(x² + y²)", "exchange"),
    "exp(x**2 - y**2)": (((-1, 1), (-1, 1)), "A*B", "h(x² - y²)", "even x", "even y"),
    "sin(2*x + 3*y)": (((-1, 1), (-1, 1)), "g(a+b)", "line"),
    "atan(x - 2*y)": (((-1, 1), (-1, 1)), "g(a+b)", "line"),
    "log(1 + x*y)": (((0.2, 2), (0.2, 2)), "g(a+b)", "h(x·y)", "exchange"),
    "cos(x/y)": (((0.5, 3), (0.5, 2)), "g(a+b)", "h(x/y)"),
    "x + y + x**2*exp(y)": (((-1, 1), (-1, 1)), "a+b+A*B"),
    "sin(3*x*y) + x": (((-1, 1), (-1, 1)), "odd x"),  # -x turns both terms around
    "x*cos(y + x*y)": (((-1, 1), (-2, 2)), "even y"),
}
IMPLIED = {"a+b": ("g(a+b)", "a+b+A*B"), "A*B": ("g(a+b)", "a+b+A*B")}
LABELS = {
    "a(x) + b(y)": "a+b", "A(x)·B(y) + c": "A*B", "g(a(x) + b(y))": "g(a+b)", "f = a(x) + b(y) + A(x)·B(y)": "a+b+A*B",
    "same for x and y exchanged": "exchange", "even in x": "even x", "even in y": "even y",
    "odd in x, up to a constant": "odd x", "odd in y, up to a constant": "odd y",
}  # fmt: skip


def structures(seed):
    """What is said of each function against what is so; relations in log f, f², 1/f are not among them."""
    wrong = 0
    for text, (box, *holds) in STRUCTURES.items():
        lower, upper = zip(*box, strict=True)
        begun = time.process_time()
        found = structure_of_samples(drawn(function_of(text, 2)[1], lower, upper, seed), NAMES[:2], seed)
        known = {label for own in holds for label in (own, *IMPLIED.get(own, ()))}
        errors, true, false = [], 0.0, 1.0
        for relation in found.relations:
            if relation.outer != "f":
                continue
            label = LABELS.get(relation.text, relation.text)
            line = label.startswith("h(") and label not in ("h(x² + y²)", "h(x² - y²)", "h(x·y)", "h(x/y)")
            expected = ("line" if line else label) in known
            true, false = (max(true, relation.figure), false) if expected else (true, min(false, relation.figure))
            if relation.verdict is not expected:
                errors.append(str(relation))
        wrong += bool(errors) or not found.reliable
        print(json.dumps({
            "set": "structure", "function": text, "seed": seed, "network": found.error, "largest_true": true,
            "least_false": false, "wrong": errors, "cpu_s": round(time.process_time() - begun, 1),
        }, ensure_ascii=False), flush=True)  # fmt: skip
    print(f"seed {seed}: {len(STRUCTURES) - wrong} of {len(STRUCTURES)} right")


def function_of(text, count):
    symbols = sympy.symbols(NAMES[:count], real=True)
    expr = sympy.sympify(text, locals=dict(zip(NAMES, symbols, strict=False)))  # written here, by us
    compiled = sympy.lambdify(symbols, expr, "numpy")
    return expr, lambda x: torch.as_tensor(compiled(*x.numpy().T))


def on_domain(expr, box):
    """The expression in variables that are positive where the domain is: sqrt(y**2) is y there."""
    own = {s: sympy.Symbol(s.name, positive=True) for s in expr.free_symbols if box[NAMES.index(s.name)][0] > 0}
    return expr.xreplace(own)


def searched(label, text, box, seed, search=None, noise=0.0):
    lower, upper = zip(*box, strict=True)
    expr, function = function_of(text, len(box))
    samples = drawn(function, lower, upper, seed)
    if noise:
        generator = torch.Generator().manual_seed(seed)
        blur = [noise * y.std() * torch.randn(len(y), generator=generator) for y in (samples.y, samples.held_y)]
        samples = Samples(samples.x, samples.y + blur[0], samples.held_x, samples.held_y + blur[1])
    begun = time.process_time()
    found = discover(samples, NAMES[: len(box)], search or Search(), seed)
    exact = found.formula is not None and same(*(on_domain(e, box) for e in (found.formula.expr, expr)))
    print(json.dumps({
        "set": label, "target": text, "seed": seed, "exact": exact, "cpu_s": round(time.process_time() - begun, 1),
        "found": found.formula.text if found.formula else None, "template": found.template, "error": found.error,
        "network": found.network_error, "resisting": len(found.resisting),
    }), flush=True)  # fmt: skip


def sparsified(text, box, seed):
    samples, begun = drawn(function_of(text, 2)[1], *zip(*box, strict=True), seed), time.process_time()
    found = discover_sparse(samples, NAMES[:2], 5, seed=seed)
    print(json.dumps({
        "set": "sparsify", "target": text, "seed": seed, "by_penalty": found.edges,
        "left": len(found.network.edges) if found.network is not None else None, "error": found.network_error,
        "found": found.formula.text if found.formula else None, "cpu_s": round(time.process_time() - begun, 1),
    }), flush=True)  # fmt: skip


def sigmoid(seed):
    a, lam, E = (torch.rand(3000, generator=torch.Generator().manual_seed(3 * seed + k), dtype=torch.float64)
                 * (high - low) + low for k, (low, high) in enumerate(((-0.9, 0.9), (0.2, 2), (-3, 3))))  # fmt: skip
    begun = time.process_time()
    found = kanpde.fit({"a": a.numpy(), "lam": lam.numpy(), "E": E.numpy()}, torch.sigmoid(a * E + 2 * lam - 2).numpy())
    worst = math.inf
    if found.formula is not None:
        by_name = {str(symbol): symbol for symbol in found.formula.symbols}
        z = sympy.log(1 / (1 / found.formula.expr - 1))
        at = [{by_name["a"]: p, by_name["lam"]: q, by_name["E"]: r} for p, q, r in ((0, 0, 0), (1, 0, 1), (0, 1, 0))]
        constant, product, slope = (float(z.subs(values)) for values in at)
        worst = max(abs(constant / -2 - 1), abs(product - constant - 1), abs((slope - constant) / 2 - 1))
    print(json.dumps({
        "set": "sigmoid", "seed": seed, "found": found.formula.text if found.formula else None, "worst": worst,
        "errors": found.errors, "cpu_s": round(time.process_time() - begun, 1),
    }), flush=True)  # fmt: skip


def main(kind, first=0, last=1):
    for seed in range(int(first), int(last)):
        if kind == "sparsify":
            for text in ("exp(sin(pi*x) + y**2)", "sqrt(x**2 + y**2)"):
                sparsified(text, TARGETS[text], seed)
        if kind == "sigmoid":
            sigmoid(seed)
        if kind == "structure":
            structures(seed)
        if kind in ("targets", "noise"):
            for text, box in TARGETS.items():
                search = Search(good=0.05, budget=40.0) if kind == "noise" else None
                searched(kind, text, box, seed, search, 0.01 if kind == "noise" else 0.0)
        if kind in ("feynman2", "feynman3"):
            for name, (text, *box) in FEYNMAN.items():
                if len(box) == int(kind[-1]):
                    searched(name, text, box, seed)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    main(*sys.argv[1:])
