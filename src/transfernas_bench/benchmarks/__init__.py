"""Problems with known answers: toy tasks and tabular benchmarks."""
