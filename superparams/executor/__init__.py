"""What runs settings.

`program` is what a worker needs, `payload` brings it to workers, `worker` runs settings, `engines`
start workers and hand out settings, and `process_state` carries process-wide options of a script.
`experiment_modules` and `code_snapshot` import code in workers, `code_names` reads which names code
uses, and `fork_guard` ends forks that user code leaves behind. This room imports from the rooms up
to `outcomes`.
"""
