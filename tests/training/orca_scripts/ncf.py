"""Neural collaborative filtering on a DataFrame, as Orca's example of it."""

import torch
from bigdl.orca import OrcaContext, init_orca_context, stop_orca_context
from bigdl.orca.learn.metrics import AUC, Accuracy
from bigdl.orca.learn.pytorch import Estimator
from pyspark.sql import functions as F
from torch import nn


class NCF(nn.Module):
    def __init__(self, users, items, factors=8):
        super().__init__()
        self.user_mf, self.item_mf = nn.Embedding(users, factors), nn.Embedding(items, factors)
        self.user_mlp, self.item_mlp = nn.Embedding(users, factors), nn.Embedding(items, factors)
        self.layers = nn.Sequential(nn.Linear(2 * factors, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU())
        self.predict_layer = nn.Linear(factors + 8, 1)

    def forward(self, user, item):
        mf = self.user_mf(user) * self.item_mf(item)
        mlp = self.layers(torch.cat((self.user_mlp(user), self.item_mlp(item)), -1))
        return self.predict_layer(torch.cat((mf, mlp), -1)).view(-1).sigmoid()


def model_creator(config):
    return NCF(config["users"], config["items"], factors=config["factors"])


def optimizer_creator(model, config):
    return torch.optim.Adam(model.parameters(), lr=config["lr"])


def scheduler_creator(optimizer, config):
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.9)


init_orca_context(cluster_mode="local", cores=2, memory="1g")
spark = OrcaContext.get_spark_session()
users, items = 200, 100
rows = spark.range(20000).select(
    (F.rand(1) * users).cast("int").alias("user"), (F.rand(2) * items).cast("int").alias("item"), F.rand(3).alias("u")
)
likes = F.sin(F.col("user").cast("double")) * F.cos(F.col("item").cast("double")) * 6
rows = rows.withColumn("label", (F.col("u") < 1 / (1 + F.exp(-likes))).cast("float")).cache()
train, test = rows.randomSplit([0.8, 0.2], seed=7)

est = Estimator.from_torch(
    model=model_creator,
    optimizer=optimizer_creator,
    scheduler_creator=scheduler_creator,
    loss=nn.BCELoss(),
    metrics=[Accuracy(), AUC()],
    backend="spark",
    config={"users": users, "items": items, "factors": 8, "lr": 0.02},
    workers_per_node=2,
)
stats = est.fit(
    data=train,
    epochs=6,
    batch_size=512,
    feature_cols=["user", "item"],
    label_cols=["label"],
    validation_data=test,
)
result = est.evaluate(data=test, feature_cols=["user", "item"], label_cols=["label"], batch_size=512)
predictions = est.predict(data=test, feature_cols=["user", "item"], batch_size=512)
print("epochs", [s["epoch"] for s in stats])
print("train loss falls", stats[-1]["train_loss"] < stats[0]["train_loss"])
print("same loss", abs(stats[-1]["val_loss"] - result["val_loss"]) < 1e-6)
print("same AUC", abs(stats[-1]["val_auc"] - result["AUC"]) < 1e-6)
print("rows", result["num_samples"] == test.count() == predictions.count())
print("type", predictions.schema["prediction"].dataType.simpleString())
print("AUC", result["AUC"] > 0.8)
est.save("/PLACE/NCF_model")
est.load("/PLACE/NCF_model")
again = est.evaluate(data=test, feature_cols=["user", "item"], label_cols=["label"], batch_size=512)
print("same after load", abs(again["val_loss"] - result["val_loss"]) < 1e-6)
stats = est.fit(data=train, epochs=1, batch_size=512, feature_cols=["user", "item"], label_cols=["label"])
print("goes on", stats[0]["epoch"], stats[0]["train_loss"] < result["val_loss"] + 0.1)
est.shutdown()
stop_orca_context()
