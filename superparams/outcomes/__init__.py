"""What became of a setting.

`outcome` has the outcome and its columns, `batches` has many of them as Arrow, `result_copies`
keeps a result as it was when `run` returned, and `arrow` turns values into Arrow and back. This
room imports from the rooms up to `declare`.
"""
