"""The rows that are written by one package and read by the other: each a function of its number."""

import datetime
from decimal import Decimal

import numpy as np

ROWS = 60


def row(i):
    """What a row of the dataset with codecs holds."""
    image = np.add.outer(np.arange(8) * i, np.arange(6)).astype(np.uint8)
    return {
        "id": np.int32(i),
        "matrix": np.arange(6, dtype=np.float32).reshape(2, 3) * i,
        "ragged": np.arange(i % 4, dtype=np.int64),
        "packed": np.full((2, 2), i / 8),
        "image": np.stack([image, image + 1, image + 2], axis=2),
        "grey": image,
        "photo": np.full((16, 16, 3), (i, 2 * i, 255 - i), np.uint8),
        "name": f"Zürich {i}",
        "price": Decimal(i) / 4,
        "maybe": None if i % 3 else np.float64(i),
    }


def plain_row(i):
    """What a row of the dataset of Parquet's own types holds."""
    return {
        "id": i,
        "price": i / 4,
        "name": f"東京 {i}",
        "good": i % 2 == 0,
        "vector": [float(i), -float(i), 0.5],
        "codes": list(range(i % 4)),
        "day": datetime.date(2024, 1, 1) + datetime.timedelta(days=i),
    }
