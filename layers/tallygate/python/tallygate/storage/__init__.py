"""Keys, items and expressions are pure; dynamo.py alone speaks DynamoDB, memory.py stands in for it."""
