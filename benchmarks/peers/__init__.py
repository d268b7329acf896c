"""This project beside what a user would pick instead: `make bench`.

One file for each tool, which says how its users would do each kind of work (`catalog` lists them);
`one` does one work of one tool in a process of its own, `process` runs and watches that process,
`rounds` takes turns, and `report` and `picture` show what came of it.
"""
