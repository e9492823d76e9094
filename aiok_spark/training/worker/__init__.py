"""What runs where the rows are: needs torch, but neither pyspark.ml nor a session."""
