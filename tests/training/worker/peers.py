"""Three workers on this machine, started by ``test_exchange``: each saves what came of its exchanges."""

import json
import os
import pickle
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1]))

from staged import RUNNER, SPEC, Small, columns, live, pa, packing

from aiok_spark.training.task import Group
from aiok_spark.training.worker.exchange import PeerFailedError, WorkerLostError
from aiok_spark.training.worker.metrics import Meter
from aiok_spark.training.worker.optimisers import Gradients, Optimisers
from aiok_spark.training.worker.rendezvous import Rendezvous
from aiok_spark.training.worker.work import Place, work

GROUPS = (Group(optimizer="sgd", learningRate=0.3), Group(optimizer="sgd", learningRate=0.3, sparse=True))
ROWS = [5, 0, 2]  # of each worker


def parts():
    """Rows of a step, by worker; ids are touched by several of them."""
    rng = np.random.default_rng(0)
    dense, ids = rng.normal(size=(7, SPEC.width)), rng.integers(0, 4, (7, 1))
    ends = np.cumsum(ROWS)
    return [(dense[end - n : end], ids[end - n : end]) for n, end in zip(ROWS, ends, strict=True)]


def network():
    torch.manual_seed(1)
    return Small(SPEC).double()


def metered():
    """Outputs, labels, losses and weights of eight rows."""
    rng = np.random.default_rng(5)
    return np.stack([rng.normal(size=8), rng.integers(0, 2, 8), rng.random(8), rng.random(8)])


def whole_trainings():
    """Tasks, with the rows of each."""
    task = live(Small, batchSize=1000, epochs=3, groups=GROUPS, workers=3, runner=RUNNER)
    return {
        "trained": (task, columns()),
        "averaged": (replace(task, averageEvery=1, runner="own"), columns()),
        "fewer rows than workers": (replace(task, precision="float32"), columns(2)),
    }


class Peer:
    def __init__(self, rank, folder):
        self.rank, self.folder, self.made = rank, folder, {}

    def join(self, name, world=3):
        rendezvous = Rendezvous(self.rank, self.addresses(world), self.run(name), 20)
        assert rendezvous.tell_all(str(self.rank)) == [str(rank) for rank in range(world)]
        return rendezvous.connect()

    def run(self, name):
        return f"{self.folder.name}-{name}-{os.getppid()}"

    def addresses(self, world=3):
        return [f"127.0.0.1:{rank}" for rank in range(world)]

    def save(self):
        (self.folder / f"made-{self.rank}").write_bytes(pickle.dumps(self.made))

    def exchanges(self, world):
        """Every kind of exchange once, with the bytes that it sent."""
        exchange, r = self.join(f"meet{world}", world), self.rank
        made = {"rank": exchange.rank, "world": exchange.world}

        def note(name, act):
            before = exchange.sent
            made[name] = (act(), exchange.sent - before)

        counts = [4, 0, 2][:world]
        mine = torch.full((counts[r], 3), r + 1.0)
        note("sum", lambda: exchange.sum(torch.arange(6, dtype=torch.float64) * 10**r).tolist())
        note("first", lambda: exchange.first(torch.tensor([r, 7 * r])).tolist())
        note("rows", lambda: [part.tolist() for part in exchange.rows(mine, counts)])
        note("no rows", lambda: [list(part.shape) for part in exchange.rows(mine[:0], [0] * world)])
        note("gather", lambda: exchange.gather(np.arange(2 * (r + 1), dtype=np.float32).reshape(-1, 2) + 10 * r))
        made["waiting"] = exchange.waiting
        made["gradients"] = self.gradients(exchange) if world == 3 else None
        exchange.close()
        self.made[world] = made

    def gradients(self, exchange):
        """Those of one step, then the weights after some steps of which one has no rows at all."""
        trained = network()
        optimisers = Optimisers(trained, live(Small, groups=GROUPS))
        gradients, made = Gradients(optimisers, exchange), {}
        for step in range(3):
            optimisers.clear()
            gradients.begin()
            dense, ids = parts()[self.rank]
            loss = trained(torch.from_numpy(dense), torch.from_numpy(ids)).square().sum() if len(dense) else None
            if loss is not None:
                loss.backward()
            told = gradients.exchange(loss.item() if len(dense) else 0.0, len(dense))
            if step == 0:
                made["told"] = told
                made["grads"] = {name: p.grad.to_dense().clone() for name, p in trained.named_parameters()}
            optimisers.step(step, 3)
        made["weights"] = trained.state_dict()
        return made

    def tried(self, name, act):
        """Save what ``act`` gives, or its error, and how long it took."""
        exchange, begun = self.join(name), time.monotonic()
        try:
            made = act(exchange)
        except PeerFailedError as e:
            made = f"PeerFailedError: {e}"
        except ValueError as e:
            made = repr(e)
            exchange.fail(made)
        finally:
            exchange.close()
        self.made[name] = (made, time.monotonic() - begun)

    def metrics(self, empty):
        """A meter's result, where worker 1 may have no rows."""
        start, end = ([0, 3, 3, 8] if empty else [0, 3, 5, 8])[self.rank : self.rank + 2]
        meter = Meter(live(Small))
        if start < end:
            rows = torch.from_numpy(metered()[:, start:end])
            meter.add(*(rows.float() if empty else rows))
        return meter.result

    def works(self):
        """Whole trainings, as Spark would have them."""
        for name, (task, table) in whole_trainings().items():
            place = Place(self.rank, self.addresses(), 1, str(self.folder / name), "x", True)
            blocks = [
                block
                for block in packing.pack(iter([pa.RecordBatch.from_pydict(table)]), task, 0)
                if block["piece"][0].as_py() == self.rank
            ]
            rows = [
                row for batch in work(blocks, replace(task, run=self.run(name)), place) for row in batch.to_pylist()
            ]
            self.made[name] = rows

    def failing(self, exchange):
        if self.rank == 1:
            raise ValueError("a worker's own error")
        exchange.sum(torch.zeros(3))

    def lost(self, who, world):
        """Have a worker disappear while the others wait for it."""
        exchange = self.join("lost", world)
        exchange.sum(torch.zeros(1))
        if self.rank == who:
            self.save()
            os._exit(3)
        begun = time.monotonic()
        try:
            exchange.sum(torch.zeros(3))
        except (PeerFailedError, WorkerLostError) as e:
            self.made["lost"] = (f"{type(e).__name__}: {e}", time.monotonic() - begun)
        exchange.close()
        self.save()


def run(peer):
    """Everything, among three; the third one leaves without a word."""
    peer.exchanges(3)
    if peer.rank < 2:
        peer.exchanges(2)
    peer.tried("meter", peer.metrics(False))
    peer.tried("meter without rows", peer.metrics(True))
    peer.works()
    peer.tried("failing", peer.failing)
    peer.lost(2, 3)


def run_pair(peer):
    """Two of which the first one, where they met, leaves without a word."""
    peer.lost(0, 2)


def child(act, rank, folder):
    """Be a worker and nothing else."""
    status = 1
    try:
        signal.alarm(50)
        folder.mkdir(exist_ok=True)
        act(Peer(rank, folder))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def main(folder):
    """Start the workers as copies of this process, as torch takes seconds to load; write how they ended."""
    torch.set_num_threads(1)
    optimisers = Optimisers(network(), live(Small, groups=GROUPS))
    optimisers.clear()
    optimisers.step(0, 1)
    workers = [os.fork() or child(run, rank, folder / "three") for rank in range(3)]
    workers += [os.fork() or child(run_pair, rank, folder / "two") for rank in range(2)]
    ended = [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers]
    (folder / "ended").write_text(json.dumps(ended))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
