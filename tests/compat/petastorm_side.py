"""What real petastorm does, in an environment of its own: ``petastorm_side.py COMMAND PLACE``.

``write`` materialises the rows of ``values``; ``rows`` and ``batches`` print what its readers find, as JSON lines.
"""

import json
import sys
from decimal import Decimal

import numpy as np
import values
from petastorm import make_batch_reader, make_reader
from petastorm.codecs import CompressedImageCodec, CompressedNdarrayCodec, NdarrayCodec, ScalarCodec
from petastorm.etl.dataset_metadata import materialize_dataset
from petastorm.unischema import Unischema, UnischemaField, dict_to_spark_row


def schema():
    from pyspark.sql.types import DecimalType, DoubleType, IntegerType, StringType

    return Unischema(
        "Values",
        [
            UnischemaField("id", np.int32, (), ScalarCodec(IntegerType()), False),
            UnischemaField("matrix", np.float32, (2, 3), NdarrayCodec(), False),
            UnischemaField("ragged", np.int64, (None,), NdarrayCodec(), False),
            UnischemaField("packed", np.float64, (2, 2), CompressedNdarrayCodec(), False),
            UnischemaField("image", np.uint8, (8, 6, 3), CompressedImageCodec("png"), False),
            UnischemaField("grey", np.uint8, (None, None), CompressedImageCodec("png"), False),
            UnischemaField("photo", np.uint8, (16, 16, 3), CompressedImageCodec("jpeg", 95), False),
            UnischemaField("name", np.str_, (), ScalarCodec(StringType()), False),
            UnischemaField("price", Decimal, (), ScalarCodec(DecimalType(10, 2)), False),
            UnischemaField("maybe", np.float64, (), ScalarCodec(DoubleType()), True),
        ],
    )


def write(place):
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    made = schema()
    with materialize_dataset(spark, place, made, row_group_size_mb=1):
        rows = spark.sparkContext.parallelize([dict_to_spark_row(made, values.row(i)) for i in range(values.ROWS)], 3)
        spark.createDataFrame(rows, made.as_spark_schema()).write.parquet(place)
    spark.stop()


def show(value):
    if isinstance(value, np.ndarray):
        return value.tolist() if value.dtype != object else [show(v) for v in value]
    if isinstance(value, np.generic):
        return value.item() if not isinstance(value, np.datetime64) else str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def read(place, make, fields):
    with make(place, fields, reader_pool_type="dummy", shuffle_row_groups=False) as reader:
        for row in reader:
            sys.stdout.write("ROW" + json.dumps({name: show(value) for name, value in row._asdict().items()}) + "\n")


if __name__ == "__main__":
    command, place = sys.argv[1:]
    if command == "write":
        write(place)
    elif command == "rows":
        read(place, make_reader, None)
    else:  # where petastorm refuses lists of different lengths
        read(place, make_batch_reader, [name for name in values.plain_row(0) if name != "codes"])
