"""How many users a second batch inference answers, beside what a user would write instead."""
