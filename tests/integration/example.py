"""A whole flow for spark-submit on any cluster: features, a DLRM trained by two workers, saved, loaded, scored.

``spark-submit [--master ...] example.py FOLDER``, where FOLDER is on a file system that all nodes reach.
"""

import sys

from pyspark.ml import Pipeline
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.sql import functions as F

import aiok_spark
from aiok_spark.feature import Categorify, FillMissing
from aiok_spark.models import DLRMClassifier
from aiok_spark.session import get_session

folder = sys.argv[1].rstrip("/")
spark = get_session("example")
made = spark.range(20000).select(
    F.when(F.rand(1) > 0.1, F.randn(2)).alias("age"),
    F.concat(F.lit("c"), (F.rand(3) * 50).cast("int")).alias("country"),
)
effect = F.coalesce("age", F.lit(0.0)) + F.sin(F.substring("country", 2, 2).cast("int"))
made.withColumn("label", (effect > 0).cast("double")).write.mode("overwrite").parquet(f"{folder}/rows")
train, test = spark.read.parquet(f"{folder}/rows").randomSplit([0.8, 0.2], seed=4)

pipeline = Pipeline(
    stages=[
        FillMissing(inputCols=["age"], outputCols=["age"]),
        Categorify(inputCols=["country"], outputCols=["country_id"]),
        DLRMClassifier(
            denseCols=["age"],
            categoricalCols=["country_id"],
            embeddingDim=8,
            bottomLayers=[16],
            topLayers=[16],
            numWorkers=2,
            epochs=8,
            batchSize=500,
            learningRate=0.02,
            validationFraction=0.1,
            checkpointDir=f"{folder}/run",
        ),
    ]
)
model = pipeline.fit(train)
model.write().overwrite().save(f"{folder}/model")
scored = aiok_spark.load(f"{folder}/model").transform(test)
auc = BinaryClassificationEvaluator().evaluate(scored)
workers = [(w["rank"], w["executor"], w["rows"]) for w in model.stages[-1].summary.workers]
told = f"AUC {auc:.4f}, workers {workers}, master {spark.conf.get('spark.master')}"
spark.createDataFrame([(told,)], "told string").coalesce(1).write.mode("overwrite").text(f"{folder}/told")
print(told)
