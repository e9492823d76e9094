"""One of two workers that train with Orca's runner and shut down: as Orca does, or by the adapter."""

import gc
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

how, rank, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])


def batches(config, batch_size):
    torch.manual_seed(rank)
    return DataLoader(TensorDataset(torch.randn(20000, 4), torch.rand(20000, 1)), batch_size=batch_size)


def port():
    """Where the first worker listens."""
    place = folder / "port"
    if rank == 0:
        store = dist.TCPStore("127.0.0.1", 0, 2, True, wait_for_workers=False, timeout=timedelta(seconds=30))
        place.with_suffix(".new").write_text(str(store.port))
        place.with_suffix(".new").rename(place)
        return store, store.port
    while not place.exists():
        time.sleep(0.01)
    return None, int(place.read_text())


def theirs():
    from bigdl.orca.learn.pytorch.pytorch_pyspark_worker import PytorchPysparkWorker

    class Worker(PytorchPysparkWorker):
        def setup_distributed(self, mode, cluster_info, host, tcp_port):  # without Spark
            self.rank = rank
            self.setup_components()
            self.setup_torch_distribute(host, tcp_port, rank, 2)

    _store, number = port()
    for _ in range(4):
        worker = Worker(
            model_creator=lambda config: nn.Sequential(
                nn.Linear(4, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 1)
            ),
            optimizer_creator=lambda model, config: torch.optim.SGD(model.parameters(), lr=0.1),
            loss_creator=nn.MSELoss(),
            size=2,
            cores_per_worker=1,
            log_to_driver=False,
            driver_ip="127.0.0.1",
            driver_tcp_store_port=number,
        )
        from bigdl.orca.learn.pytorch.callbacks.maincallback import MainCallback

        worker.train_epochs(batches, epochs=1, batch_size=512, wrap_dataloader=False, callbacks=[MainCallback()])
        worker.shutdown()


def ours():
    sys.path.append(str(Path(__file__).parents[1]))
    from staged import Small, columns, live, shard_of

    from aiok_spark.training.task import Group
    from aiok_spark.training.worker import orca, weights
    from aiok_spark.training.worker.exchange import Gloo

    groups = (Group(sparse=True, optimizer="sgd"), Group(optimizer="sgd"))
    task = live(Small, batchSize=16, epochs=2, groups=groups)
    store, number = port()
    for i in range(4):
        store = store or dist.TCPStore("127.0.0.1", number, 2, False, timeout=timedelta(seconds=30))
        exchange = Gloo(dist.PrefixStore(str(i), store), rank, 2, timedelta(seconds=30))
        orca.train(task, weights.build(task), shard_of(task, columns(seed=rank)), exchange, lambda about: None)
        gc.collect()
        exchange.close()


{"theirs": theirs, "ours": ours}[how]()
