"""What a training costs: peak memory and wall time."""
