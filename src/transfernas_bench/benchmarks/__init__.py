"""Problems with known values: toy tasks and tabular benchmarks."""
