"""Orca's metrics of outputs and labels of all rows, by the same formulas."""

from __future__ import annotations

import torch

from aiok_spark.training.worker.metrics import auc


class _Metric:
    def __init__(self) -> None:
        self.__name__ = type(self).__name__


class Accuracy(_Metric):
    """Share of rows whose class is right: of scores, the largest one's or the one from 0.5."""

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> float:
        """Measure all rows."""
        if output.ndim == target.ndim + 1:
            output = output.argmax(-1)
        elif output.is_floating_point():
            output = (output >= 0.5).long()
        return (output == target).double().mean().item()


class BinaryAccuracy(_Metric):
    """Share of values above 0.5 where the label is 1, and below where it is 0."""

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> float:
        """Measure all rows."""
        return ((output > 0.5) == target).double().sum().item() / len(target)


class SparseCategoricalAccuracy(_Metric):
    """Share of rows whose largest score is that of the label, a class number."""

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> float:
        """Measure all rows."""
        target = target.squeeze(-1) if output.ndim == target.ndim else target
        return (output.argmax(-1) == target).double().sum().item() / len(target)


class CategoricalAccuracy(_Metric):
    """Share of rows whose largest score is that of the label, a score for each class."""

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> float:
        """Measure all rows."""
        return (output.argmax(-1) == target.argmax(-1)).double().sum().item() / len(target)


class Top5Accuracy(_Metric):
    """Share of rows whose label is among the five largest scores."""

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> float:
        """Measure all rows."""
        best = output.topk(5, dim=-1).indices
        return (best == target.view(-1, 1)).any(-1).double().sum().item() / len(target)


class MAE(_Metric):
    """Mean absolute error."""

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> float:
        """Measure all rows."""
        return (output - target).abs().double().mean().item()


class MSE(_Metric):
    """Mean squared error."""

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> float:
        """Measure all rows."""
        return (output - target).square().double().mean().item()


class AUC(_Metric):
    """Area under the ROC curve, exact; Orca's number of thresholds has no use here."""

    def __init__(self, threshold_num: int = 200) -> None:
        super().__init__()

    def __call__(self, output: torch.Tensor, target: torch.Tensor) -> float:
        """Measure all rows."""
        if output.numel() != target.numel():
            raise ValueError(
                f"AUC: found outputs of shape {list(output.shape)} for labels of shape {list(target.shape)}, expected "
                "one score for each label; take Accuracy for several classes"
            )
        score, label = output.flatten().double().numpy(), target.flatten().double().numpy()
        return auc(score, label, torch.ones(len(score), dtype=torch.float64).numpy())
