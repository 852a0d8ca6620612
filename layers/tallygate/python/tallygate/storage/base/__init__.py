"""The engine, and the parts of every item: keys, expressions, documents, attributes.

`engine.Engine` is the only interface to a database; `dynamo` and `memory` implement it. Boundary: no rule of the
product is here.

Read first: `engine.Engine`, `expressions.Condition`, `documents.Codec`.
"""
