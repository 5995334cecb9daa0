"""Recommendation quality on public data, beside named peers and printed figures."""
