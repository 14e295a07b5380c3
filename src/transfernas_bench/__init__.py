"""The laboratory of TransferNAS: benchmarks, the experiments on them, their figures and reports, and the commands.

It stands on the library, which imports nothing of it.
"""
