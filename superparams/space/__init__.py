"""The algebra of spaces: products, sums and zips of axes; from an index to a point and back.

`axis` has the points of one field, `ranges` its numbers if it has no list of points, `algebra` has
spaces, `groups` tells a group of fields from other values. `random_bits` choose points, and `sobol`
has the numbers of an even sequence. This room imports from `errors` and `adapters`.
"""
