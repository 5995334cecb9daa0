"""`tailorbird demo`: real film data to recommendations, in six steps, through boto3 as a user would write it."""
