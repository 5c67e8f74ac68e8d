"""GROUND: frozen data and pure rules. Standard library only; nothing here logs, waits or does I/O."""
