"""Shows runs and results to people.

`progress` shows a run in progress, `result_tables` shows results, `failures` groups failures, and
`notebook` writes to the output of a cell. `plots` draws results: `plot_rows`, `plot_data` and
`step_curves` compute what to draw, and `drawing` draws it with matplotlib. This room imports from
the rooms up to `store`.
"""
