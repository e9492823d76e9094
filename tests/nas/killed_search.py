"""A search in a process of its own, to be killed: ``killed_search.py JOURNAL``; prints the ranking's numbers."""

import sys

from aiok_spark.nas import DENASSearch
from aiok_spark.session import get_session
from tests.nas.spaces import PIXELS, SMALL

SETTINGS = {"scores": ["expressivity", "flops"], "numCandidates": 32, "generationSize": 8, "verbose": False}

if __name__ == "__main__":
    spark = get_session("killed_search", **{"spark.ui.enabled": False})
    search = DENASSearch(SMALL["nasbench201"][0], journalPath=sys.argv[1], **SETTINGS)
    print([candidate.number for candidate in search.run(spark, PIXELS, classes=10).ranking])
