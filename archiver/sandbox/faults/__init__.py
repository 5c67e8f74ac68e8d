"""How the sandbox misbehaves on order: what can go wrong, whom it strikes, and what is done then.

One module for each kind of fault, all of them listed in ``table``; ``plan`` decides who is struck. Nothing here knows
a provider: where their answers keep what a fault changes is written in a ``Wire``.
"""
