"""How training goes: stages, windows of time, memory."""
