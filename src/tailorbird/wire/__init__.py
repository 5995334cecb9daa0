"""AWS protocol ↔ plain calls; knows nothing of recommendations."""
