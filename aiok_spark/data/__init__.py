"""Data between Spark and deep learning: conversion to Parquet datasets, and loaders for them."""

from aiok_spark.data.converter import SparkDatasetConverter, make_spark_converter
from aiok_spark.data.dataset import Dataset
from aiok_spark.data.delta import DeltaSource
from aiok_spark.data.loader import TorchLoader
from aiok_spark.data.petastorm_converter import PetastormConverter, PetastormConverterModel
from aiok_spark.data.reader import Reader, make_batch_reader, make_reader
from aiok_spark.data.transform import TransformSpec

__all__ = [
    "Dataset",
    "DeltaSource",
    "PetastormConverter",
    "PetastormConverterModel",
    "Reader",
    "SparkDatasetConverter",
    "TorchLoader",
    "TransformSpec",
    "make_batch_reader",
    "make_reader",
    "make_spark_converter",
]
