"""The engine, and the parts of every item: keys, expressions, documents, attributes.

`engine.Engine` is the only interface to a database; `dynamo` and `memory` implement it. `dynamo` sends requests through
a client: the small one of `client`, or boto3. `connect` chooses by the environment. Boundary: no rule of the product is
here.

Read first: `engine.Engine`, `expressions.Condition`, `documents.Codec`, `client.HttpClient`.
"""
