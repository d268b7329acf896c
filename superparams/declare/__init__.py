"""The content of class bodies: fields, groups of fields, experiments.

`descriptors` has `search` and `value`, `metaclass` has `SearchMeta`, `params` has `Params`, and
`experiment` has `Experiment`. A field may have almost any name: `own_names` has the attributes of
superparams that a field may hide, and `place` the object that still has them. Only `instance_state`
knows what an instance holds besides the values of its fields. `sequence` makes a space a sequence
of settings, `layout` builds a setting from an index, `draws` and `drawn_settings` draw settings,
`keys` computes the keys of settings, `presentation` and `plain_data` show settings, and `words`
reads the words of a command line. This room imports from the rooms up to `identity`. `experiment`
is a door: its methods, such as `run_all`, call rooms above.
"""
