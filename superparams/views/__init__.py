"""What people see of a run and of its results.

`progress` shows a run in progress, `result_tables` shows results, `failures` sums up what failed,
and `notebook` writes to the output of a cell. `plots` draws results: `plot_rows`, `plot_data` and
`step_curves` say what, and `drawing` does it with matplotlib. This room imports from
the rooms up to `store`.
"""
