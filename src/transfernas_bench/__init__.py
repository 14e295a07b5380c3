"""The laboratory of TransferNAS: benchmarks, experiments on them, figures and reports, and the commands.

The laboratory imports the library, and the library imports nothing of the laboratory.
"""
