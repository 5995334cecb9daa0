"""`python -m tailorbird` is the command `tailorbird`."""

from tailorbird.cli.main import app

app()
