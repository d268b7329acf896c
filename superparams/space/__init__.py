"""The algebra of spaces: products, sums and zips of axes; from an index to a point and back."""
