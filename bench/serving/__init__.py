"""How fast answers come, idle and while a model is trained beside."""
