"""Small spaces, and the columns that they read."""

from aiok_spark.nas import BertSpace, CnnSpace, CtrSpace, NasBench201, VitSpace
from aiok_spark.training.features import FeatureSpec

PIXELS = FeatureSpec(("pixels",), (64,))
CLICKS = FeatureSpec(("age", "price"), (1, 1), ("city", "device", "shop"), (50, 7, 200))
TOKENS = FeatureSpec(categorical=("words",), sizes=(90,), lengths=(6,))
SMALL = {
    "nasbench201": (NasBench201(imageShape=(1, 8, 8), channels=4, cells=1), PIXELS, "multiclass"),
    "cnn": (CnnSpace(imageShape=(1, 8, 8), strides=(1, 2), channels=(8, 16), blocks=(1, 2)), PIXELS, "multiclass"),
    "vit": (
        VitSpace(imageShape=(1, 8, 8), patch=4, headWidth=8, depths=(1, 3), widths=(16, 24), heads=(2, 3)),
        PIXELS,
        "multiclass",
    ),
    "bert": (
        BertSpace(layers=(1, 2), widths=(16, 32), heads=(1, 2), hidden=(16, 64), headWidth=8),
        TOKENS,
        "binary",
    ),
    "ctr": (CtrSpace(), CLICKS, "binary"),
}
