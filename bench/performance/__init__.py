"""What all benches have in common: the form of their results, the goals, and the pages that are made of both."""
