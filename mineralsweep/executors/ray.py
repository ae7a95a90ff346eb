"""Trials on a cluster of Ray: an actor a slot, each on its node; what is tried again, we decide.

Of Ray this uses actors and its object store. Search, retries and records stay here: an actor that
dies stays dead, and a call that may have been lost is not made again.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mineralsweep.config.sections import ANY, Resources
from mineralsweep.core.trial import TrialSpec
from mineralsweep.errors import ConfigError, RunError
from mineralsweep.executors import freight
from mineralsweep.executors.executor import Event, Failed, Fault, Finished, Slots
from mineralsweep.executors.limits import Limits, Watch
from mineralsweep.executors.local import GROWTH_LIMIT, TRIALS_A_WORKER
from mineralsweep.executors.slot import Load, Slot, Word, differing, versions
from mineralsweep.machine import MEMORY_A_WORKER

LOOK_SECONDS = 2.0
"""From one look at the cluster's nodes to the next."""
START_SECONDS = 120.0
"""For the first slots to be ready."""
PATIENCE_SECONDS = 600.0
"""Without any node: then the sweep breaks off."""
TOKEN = Path.home() / ".ray" / "auth_token"
"""Where Ray keeps the token of a cluster's login."""
CALLS = 4
"""Of an actor at a time: the trial, and answers to it."""


@dataclass
class _Slot:
    """An actor, and the trial it has, if any."""

    actor: Any
    node: str
    hello: Any
    ready: bool = False
    spec: TrialSpec | None = None
    words: Any = None
    watch: Watch = field(default_factory=Watch)
    served: int = 0
    first_memory: int = 0

    def is_idle(self) -> bool:
        return self.ready and self.spec is None


class RayExecutor:
    """Slots on the nodes of a cluster; see `Executor` for the contract.

    A node gets as many slots as the resources of a trial fit into it. Nodes that join are used
    within seconds. A node with other versions of what trains is refused by name.

    Args:
        workers: slots at most; 0: as many as there is room for.
        folder: of logs; the nodes keep their own.
        trial_timeout: seconds after which a trial is ended as failed; None: never.
        silence_timeout: the same, since its last report; None: never.
        resources: of a trial.
        address: of the cluster, HOST:PORT; "": RAY_ADDRESS, or else Ray is started here.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers there.
    """

    def __init__(
        self,
        workers: int,
        folder: Path,
        trial_timeout: float | None = None,
        silence_timeout: float | None = None,
        resources: Resources = ANY,
        address: str = "",
    ) -> None:
        self._most = workers or None
        self._limits = Limits.of(trial_timeout, silence_timeout)
        self._resources = resources
        self._ray, self._owns = _joined(address)
        self._versions = versions()
        self._slots: list[_Slot] = []
        self._refused: dict[str, str] = {}
        self._nodes: dict[str, Mapping[str, Any]] = {}
        self._store: dict[str, list[Any]] = {}
        self._looked = -LOOK_SECONDS
        self._alone_since: float | None = None
        self._started = False
        self._closed = False
        self.fetched: dict[str, int] = {}
        """Bytes of files that came to each node, by its id."""
        self._look()

    def slots(self) -> Slots:
        self._settle()
        ready = sum(one.ready for one in self._slots)
        busy = sum(one.spec is not None for one in self._slots)
        starting = len(self._slots) - ready
        nodes = len({one.node for one in self._slots})
        parts = [_counted(nodes, "node"), _counted(ready, "slot"), f"{busy} busy"]
        parts += [f"{starting} starting"] if starting else []
        parts += [f"refused: {reason}" for reason in self._refused.values()]
        return Slots(ready, f"Ray: {', '.join(parts)}")

    def free(self) -> int:
        self._settle()
        return sum(one.is_idle() for one in self._slots)

    def submit(self, spec: TrialSpec) -> None:
        self._settle()
        one = next((one for one in self._slots if one.is_idle()), None)
        if one is None:
            raise RuntimeError(f"trial {spec.number}: every worker is busy")
        sent = {path: freight.described(path) for path in freight.needed(spec)}
        fetch = {file.digest: self._put(path, file.digest) for path, file in sent.items()}
        load = Load(spec, sent, freight.packed(spec.checkpoint), freight.packed(spec.initial))
        one.spec, one.watch = spec, Watch()
        one.words = one.actor.run.options(num_returns="streaming").remote(load, fetch)

    def wait(self, timeout: float) -> list[Event]:
        until = time.monotonic() + timeout
        self._look()
        by_stream = {one.words: one for one in self._slots if one.spec is not None}
        streams = [*by_stream, *(one.hello for one in self._slots if not one.ready)]
        if not streams:
            self._wait_for_nodes(until)
            return []
        pause = min(timeout, LOOK_SECONDS)
        ready, _ = self._ray.wait(streams, num_returns=1, timeout=pause)
        if ready:
            ready, _ = self._ray.wait(streams, num_returns=len(streams), timeout=0)
        self._greet()
        events: list[Event] = []
        for stream in ready:
            one = by_stream.get(stream)
            if one is not None:
                events += self._next(one)
        for one in list(self._slots):
            if one.spec and (reason := one.watch.too_late(self._limits)):
                events.append(self._lost(one, reason, "timeout"))
        return events

    def answer(self, number: int, stop_reason: str | None, fold: int | None = None) -> None:
        for one in self._slots:
            if one.spec is not None and one.spec.number == number:
                one.watch.hear()  # until now it waited for us
                one.actor.answer.remote(stop_reason)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for one in self._slots:
            self._ray.kill(one.actor)
        self._slots = []
        self._store = {}
        if self._owns:
            self._ray.shutdown()

    def _put(self, path: Path, digest: str) -> Callable[[], Iterator[bytes]]:
        """Put a file into the object store, once; return what brings it on a node."""
        if digest not in self._store:
            self._store[digest] = [self._ray.put(part) for part in freight.read(path)]
        return partial(_parts, self._store[digest])

    def _settle(self) -> None:
        """Wait once until the slots of the first nodes are ready, or some of them are late."""
        if self._started:
            return
        self._started = True
        until = time.monotonic() + START_SECONDS
        while any(not one.ready for one in self._slots) and time.monotonic() < until:
            waiting = [one.hello for one in self._slots if not one.ready]
            self._ray.wait(waiting, num_returns=1, timeout=1.0)
            self._greet()
        if not self._slots:
            refused = "; ".join(self._refused.values()) or "no node has room for a trial"
            raise ConfigError(
                f"executor: ray: {refused}; see resources: in the sweep file, and ray status"
            )

    def _look(self) -> None:
        """See which nodes there are; begin slots on new ones, and forget what idled on lost ones.

        A slot that has a trial is lost when its own call says so.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        self._nodes = {one["NodeID"]: one for one in self._ray.nodes()}
        alive = {node: about for node, about in self._nodes.items() if about["Alive"]}
        for one in list(self._slots):
            if one.node not in alive and one.spec is None:
                self._end(one)
        for node, about in alive.items():
            if node not in self._refused:
                there = sum(one.node == node for one in self._slots)
                for _ in range(self._room(about["Resources"]) - there):
                    if self._most is None or len(self._slots) < self._most:
                        self._slots.append(self._begin(node, about["Resources"]))

    def _room(self, has: Mapping[str, float]) -> int:
        """Return how many slots a node has room for."""
        demand = self._demand(has)
        if not has.get("CPU"):
            return 0  # a head that only leads
        return int(min(has.get(name, 0.0) / much for name, much in demand.items()))

    def _demand(self, has: Mapping[str, float]) -> dict[str, float]:
        """Return what a slot takes of a node, by Ray's names."""
        asked = self._resources
        gpus = asked.gpus if asked.gpus is not None else float(has.get("GPU", 0) >= 1)
        memory = asked.memory or min(MEMORY_A_WORKER, has.get("memory", 0.0))
        demand = {"CPU": float(asked.cpus or 1), "GPU": gpus, "memory": float(memory)}
        return {name: much for name, much in demand.items() if much}

    def _begin(self, node: str, has: Mapping[str, float]) -> _Slot:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        demand = self._demand(has)
        gpus = demand.get("GPU", 0.0)
        actor = (
            self._ray.remote(Slot)
            .options(
                num_cpus=demand["CPU"],
                num_gpus=gpus,
                memory=int(demand.get("memory", 0)) or None,
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=CALLS,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            )
            .remote(int(demand["CPU"]), gpus > 0)
        )
        return _Slot(actor, node, actor.hello.remote())

    def _greet(self) -> None:
        """Take up the slots that have begun; refuse those that would train otherwise."""
        waiting = {one.hello: one for one in self._slots if not one.ready}
        ready, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        for hello in ready:
            one = waiting[hello]
            try:
                told = self._ray.get(hello)
            except self._ray.exceptions.RayError:
                self._end(one)  # its node is looked at again
                continue
            other = differing(self._versions, told["versions"])
            if other:
                self._refused[one.node] = f"node {self._name(one.node)} has {', '.join(other)}"
                self._end(one)
            else:
                one.ready = True

    def _wait_for_nodes(self, until: float) -> None:
        """Wait where there is no slot at all.

        Raises:
            RunError: that has lasted too long.
        """
        if any(one.ready for one in self._slots):
            self._alone_since = None
            return
        now = time.monotonic()
        self._alone_since = self._alone_since or now
        if now - self._alone_since > PATIENCE_SECONDS:
            raise RunError(f"executor: ray: no node for {PATIENCE_SECONDS:g} s; see ray status")
        time.sleep(max(0.0, min(LOOK_SECONDS, until - now)))

    def _next(self, one: _Slot) -> list[Event]:
        """Take what a slot says next."""
        try:
            word: Word = self._ray.get(next(one.words))
        except self._ray.exceptions.RayError as error:
            return [self._of_error(one, error)]
        except StopIteration:
            return [self._lost(one, "the worker process ended without a result", "crash")]
        one.watch.hear()
        assert one.spec is not None
        spec, event = one.spec, word.event
        self.fetched[one.node] = self.fetched.get(one.node, 0) + word.fetched
        if spec.checkpoint is not None:
            freight.unpacked(word.checkpoint, spec.checkpoint)
        if isinstance(event, Finished):
            freight.unpacked(word.trained, freight.cleared(spec.folder))
            event = replace(event, result=replace(event.result, folder=spec.folder))
        if isinstance(event, Finished | Failed):
            one.spec = one.words = None
            one.served += 1
            one.first_memory = one.first_memory or word.memory
            if one.served >= TRIALS_A_WORKER or word.memory - one.first_memory > GROWTH_LIMIT:
                self._end(one)
                self._looked = -LOOK_SECONDS
        return [event]

    def _of_error(self, one: _Slot, error: Exception) -> Failed:
        where, text = f"node {self._name(one.node)}", str(error)
        if isinstance(error, self._ray.exceptions.OutOfMemoryError) or "OOM" in text:
            return self._lost(one, f"{where} was out of memory", "memory", text)
        if isinstance(error, self._ray.exceptions.ActorUnavailableError):
            return self._lost(one, f"{where} does not answer", "crash", text)
        return self._lost(one, f"the worker process on {where} died", "crash", text)

    def _name(self, node: str) -> str:
        """Return the address of a node."""
        return str(self._nodes.get(node, {}).get("NodeManagerAddress", node[:8]))

    def _lost(self, one: _Slot, reason: str, fault: Fault, log: str = "") -> Failed:
        """Give a trial up. Its actor is ended first: it must not go on while another tries."""
        assert one.spec is not None
        number = one.spec.number
        self._end(one)
        self._looked = -LOOK_SECONDS
        return Failed(number, reason, log, fault)

    def _end(self, one: _Slot) -> None:
        self._ray.kill(one.actor)
        self._slots.remove(one)


def _joined(address: str) -> tuple[Any, bool]:
    """Return Ray, connected to a cluster, and whether we connected it.

    Raises:
        ConfigError: it is not installed, or no cluster answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a slot hides GPUs itself
    has_token = "RAY_AUTH_TOKEN" in os.environ or TOKEN.is_file()
    if has_token and "ray" not in sys.modules:  # it reads this once, when it is imported
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # else a cluster with a login refuses us
    try:
        import ray
    except ModuleNotFoundError:
        raise ConfigError(
            "executor: ray is not installed: pip install 'mineralsweep[ray]'"
        ) from None
    if ray.is_initialized():
        return ray, False
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    dashboard = False if where == "local" else None  # of a cluster it is not ours to say
    try:
        ray.init(
            where, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=dashboard
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ConfigError(
            f"address: no Ray cluster answers at {where}: {_first(error)}; begin one: ray start"
            " --head"
        ) from None
    return ray, True


def _parts(stored: Sequence[Any]) -> Iterator[bytes]:
    """Give the parts of a file, on the node that asks."""
    import ray

    for one in stored:
        yield ray.get(one)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _first(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
