"""Pure functions on Arrow arrays: what the row-local stages *mean*.

Nothing here knows Spark; the only imports are numpy and pyarrow.  A kernel takes a list of
arrays (a stage's inputs, in order) and gives a list of arrays (its outputs, in order).  Spark,
a stream and plain Python all run these same functions.
"""
