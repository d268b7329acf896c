"""The algebra of spaces: products, sums and zips of axes; from an index to a point and back.

`axis` has the points of one field, `ranges` the numbers of a field without a list of points,
`algebra` has spaces, `groups` tells a group of fields from other values. `random_bits` has the bits
that choose points, and `sobol` an evenly spread sequence of points. `search_space` describes a
space to strategies. This room imports from `errors` and `adapters`.
"""
