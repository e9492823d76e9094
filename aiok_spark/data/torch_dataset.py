"""A ``TorchLoader`` for ``torch.utils.data.DataLoader``, whose worker processes share its rows out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

from aiok_spark.data.dataset import Dataset
from aiok_spark.data.loader import TorchLoader


class TorchDataset(IterableDataset):
    """Batches of a dataset; each row is given by one of a ``DataLoader``'s workers.

    Parameters
    ----------
    dataset : Dataset
        What to read.
    **options
        Those of ``TorchLoader``. A shard is cut again into one part for each worker.

    Examples
    --------
    >>> from torch.utils.data import DataLoader
    >>> batches = converter.make_torch_dataset(batch_size=4096)  # doctest: +SKIP
    >>> for batch in DataLoader(batches, batch_size=None, num_workers=2):  # doctest: +SKIP
    ...     train(batch)
    """

    def __init__(self, dataset: Dataset, **options: Any) -> None:
        self._dataset, self._options = dataset, options
        TorchLoader(dataset, **options)  # what is wrong is said here, and not in a worker

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The batches of this worker's part, or all outside of a worker."""
        info = get_worker_info()
        if info is None:
            return iter(TorchLoader(self._dataset, **self._options))
        shard, of = self._options.get("cur_shard") or 0, self._options.get("shard_count") or 1
        part = {"cur_shard": shard * info.num_workers + info.id, "shard_count": of * info.num_workers}
        return iter(TorchLoader(self._dataset, **{**self._options, **part}))
