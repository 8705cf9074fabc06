"""Counts of operations: against PyTorch's own counter, factorizations against their formulas."""

import subprocess
import sys

import torch
from torch.utils.flop_counter import FlopCounterMode

from kanpde.results.flops import Count


def products(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return torch.einsum("bij,bjk->bik", x @ x.mT, torch.nn.functional.linear(x, weight)).sum()


def test_products_and_their_gradients_count_as_in_pytorch():
    x = torch.randn(3, 4, 5, dtype=torch.float64)
    counts = []
    for counter in (Count(), FlopCounterMode(display=False)):
        weight = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
        with counter:
            products(x, weight).backward()
        counts.append(counter.total if isinstance(counter, Count) else counter.get_total_flops())
    assert counts[0] == counts[1] > 0


def test_factorizations_count():
    tall = torch.randn(7, 4, dtype=torch.float64)
    with Count() as count:
        torch.linalg.qr(tall)
    assert count.total == 2 * 7 * 4**2 - 2 * 4**3 // 3
    square = tall.mT @ tall
    with Count() as count:
        torch.cholesky_solve(torch.ones(4, 2, dtype=torch.float64), torch.linalg.cholesky(square))
    assert count.total == 4**3 // 3 + 2 * 2 * 4**2


def test_counting_does_not_load_the_compiler():
    code = """
import sys, torch
from kanpde.results.flops import Count
with Count() as count:
    torch.ones(3, 3) @ torch.ones(3, 3)
assert count.total == 54, count.total
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
