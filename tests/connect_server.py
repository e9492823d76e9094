"""A Spark Connect server for the tests: prints its port, and ends when its standard input does.

So it never outlives the test run, however that ends.
"""

import json
import sys

from pyspark.sql import SparkSession

builder = SparkSession.builder.master("local[2,2]").appName("connect server")
for key, value in json.loads(sys.argv[1]).items():
    builder = builder.config(key, value)
for key, value in {
    "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
    "spark.connect.grpc.binding.port": "0",  # any free one: two test runs may share a machine
    # Both as Spark's own start-connect-server.sh sets them.
    "spark.sql.artifact.isolation.enabled": "true",
    "spark.sql.artifact.isolation.alwaysApplyClassloader": "true",
}.items():
    builder = builder.config(key, value)

# By the JVM: Python has no name for the port that the service chose.
jvm = builder.getOrCreate().sparkContext._jvm
service = getattr(getattr(jvm, "org.apache.spark.sql.connect.service.SparkConnectService$"), "MODULE$")
print(service.localPort(), flush=True)  # noqa: T201
sys.stdin.read()
