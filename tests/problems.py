"""Problems that several tests share, so that they share compiled code too."""

from transfernas import Choice, Problem, SearchSpace

cnn = SearchSpace(
    "cnn",
    [
        Choice("filters", (16, 32, 64)),
        Choice("kernel size", (3, 5)),
        Choice("dense layers", (0, 1)),
        Choice("dense units", (32, 64), when={"dense layers": 1}),
    ],
)
ffn = SearchSpace("ffn", [Choice("dense units", (32, 64)), Choice("activation", ("relu", "tanh"))])
PROBLEMS = (Problem(cnn, task="digits"), Problem(ffn, task="digits"), Problem(ffn, task="letters"))
