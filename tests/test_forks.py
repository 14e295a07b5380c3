"""Processes that are forked from one that uses JAX: they search, ask, tell, save and load as their parent does."""

import signal
import threading

import pytest

from programs import run
from transfernas.processes import locks

SEARCH = """
    import concurrent.futures as futures, copy, multiprocessing, os, sys, tempfile, threading, time
    import optuna
    from transfernas import Agent, Choice, Problem, SearchSpace
    from transfernas.integrations.optuna import TransferSampler

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    fork = multiprocessing.get_context("fork")
    folder = tempfile.mkdtemp()
    space = SearchSpace("s", [Choice("a", (1, 2, 3)), Choice("b", (0.1, 0.2)), Choice("c", ("x", "y"))])
    problem = Problem(space, "t")

    def objective(trial):
        return trial.suggest_float("x", 0, 1) + trial.suggest_int("k", 1, 3)

    def in_child(function, *arguments):
        # What a function returned in a forked child, which ends as a program does.
        reading, writing = fork.Pipe(duplex=False)
        process = fork.Process(target=lambda: writing.send(function(*arguments)))
        process.start()
        writing.close()  # so that a child that fails is told from one that hangs
        assert reading.poll(250), "the child hangs"
        found = reading.recv()
        process.join()
        assert process.exitcode == 0
        return found

    def states(study):
        return [trial.state.name for trial in study.trials]
"""

SAMPLERS = """
    url = f"sqlite:///{folder}/one.db"
    study = optuna.create_study(study_name="one", storage=url, sampler=TransferSampler(seed=0))
    study.optimize(objective, n_trials=2)
    study.sampler.agent.save(folder + "/agent.safetensors")

    def own():
        mine = optuna.load_study(study_name="one", storage=url, sampler=TransferSampler(seed=1))
        mine.optimize(objective, n_trials=2)
        file = optuna.create_study(study_name="two", sampler=TransferSampler(folder + "/agent.safetensors", seed=1))
        file.optimize(objective, n_trials=2)
        proposing = optuna.create_study(study_name="three", sampler=TransferSampler(mine.sampler.agent, learn=False))
        proposing.optimize(objective, n_trials=2)
        mine.sampler.save(folder + "/child.safetensors")
        return states(mine), states(file), states(proposing)

    def given(study):
        study.optimize(objective, n_trials=2)
        return [trial.params for trial in study.trials[4:6]]

    print(in_child(own))
    print(Agent.load(folder + "/child.safetensors").provenance)
    with fork.Pool(1) as pool:
        (pooled,) = pool.map(given, [study])
    with futures.ProcessPoolExecutor(1, mp_context=fork) as executor:
        executed = executor.submit(given, study).result()
    print(len(pooled), len(executed), set(states(study)), len(study.trials))
    study.optimize(objective, n_trials=1)
    print(states(study)[-1])
"""


@pytest.mark.thorough
def test_samplers_in_forked_processes() -> None:
    whole = "['COMPLETE', 'COMPLETE']"
    assert run(SEARCH, SAMPLERS).splitlines() == [
        f"(['COMPLETE', 'COMPLETE', 'COMPLETE', 'COMPLETE'], {whole}, {whole})",
        "(('optuna', 'one', 4),)",
        "2 2 {'COMPLETE'} 8",
        "COMPLETE",
    ]


AGENTS = """
    def go_on(agent, trials=4):
        found = []
        for _ in range(trials):
            trial = agent.ask()
            found.append(trial.config)
            agent.tell(trial, trial.config["a"] * trial.config["b"])
        return found, agent.best().reward

    def mistaken():
        try:
            Agent([], seed=0)
        except ValueError as error:
            return str(error)

    agent = Agent([problem], seed=0)
    go_on(agent, 3)
    agent.save(folder + "/agent.safetensors")

    def everything(child=True):
        # a copy, a file, a new agent, a transfer, an error; and a child of the child, which has a helper of its own
        mine = Agent.load(folder + "/agent.safetensors")
        found = [mistaken(), go_on(Agent([problem], seed=7)), go_on(mine)]
        found.append(in_child(go_on, mine) if child else go_on(copy.deepcopy(mine)))
        mine = mine.transfer_to([Problem(space, "u")], seed=1)
        mine.save(folder + f"/transferred-{child}.safetensors")
        return found + [go_on(mine)]

    def given():
        return go_on(agent)

    in_children = in_child(given), in_child(everything)
    print(in_children[0] == go_on(agent))
    print([a == b for a, b in zip(in_children[1], everything(child=False), strict=True)])
    print(*(go_on(Agent.load(folder + f"/transferred-{child}.safetensors"))[1] for child in (True, False)))
"""


@pytest.mark.thorough
def test_agents_in_forked_processes_go_on_to_the_bit() -> None:
    same, parts, transferred = run(SEARCH, AGENTS).splitlines()
    assert same == "True" and parts == "[True, True, True, True, True]"
    first, second = transferred.split()
    assert first == second


THREADS = """
    agent = Agent([problem], seed=0)
    agent.tell(agent.ask(), 1.0)
    ending = threading.Event()
    os.register_at_fork(after_in_parent=ending.set)  # else the child waits for the processor, too

    def busy():
        while not ending.is_set():
            trial = agent.ask()
            agent.tell(trial, trial.config["a"])
            time.sleep(0.001)  # an evaluation

    def use():
        asked = agent.ask()
        agent.tell(asked, 1.0)
        agent.save(folder + f"/child-{os.getpid()}.safetensors")
        return agent.provenance[0][2] > 0

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)
        print(in_child(use))
    finally:
        ending.set()
        for thread in threads:
            thread.join()
"""


@pytest.mark.thorough
def test_a_fork_while_other_threads_use_the_agent() -> None:
    assert run(SEARCH, THREADS) == "True"


STUCK = """
    entered, leave = threading.Event(), threading.Event()

    def valid(config):
        entered.set()
        leave.wait()
        return True

    free = Agent([problem], seed=0)
    stuck = Agent([Problem(space, "u", valid=valid)], seed=0)
    thread = threading.Thread(target=stuck.ask)
    thread.start()
    entered.wait()

    def use():
        free.tell(free.ask(), 1.0)
        try:
            stuck.ask()
        except RuntimeError as error:
            return str(error)

    print(in_child(use))
    leave.set()
    thread.join()
    stuck.tell(stuck.open_trials[0], 1.0)
    print(stuck.provenance[0])
"""


@pytest.mark.thorough
def test_an_agent_that_a_thread_never_gave_back_is_an_error_in_the_child() -> None:
    told, whole = run(SEARCH, STUCK).splitlines()
    assert "forked while another thread was using the same agent" in told and "spawn" in told
    assert whole == "('s', 'u', 1)"


KILLED = """
    from transfernas.processes import runtime
    from transfernas.processes.remote import RemoteError

    agent = Agent([problem], seed=0)
    agent.tell(agent.ask(), 1.0)

    def use():
        agent.tell(agent.ask(), 1.0)
        helper = runtime._remote._process
        helper.kill()
        helper.wait()
        try:
            agent.ask()
        except RemoteError as error:
            message = str(error)
        agent.tell(agent.ask(), 1.0)
        return message, agent.provenance[0][2]

    print(in_child(use))
"""


@pytest.mark.thorough
def test_a_helper_that_was_killed_is_an_error_once() -> None:
    found = run(SEARCH, KILLED)
    assert f"ended with exit code {-signal.SIGKILL}" in found and found.endswith(", 3)")


UNUSED = """
    sampler = TransferSampler(seed=0)

    def use():
        from transfernas.processes import runtime
        study = optuna.create_study(study_name="one", sampler=sampler)
        study.optimize(objective, n_trials=2)
        return states(study), runtime._remote._process

    print(in_child(use))
"""


@pytest.mark.thorough
def test_a_process_that_is_forked_before_anything_was_computed_needs_no_helper() -> None:
    assert run(SEARCH, UNUSED) == "(['COMPLETE', 'COMPLETE'], None)"


DAEMON = """
    study = optuna.create_study(study_name="one", sampler=TransferSampler(seed=0))
    threading.Thread(target=study.optimize, args=(objective,), kwargs={"n_trials": 10_000}, daemon=True).start()
    while len(study.trials) < MOMENT:
        time.sleep(0.001)
    print("ended")
"""


@pytest.mark.thorough
@pytest.mark.parametrize("moment", [1, 5])
def test_a_program_ends_while_a_daemon_thread_searches(moment: int) -> None:
    assert run(SEARCH, DAEMON.replace("MOMENT", str(moment))) == "ended"


def test_who_forks_waits_for_no_thread_that_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_WAIT_SECONDS", 5.0)
    pairs = [(locks.Lock(), locks.Lock()) for _ in range(8)]  # in whatever order they are taken
    entered, forking = threading.Barrier(len(pairs) + 1), threading.Event()

    def use(outer: locks.Lock, inner: locks.Lock) -> None:
        with outer:
            entered.wait()
            forking.wait()
            with inner:
                locks.Lock()

    threads = [threading.Thread(target=use, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    entered.wait()
    timer = threading.Timer(0.1, forking.set)
    timer.start()
    locks._take_all()
    missed = list(locks._MISSED)
    locks._give_back(child=False)
    for thread in [*threads, timer]:
        thread.join()
    assert not missed
