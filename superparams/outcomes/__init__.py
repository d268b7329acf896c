"""Outcomes: the result of each setting, or why it has none.

`columns` lists the columns of an outcome, `outcome` has one outcome, `batches` makes Arrow of many,
`result_copies` keeps a result as it was when `run` returned, and `arrow` turns values into Arrow
and back. This room imports from the rooms up to `declare`.
"""
