"""Expressivity, progressivity and trainability of AZ-NAS: one pass forward and one back through the stages.

Lee, Ham: AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search, CVPR 2024, arXiv:2403.19232.  The
network has Kaiming's first weights and reads normal noise; f_l is what its stage l makes, [places, channels].
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch.nn import functional as F

from aiok_spark.nas.worker.probe import Probe, channels_last

_SMALL = 1e-6  # as in the paper's own program


def expressivity(probe: Probe) -> float:
    """Sum over stages of the entropy of the features' principal components (equation 2).

    With the eigenvalues of the covariance of f_l divided by their sum, s: -sum(s log s).
    """
    return float(sum(_entropies(probe)))


def progressivity(probe: Probe) -> float:
    """The least gain of entropy from a stage to the next (equation 3): the minimum of e_(l+1) - e_l.

    NaN for a single stage.
    """
    return min((behind - before for before, behind in pairwise(_entropies(probe))), default=float("nan"))


def _entropies(probe: Probe) -> list[float]:
    return [entropy(values.detach()) for values in probe.traced]


def entropy(values: torch.Tensor) -> float:
    """Of the principal components of what a stage makes; NaN if all its places are alike."""
    rows = channels_last(values)
    rows = rows - rows.mean(0)
    found = torch.linalg.eigvalsh(rows.T @ rows / len(rows)).clamp(min=0)
    share = found / found.sum()
    return float(-(share * torch.log(share + 1e-8)).sum())


def trainability(probe: Probe) -> float:
    """How near the gradients' gain is to 1 from stage to stage (equation 6).

    For g of -1 and 1 by chance behind stage l, h what reaches stage l - 1, and s the largest singular value of
    h^T g / places: the mean over stages of 2 - s - 1 / (s + 1e-6), which is at most 0.  Minus infinity if a stage hands
    gradients on as they are, or none.
    """
    values, chance = probe.traced, probe.random("trainability")
    found = []
    for before, behind in reversed(list(pairwise(values))):
        if not behind.requires_grad:  # a stage that makes the same of everything
            return float("-inf")
        given = torch.randint(0, 2, behind.shape, generator=chance).to(behind.dtype) * 2 - 1
        (reached,) = torch.autograd.grad(behind, before, given, allow_unused=True)
        if reached is None or (reached.shape == given.shape and torch.equal(reached, given)):
            return float("-inf")
        gain = _gain(given, reached)
        found.append(2 - gain - 1 / (gain + _SMALL))
    return sum(found) / len(found) if found else float("nan")


def _gain(given: torch.Tensor, reached: torch.Tensor) -> float:
    if given.ndim == 4 and given.shape[2:] != reached.shape[2:]:
        reached = F.pixel_unshuffle(reached, reached.shape[2] // given.shape[2])
    out, into = channels_last(given), channels_last(reached)
    # Their largest singular value: of the smaller of the two squares, which is cheaper than all of them.
    product = into.T @ out / len(out)
    square = product @ product.T if product.shape[0] < product.shape[1] else product.T @ product
    return float(torch.linalg.eigvalsh(square)[-1].clamp(min=0).sqrt())
