"""A perceptron on a table with an assembled vector, as Orca's tabular examples."""

import torch
from bigdl.orca import OrcaContext, init_orca_context, stop_orca_context
from bigdl.orca.learn.metrics import MAE, MSE
from bigdl.orca.learn.pytorch import Estimator
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import functions as F
from torch import nn


def model_creator(config):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, config["hidden"]), nn.ReLU(), nn.Linear(config["hidden"], 2))


def optimizer_creator(model, config):
    return torch.optim.SGD(model.parameters(), lr=config["lr"], momentum=0.9)


def loss_creator(config):
    return nn.MSELoss()


init_orca_context(cluster_mode="local", cores=2, memory="1g")
spark = OrcaContext.get_spark_session()
names = ["a", "b", "c", "d"]
rows = spark.range(4000).select(*[F.randn(i).alias(name) for i, name in enumerate(names)])
rows = VectorAssembler(inputCols=names, outputCol="features").transform(rows)
rows = rows.withColumn("target", F.array(F.col("a") - F.col("b"), F.col("c") * 2)).cache()

est = Estimator.from_torch(
    model=model_creator,
    optimizer=optimizer_creator,
    loss=loss_creator,
    metrics=[MSE(), MAE()],
    config={"hidden": 16, "lr": 0.05},
    workers_per_node=2,
)
est.fit(rows, epochs=10, batch_size=200, feature_cols=["features"], label_cols=["target"])
result = est.evaluate(rows, batch_size=200, feature_cols=["features"], label_cols=["target"])
predictions = est.predict(rows, feature_cols=["features"])
error = predictions.select(
    F.avg(
        (F.col("prediction")[0] - F.col("target")[0]) ** 2 / 2 + (F.col("prediction")[1] - F.col("target")[1]) ** 2 / 2
    )
).first()[0]
print("type", predictions.schema["prediction"].dataType.simpleString())
print("loss is the metric", abs(result["val_loss"] - result["MSE"]) < 1e-6)
print("predictions have it too", abs(error - result["MSE"]) < 1e-5)
print("learned", result["MSE"] < 0.05, result["MAE"] < 0.2)
est.save_checkpoint("/PLACE/tabular.ckpt")
with torch.no_grad():
    print("weights", [tuple(p.shape) for p in est.get_model().parameters()])
stop_orca_context()
