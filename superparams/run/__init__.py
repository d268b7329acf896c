"""Carries out a run, from its options to its table.

`options` checks the arguments of `run_all`, `plan` decides which settings are to run, `status`
counts them without a run, `loop` carries the run out, `code_record` keeps the code of a run,
`interrupts` handles Ctrl-C, and `debugger` stops where a setting failed. This room imports from the
rooms up to `views`.
"""
