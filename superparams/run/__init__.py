"""Carries out a run, from its options to its table.

`options` checks what `run_all` is given, `plan` tells which settings are to do, `status` counts
them without a run, `loop` carries the run out, `code_record` keeps the code of a run, `interrupts`
handles Ctrl-C, and `debugger` stops where a setting failed. This room imports from the rooms up to
`views`.
"""
