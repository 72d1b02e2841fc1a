"""A package of somebody else's: a strategy, a verifier, a benchmark, a backend and a command for ttscale.

Its entry point ``absent`` leads nowhere, as those of a half-removed package do.
"""
