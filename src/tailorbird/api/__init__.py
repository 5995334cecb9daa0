"""What can be asked of Tailorbird: plain functions of a workspace and a request."""
