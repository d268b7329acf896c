"""Records of runs: ledgers, the table of results, and the code that made them.

`ledger` has the records of outcomes, `table` has `results.parquet`, `runs` has the folders of runs,
`provenance` has the code and environment that made a result, `staleness` tells rows of earlier
code, and `names` finds rows whose points or fields were renamed. `results` has `Results`. This room
imports from the rooms up to `executor`. `results` and `table.row` are doors: `views` shows them.
"""
