"""What an import costs beside polars, which checks nothing."""
