"""Mutation testing: change the code a little, again and again, and see whether a test fails.

    python tests/mutants.py losses priors divergences posteriors training \
        --out docs/results/mutants.json

``mutmut``, of the extra ``mutation``, makes the mutants of functions and methods. Its own runner
imports PyTorch for each of them. Here all is imported once, a fork swaps the code of one function,
and those quick tests run that call it, as a traced run says. A test that fails kills the mutant,
and so does its limit of time.

Outcomes are kept with a hash of their file: an interrupted run goes on, a file that has changed
starts afresh. Tests are not hashed: when they have, ``--again`` runs once more what survived.
"""

import __future__

import argparse
import contextlib
import difflib
import hashlib
import importlib
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import textwrap
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Which files a noun has, and which files of tests are about it.
NOUNS = {
    "losses": ("losses.py", "losses"),
    "priors": (
        "priors/*.py",
        "priors prior_shapes prior_errors fitted_priors foreign_priors tensor_priors user_priors",
    ),
    "divergences": (
        "divergences/*.py",
        "divergences adversarial_divergences closed_form_divergences",
    ),
    "posteriors": ("posteriors.py", "posteriors hierarchical_posterior"),
    "training": (
        "training/*.py",
        "adam base_step batches defaults implicit_step initialization interruption loop neighbors "
        "pass pilot places progress recovery snapshot step terms training training_devices",
    ),
}
# Defaults are also read by a test that calls no function: its cases are known by their class.
READS_DEFAULTS = "tests/test_docstrings.py::test_defaults_are_those_described"
OPTIONS = ["-n0", "-q", "-s", "--tb=no", "--no-header", "-p", "no:cacheprovider"]

LONGEST_TEST, LONGEST_RUN = 2.0, 10.0  # seconds of CPU: of a test, of all tests of a mutant
MEMORY = 8 << 30  # a mutant that wants more has a MemoryError
KILLED, TIMEOUT, SURVIVED, PENDING = "kts."
FUTURE = __future__.annotations.compiler_flag


@dataclass(eq=False)
class Mutant:
    """A small change of a function, or of a method (``Class.method``)."""

    path: str
    function: str
    before: str
    after: str
    source: str
    outcome: str = PENDING

    def original(self):
        """Return the module, what holds the function there, and the function."""
        owner, _, name = self.function.rpartition(".")
        path = self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        module = importlib.import_module(path)
        holder = getattr(module, owner) if owner else module
        return module, holder, getattr(vars(holder)[name], "__func__", vars(holder)[name])

    def graft(self):
        """Give the loaded function the code of the mutant, so that all who hold it have it."""
        module, holder, old = self.original()
        owner, _, name = self.function.rpartition(".")
        text = f"class {owner}:\n{textwrap.indent(self.source, '    ')}" if owner else self.source
        exec(compile(text, "<mutant>", "exec", FUTURE, True), vars(module))
        made = vars(getattr(module, owner) if owner else module)[name]
        setattr(module, owner or name, holder if owner else old)
        new = getattr(made, "__func__", made)
        if new.__code__.co_freevars == old.__code__.co_freevars:
            old.__code__, old.__defaults__ = new.__code__, new.__defaults__
            old.__kwdefaults__ = new.__kwdefaults__
        else:  # it no longer calls super()
            setattr(holder, name, made)


def mutants_of(path, source):
    """Return the mutants of all functions and methods of a file, always in the same order."""
    import libcst  # not at the top: doctests of tests/ import this file where mutmut is not
    from mutmut.mutation.file_mutation import create_mutations, deep_replace

    module, mutations, *_ = create_mutations(path, source)
    classes = [each for each in module.body if isinstance(each, libcst.ClassDef)]
    owners = {method: f"{each.name.value}." for each in classes for method in each.body.body}
    mutants = {}
    for mutation in mutations:
        old = mutation.contained_by_top_level_function
        if isinstance(old, libcst.FunctionDef):
            new = deep_replace(old, mutation.original_node, mutation.mutated_node)
            bare = [libcst.Module([each.with_changes(leading_lines=[])]) for each in (old, new)]
            was, now = (each.code for each in bare)
            lines = list(difflib.ndiff(was.splitlines(), now.splitlines()))
            texts = [" ".join(line[1:].strip() for line in lines if line[0] == at) for at in "-+"]
            if was != now:
                name = owners.get(old, "") + old.name.value
                mutants.setdefault((old, now), Mutant(path, name, *texts, now))
    return list(mutants.values())


def start_of(code):
    return f"{code.co_filename}:{code.co_firstlineno}"


def summary(mutants):
    outcomes = "".join(each.outcome for each in mutants)
    killed, timeouts = outcomes.count(KILLED), outcomes.count(TIMEOUT)
    return {"mutants": len(outcomes), "killed": killed + timeouts, "timeouts": timeouts}


class Report:
    """What has come of every mutant of a noun, in memory and in the file."""

    def __init__(self, path, noun, again):
        self.path, self.noun, self.files, self.hashes = path, noun, {}, {}
        self.all = json.loads(path.read_text("utf-8")) if path.exists() else {}
        kept = self.all.get(noun, {}).get("files", {})
        for file in sorted((ROOT / "skaae").glob(NOUNS[noun][0])):
            name, source = file.relative_to(ROOT).as_posix(), file.read_text("utf-8")
            self.files[name] = mutants = mutants_of(name, source)
            content = "".join([source, *(each.source for each in mutants)])
            self.hashes[name] = hashlib.sha256(content.encode()).hexdigest()[:16]
            if kept.get(name, {}).get("hash") == self.hashes[name]:
                for mutant, outcome in zip(mutants, kept[name]["outcomes"]):
                    mutant.outcome = PENDING if again and outcome == SURVIVED else outcome
        self.mutants = [each for mutants in self.files.values() for each in mutants]

    def write(self):
        """Write the file in one go, a survivor a line: it is whole at any time."""
        self.all[self.noun] = summary(self.mutants) | {"files": {}}
        for name, mutants in self.files.items():
            self.all[self.noun]["files"][name] = summary(mutants) | {
                "hash": self.hashes[name],
                "outcomes": "".join(each.outcome for each in mutants),
                "survivors": [
                    {key: getattr(each, key) for key in ("function", "before", "after")}
                    for each in mutants
                    if each.outcome == SURVIVED
                ],
            }
        text = json.dumps(self.all, indent=1)
        text = re.sub(r"\{[^{}]*\}", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)
        self.path.with_suffix(".part").write_text(text + "\n", "utf-8")
        self.path.with_suffix(".part").replace(self.path)

    def print(self):
        for name, mutants in [*self.files.items(), (self.noun, self.mutants)]:
            row = summary(mutants) | {"left": sum(each.outcome == PENDING for each in mutants)}
            print(name.ljust(40), *(f"{key} {value:<6}" for key, value in row.items()))  # noqa: T201


class Run:
    """A plugin that runs mutants where pytest would run tests."""

    def __init__(self, report, jobs, seconds):
        self.report, self.jobs, self.seconds = report, jobs, seconds
        self.failed, self.killers, self.running = None, {}, {}

    def pytest_runtest_logreport(self, report):
        if report.failed and self.failed is None:
            self.failed = report.nodeid

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        if session.testsfailed:
            return None  # pytest says what could not be collected
        with tempfile.TemporaryDirectory() as self.folder:
            try:
                self.fork(None, 600, self.trace, session.items)
                _, (self.traced, loaded) = self.reap()
                for name in loaded:  # what tests import, forks need not: for some that is a second
                    with contextlib.suppress(Exception):
                        importlib.import_module(name)
                self.judge({item.nodeid: item for item in session.items})
            finally:
                for pid in self.running:
                    os.killpg(pid, signal.SIGKILL)
                self.report.write()
        return True

    def trace(self, items):
        """Run all tests; return how long each takes and what it calls, and what gets imported."""
        files, called, traced = {str(ROOT / name) for name in self.report.files}, set(), {}
        before = set(sys.modules)

        def look(frame, event, _):
            if event == "call" and frame.f_code.co_filename in files:
                called.add(start_of(frame.f_code))

        for item in items:
            called.clear()
            self.failed, start = None, time.process_time()
            threading.setprofile(look)
            sys.setprofile(look)
            # Without a next test all fixtures are set up again, by the test that is looked at.
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            sys.setprofile(None)
            if self.failed is None:
                traced[item.nodeid] = (time.process_time() - start, sorted(called))
        return traced, sorted(set(sys.modules) - before)

    def judge(self, items):
        written = time.monotonic()
        for mutant in self.report.mutants:
            if mutant.outcome == PENDING:
                tests = [items[test] for test in self.choose(mutant)]
                self.fork(mutant, self.seconds, self.attack, mutant, tests)
            while len(self.running) >= self.jobs:
                self.settle()
            if time.monotonic() - written > 5.0:
                self.report.write()
                written = time.monotonic()
        while self.running:
            self.settle()

    def choose(self, mutant):
        """Return the tests that call the function, first those that killed others of it."""
        function, left = start_of(mutant.original()[2].__code__), LONGEST_RUN
        chosen = dict.fromkeys(self.killers.get((mutant.path, mutant.function), []))
        reader = f".{mutant.function.split('.')[0]}]"
        for test, (seconds, called) in sorted(self.traced.items(), key=lambda each: each[1][0]):
            reads = test.startswith(READS_DEFAULTS) and test.endswith(reader)
            if reads or (function in called and seconds < min(LONGEST_TEST, left)):
                left -= seconds
                chosen[test] = None
        return list(chosen)

    def attack(self, mutant, items):
        """Return the test that fails with the mutant, if there is one."""
        mutant.graft()
        for item, after in zip(items, [*items[1:], None]):
            try:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            except BaseException:  # an interruption that nobody caught
                return item.nodeid
            if self.failed:
                return self.failed
        return SURVIVED

    def fork(self, task, seconds, work, *arguments):
        """Start work in a process of its own, which leaves its answer in a file."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        if pid := os.fork():
            self.running[pid] = (task, folder / "answer")
            return
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.alarm(10 * seconds)  # who waits uses no CPU
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
        for stream in range(3):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        try:
            answer = work(*arguments)
        except BaseException as error:
            answer = {"broken": repr(error), "mutant": str(task)}
        (folder / "part").write_text(json.dumps(answer))
        (folder / "part").rename(folder / "answer")
        os._exit(0)

    def reap(self):
        """Wait for a process; return its task and its answer, which it may not have come to."""
        pid, _ = os.wait()
        task, file = self.running.pop(pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what it has started
        answer = json.loads(file.read_text()) if file.exists() else None
        shutil.rmtree(file.parent, ignore_errors=True)
        if isinstance(answer, dict) and "broken" in answer:
            raise RuntimeError(answer)
        return task, answer

    def settle(self):
        mutant, killer = self.reap()
        mutant.outcome = {None: TIMEOUT, SURVIVED: SURVIVED}.get(killer, KILLED)
        if mutant.outcome == KILLED:
            killers = self.killers.setdefault((mutant.path, mutant.function), [])
            killers[:] = [killer, *(each for each in killers if each != killer)][:5]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("nouns", nargs="+", choices=NOUNS)
    parser.add_argument("--out", type=Path, required=True, help="JSON of all outcomes")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at a time")
    parser.add_argument("--seconds", type=int, default=60, help="CPU time that a mutant may take")
    parser.add_argument("--again", action="store_true", help="run again what survived")
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    out = options.out.resolve()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for noun in options.nouns:
        report = Report(out, noun, options.again)
        if any(each.outcome == PENDING for each in report.mutants):
            tests = [f"tests/test_{name}.py" for name in NOUNS[noun][1].split()]
            run = Run(report, options.jobs, options.seconds)
            pytest.main([*OPTIONS, *tests, READS_DEFAULTS], [run])
        report.print()


if __name__ == "__main__":
    main()
