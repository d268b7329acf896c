"""What runs settings.

`payload` brings an experiment to workers, `worker` runs a setting, `engines` start workers and hand
out settings, and `process_state` carries process-wide options of a script. `experiment_modules`,
`code_snapshot` and `preload` import code in workers. This room imports from the rooms up to
`outcomes`.
"""
