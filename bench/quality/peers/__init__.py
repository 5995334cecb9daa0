"""Peers: models that others would use, each with `items` and `score` as `evaluation.ranking.Ranker` has them."""
