"""superparams compared with other tools: `make bench`.

Each tool has a file of functions: how its users would do each kind of work. `catalog` lists
the tools, `ways` says which function does which work, `scale` has the sizes and the time limits.
`one` does one work of one tool in a process of its own, `process` runs and watches that process,
`rounds` takes turns. `report`, `picture` and `summary` (the table of the README) show the results.
"""
