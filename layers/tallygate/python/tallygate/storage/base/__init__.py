"""The engine and what every item is made of: keys, expressions, documents, attributes.

`engine.Engine` is the one seam to a database; `dynamo` and `memory` implement it. Boundary: no rule of the product.

Read first: `engine.Engine`, `expressions.Condition`, `documents.Codec`.
"""
