"""The local stack: the real template on an emulator, with state that survives a restart, and a tour."""
