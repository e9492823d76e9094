"""A fitted pipeline for MLflow as code: scored by LocalPipeline, with no JVM where it is served.

python recipes/dlrm/mlflow_scorer.py RUN/model      # logs it; prints the model's URI
mlflow models serve --model-uri URI --env-manager local
"""

from __future__ import annotations

import sys
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import set_model

from aiok_spark.inference import LocalPipeline


class Scorer(mlflow.pyfunc.PythonModel):
    """Rows in, as pandas; their chances of a click out."""

    def load_context(self, context: Any) -> None:
        """Read the pipeline that was logged."""
        self._pipeline = LocalPipeline.load(context.artifacts["pipeline"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """The columns that a client wants."""
        scored = self._pipeline.transform(model_input)
        chances = [float(chance[1]) for chance in scored["probability"]]
        return pd.DataFrame({"probability": chances, "prediction": scored["prediction"].to_numpy()})


def log(model: str) -> str:
    """Log a saved pipeline to the tracking server that MLflow is told of; gives the model's URI."""
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(name="clicks", python_model=__file__, artifacts={"pipeline": model})
    return str(logged.model_uri)


if __name__ == "__main__":
    print(log(sys.argv[1]))
else:
    set_model(Scorer())  # what MLflow runs is this file, so nothing is pickled
