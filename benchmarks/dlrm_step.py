"""One training step of DLRM in one thread: ours against facebook's eager float32 network, and both loss curves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from aiok_spark.models.networks.dlrm import DLRM
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.task import Group, TrainTask
from aiok_spark.training.worker import precision
from aiok_spark.training.worker.exchange import Solo
from aiok_spark.training.worker.optimisers import Gradients, Optimisers
from benchmarks import table
from benchmarks.clicks import make_clicks
from benchmarks.data import CATEGORIES, NUMBERS
from benchmarks.facebook_dlrm import FacebookDLRM, facebook_batch, facebook_step
from benchmarks.process import Facts, facts_of

SIZE, QUICK_SIZE = 100_000, 1_000  # ids of each of the 26 columns
DIM, BOTTOM, TOP = 16, [512, 256, 64], [512, 256]
RATE = 0.1
BATCHES = [2048, 4096]
CURVE, CURVE_WINDOW = 400, 50  # steps
PEER = "facebook, float32"
TARGET = 2.5
_ROUNDS = 9  # of which the first warms up
_BLOCK = 6  # steps of one contender before the next one's turn


def main(rows: int | None, quick: bool) -> None:
    """Time steps at each batch size, then train twice from the same weights; ``rows`` are the curve's."""
    size, rounds, block = (QUICK_SIZE, 3, 2) if quick else (SIZE, _ROUNDS, _BLOCK)
    steps = rows // BATCHES[0] if rows else 4 if quick else CURVE
    table.heading(
        "dlrm_step", torch=torch.__version__, threads=1, columns=len(NUMBERS) + len(CATEGORIES), ids=26 * size
    )
    print(f"   Forward, backward and SGD (bottom {BOTTOM}, vectors of {DIM}, top {TOP}), rows ready as tensors.")
    print(f"   Blocks of {block} steps in turn; a round's time is its block's median. Ratios: facebook's to ours,")
    print("   median over rounds.")
    for batch in BATCHES[: 1 if quick else None]:
        _compare(batch, facts_of(timing, batch=batch, size=size, rounds=rounds, block=block)[0])
    _curves(facts_of(curves, batch=BATCHES[0], size=size, steps=steps)[0], steps)


def _compare(batch: int, found: Facts) -> None:
    peer, lines = found["times"][PEER], []
    for name, times in found["times"].items():
        cpu, wall = (median(times[what]) for what in ("cpu", "wall"))
        ratios = {what: [p / t for p, t in zip(peer[what], times[what], strict=True)] for what in times}
        ratio = median(ratios["cpu"])
        spread = f"{min(ratios['cpu']):.2f} to {max(ratios['cpu']):.2f}"
        shown = [ratio, spread, table.verdict(ratio, TARGET), median(ratios["wall"])] if name != PEER else [""] * 4
        lines.append([name, 1000 * cpu, 1000 * wall, batch / wall, *shown])
    header = ["", "CPU ms a step", "wall ms", "samples/s", "CPU ratio", "over rounds", "target", "wall ratio"]
    table.show(f"batch {batch}", header, lines)
    if not found["bfloat16"]:
        print("  precision 'auto' is float32 on this processor: its bfloat16 products are no faster")


def _curves(losses: Facts, steps: int) -> None:
    names, window = list(losses), min(CURVE_WINDOW, steps // 2)
    means = {
        name: [mean(c[i : i + window]) for i in range(0, steps - window + 1, window)] for name, c in losses.items()
    }
    table.show(
        f"loss from the same first weights on the same batches of {BATCHES[0]}: mean over {window} steps",
        ["steps", *names],
        [
            [f"{i * window + 1} to {(i + 1) * window}", *(f"{means[n][i]:.5f}" for n in names)]
            for i in range(len(means[PEER]))
        ],
    )
    for name in names[1:]:
        windows = max(abs(a - b) for a, b in zip(means[name], means[PEER], strict=True))
        single = max(abs(a - b) for a, b in zip(losses[name], losses[PEER], strict=True))
        print(
            f"  largest difference to facebook's, {name}: {windows:.2g} of these means, {single:.2g} of a single step"
        )


@dataclass(frozen=True)
class _Contender:
    """Something that makes a step on a batch of its own form, and gives the loss."""

    step: Callable[[Any], torch.Tensor]
    form: Callable[..., Any]


def timing(batch: int, size: int, rounds: int, block: int) -> Iterator[Facts]:
    contenders = _contenders(size)
    batches = _batches(batch, size, block)
    formed = {name: [contender.form(*b) for b in batches] for name, contender in contenders.items()}
    times: dict[str, dict[str, list[float]]] = {name: {"cpu": [], "wall": []} for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            spent = [_spent(contender.step, b) for b in formed[name]]
            for what, found in times[name].items():
                if number:
                    found.append(median(s[what] for s in spent))
    yield {"times": times, "bfloat16": len(contenders) > 2}


def curves(batch: int, size: int, steps: int) -> Iterator[Facts]:
    contenders = _contenders(size)
    losses: dict[str, list[float]] = {name: [] for name in contenders}
    for made in _batches(batch, size, steps):
        for name, contender in contenders.items():
            losses[name].append(contender.step(contender.form(*made)).item())
    yield losses


def _spent(step: Callable[[Any], Any], batch: Any) -> dict[str, float]:
    cpu, begun = time.process_time(), time.perf_counter()
    step(batch)
    return {"wall": time.perf_counter() - begun, "cpu": time.process_time() - cpu}


def _contenders(size: int) -> dict[str, _Contender]:
    """All with the same weights, the peer first; what "auto" is only where it differs from float32."""
    torch.set_num_threads(1)
    sizes = [size] * len(CATEGORIES)
    np.random.seed(0)
    peer = FacebookDLRM(sizes, DIM, [len(NUMBERS), *BOTTOM], TOP)
    optimizer = torch.optim.SGD(peer.parameters(), lr=RATE)
    settings = {"ours, float32": ("float32", "highest")}
    if precision.prefers_bfloat16():
        settings["ours, precision auto"] = precision.chosen("auto", "highest", True)
        settings["ours, matmulPrecision auto"] = precision.chosen("float32", "auto", True)
    made = {name: _ours(peer, sizes, *setting) for name, setting in settings.items()}
    return {PEER: _Contender(lambda b: facebook_step(peer, optimizer, b), facebook_batch), **made}


def _ours(peer: FacebookDLRM, sizes: list[int], number: str, matmul: str) -> _Contender:
    """The engine's step for one worker."""
    features = FeatureSpec(tuple(NUMBERS), (1,) * len(NUMBERS), tuple(CATEGORIES), tuple(sizes))
    groups = (Group("", "sgd", RATE), Group("", "sgd", RATE, sparse=True))
    network = DLRM(features, DIM, BOTTOM, TOP)
    _copy(peer, network)
    optimisers = Optimisers(network, TrainTask("", features, groups=groups))
    gradients = Gradients(optimisers, Solo())

    def step(batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        dense, ids, label = batch
        torch.set_float32_matmul_precision(matmul)
        optimisers.clear()
        gradients.begin()
        with precision.autocast(number):
            output = network(ids, dense).squeeze(1)
        loss = F.binary_cross_entropy_with_logits(output.float(), label, reduction="sum")
        loss.backward()
        gradients.exchange(loss.item(), len(label))
        optimisers.step(0, 1)
        torch.set_float32_matmul_precision("highest")
        return loss.detach() / len(label)

    return _Contender(step, lambda *batch: batch)


def _copy(peer: FacebookDLRM, network: DLRM) -> None:
    def linears(module: nn.Module) -> list[nn.Linear]:
        return [m for m in module.modules() if isinstance(m, nn.Linear)]

    ours = [*linears(network.bottom), *linears(network.top), network.last]  # type: ignore[arg-type]
    with torch.no_grad():
        for to, source in zip(ours, [*linears(peer.bot_l), *linears(peer.top_l)], strict=True):
            to.load_state_dict(source.state_dict())
        network.tables.weight.copy_(torch.cat([made.weight for made in peer.emb_l]))


def _batches(batch: int, size: int, count: int) -> list[tuple[torch.Tensor, ...]]:
    made = make_clicks(batch * count, [size] * len(CATEGORIES), (0,))
    return list(zip(*(torch.from_numpy(values).split(batch) for values in made), strict=True))
