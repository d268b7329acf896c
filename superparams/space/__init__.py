"""The algebra of spaces: products, sums and zips of axes; from an index to a point and back.

`axis` has the points of one field, `algebra` has spaces, `groups` tells a group of fields from
other values. This room imports from `errors` and `adapters`.
"""
