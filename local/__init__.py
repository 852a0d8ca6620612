"""The local stack: the real template on an emulator, with state that survives, and a tour of it."""
