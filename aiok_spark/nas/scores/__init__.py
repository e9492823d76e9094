"""Scores that need no training: functions of a candidate's ``Probe``, larger is better.

One of your own is such a function, named by where it is (``package.module:name``) or given as it is.
"""

from __future__ import annotations

_HERE = "aiok_spark.nas.scores"

NAMED = {
    "expressivity": f"{_HERE}.az_nas:expressivity",
    "progressivity": f"{_HERE}.az_nas:progressivity",
    "trainability": f"{_HERE}.az_nas:trainability",
    "naswot": f"{_HERE}.naswot:naswot",
    "synflow": f"{_HERE}.gradients:synflow",
    "logSynflow": f"{_HERE}.gradients:log_synflow",
    "gradNorm": f"{_HERE}.gradients:grad_norm",
    "snip": f"{_HERE}.gradients:snip",
    "zen": f"{_HERE}.zen:zen",
    "ntk": f"{_HERE}.ntk:ntk",
    "diversity": f"{_HERE}.diversity:diversity",
}
COUNTED = ("params", "flops")  # of every candidate, as a score too: the larger, the better
