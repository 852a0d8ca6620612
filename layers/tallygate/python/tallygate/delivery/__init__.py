"""How facts leave: signatures, webhooks, the event bus. Knows nothing of storage or decisions."""
