"""The parts of the engine of processes.

`dispatch` is the driver's loop; `launch` starts and holds the template process, whose code is
`template`; the template makes workers, whose code is `member`. `wire` frames what goes between
them, `cell` is the memory they share, `kin` what the system knows of parents and children.
"""
