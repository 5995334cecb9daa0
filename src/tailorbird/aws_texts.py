"""Texts of AWS that client code compares or parses (spec control-plane 1.3), word for word, in one place.

What follows one of them in a message is ours: a hint of what to do.
"""

RESOURCE_MISSING = "Resource Arn {arn} does not exist."
GROUP_MISSING = "The given dataset group does not exist: {arn}"

MANY_WAITING = "More than {most} resources with PENDING or IN_PROGRESS status."
MANY_ACTIVE = "Cannot create a {noun}. More than {most} resources in ACTIVE state. Please delete some and try again."

FILTER_REFUSED = "Could not create filter. {problem}"
FILTER_EXPRESSION = "Invalid Expression"
FILTER_SYMBOL = "Invalid input symbol"
FILTER_PLACEHOLDER = FILTER_SYMBOL + ": {name}. Placeholders are not allowed with NOT_IN operator."

FEW_INTERACTIONS = "Create failed. Dataset has fewer than {least} interactions"
AFTER_FILTERING = " after filtering by event type: {event_type}"
FEW_USERS = "Create failed. Dataset has fewer than {least} users with at least {each} interactions each"

BATCH_INPUT = "Invalid S3 input path"
BATCH_OUTPUT = "Invalid S3 output path"
