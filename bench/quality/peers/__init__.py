"""Peers: models that others would use, each with `items` and `score` as `tailorbird.evaluation.Scorer` has them."""
