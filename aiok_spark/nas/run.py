"""A search while it runs: thinks of candidates, has Spark's tasks look at them, keeps a journal."""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import SparkSession

from aiok_spark.core import compat, execution, jobs, progress
from aiok_spark.core.errors import ParamError, TrainingError, cause
from aiok_spark.core.journal import JsonLines
from aiok_spark.nas.candidate import Candidate
from aiok_spark.nas.engines import ENGINES, Engine
from aiok_spark.nas.space import Genes, key_of
from aiok_spark.nas.summary import SearchSummary, ranked
from aiok_spark.training.features import FeatureSpec
from aiok_spark.training.references import reference, resolve
from aiok_spark.training.task import TrainTask

if TYPE_CHECKING:
    from aiok_spark.nas.search import DENASSearch

_FIRST, _SHARE = 64, 4  # candidates by chance before evolution: so many, or this part of all
_TRIES = 2000  # for candidates that are new
_HOPELESS = 32  # candidates that fail before any is scored
_MORE = 8  # times as many are thought of, where most are illegal
_DRAWS = 640  # candidates that are all illegal
_GIVEN = 256  # candidates of a job, where they are all known
_GRACE = 60.0  # seconds beyond the candidates' own, before a job is given up
_ANSWER = pa.schema([("number", pa.int64()), ("facts", pa.string())])


class Run:
    """A search while it runs."""

    def __init__(self, search: DENASSearch, spark: SparkSession, task: TrainTask) -> None:
        self._search, self._spark, self._space = search, spark, search.searchSpace
        if search.engine not in ENGINES:
            raise ParamError(f"{search.label}: engine: found '{search.engine}', expected one of {list(ENGINES)}")
        named, self._limits = search.named_scores(), search.checked_limits()
        if not isinstance(task.features, FeatureSpec):
            raise ParamError(
                f"{search.label}: features: found {type(task.features).__name__}, expected a FeatureSpec of the "
                "columns; DENASEstimator makes it of a DataFrame"
            )
        if reason := self._space.refuse(task.features):
            raise ParamError(f"{search.label}: searchSpace: {self._space.name}: {reason}")
        empty = [name for name, values in self._space.genes(task.features).items() if not values]
        if empty:
            raise ParamError(f"{search.label}: searchSpace: {self._space.name}: found no value for gene '{empty[0]}'")
        _, live = reference(self._space.network)
        self._where: dict[str, str] = {}
        for name, score in named.items():
            if score is not None:
                self._where[name], more = reference(score)
                live |= more
        for where in (task.network, *self._where.values()):
            _require(search.label, where, live)
        self._task, self._names = replace(task, live=live), tuple(named)
        first = max(1, min(_FIRST, search.numCandidates // _SHARE))
        self._engine: Engine = ENGINES[search.engine](self._space, task.features, self._names, first)
        self._pool: list[Candidate] = []
        self._known: set[str] = set()

    def run(self) -> SearchSummary:
        """Generation after generation, until there are enough."""
        search, begun = self._search, time.monotonic()
        end = begun + (search.maxSeconds or float("inf"))
        journal = JsonLines(search.journalPath, self._about() if search.journalPath else {})
        try:
            for told in journal.told:
                self._add([Candidate(**candidate) for candidate in told["generation"]])
            if journal.told:
                self._say(f"{len(self._scored())} scored candidates are in the journal")
            while len(self._scored()) < search.numCandidates and time.monotonic() < end:
                made = self._generation()
                if not made:
                    self._say(f"no other candidate was found in {_TRIES} tries")
                    break
                found = self._looked_at(made)
                # One line for all, so that a search that goes on has whole generations, and thinks as it would have.
                journal.write({"generation": [asdict(candidate) for candidate in found]})
                self._add(found)
                self._require_some()
                self._tell(begun)
        finally:
            journal.close()
        self._require_some(ended=True)
        return self._summary()

    def rank(self, genes: Sequence[Genes]) -> SearchSummary:
        """What is given, in the order that it is given in."""
        made = [
            Candidate(number, one, self._space.arguments(one, self._task.features), "given")
            for number, one in enumerate(genes, 1)
        ]
        for start in range(0, len(made), _GIVEN):
            self._add(self._looked_at(made[start : start + _GIVEN]))
        return self._summary()

    def _about(self) -> dict[str, Any]:
        """What makes a journal this search's."""
        search, task = self._search, self._task.to_json()
        kept = ("engine", "latency", "latencyRows", "generationSize", "seed")
        return {
            "space": self._space.to_json(),
            **{name: task[name] for name in ("features", "kind", "numClasses")},
            "scores": list(self._names),
            "limits": self._limits.to_json(),
            "rows": self._rows(),
            **{name: getattr(search, name) for name in kept},
        }

    def _threads(self) -> int:
        """Of a task."""
        return int(self._spark.conf.get("spark.task.cpus", "1") or 1)

    def _rows(self) -> int:
        return self._search.scoreRows or self._space.rows

    def _scored(self) -> list[Candidate]:
        return [candidate for candidate in self._pool if candidate.scored]

    def _add(self, candidates: Sequence[Candidate]) -> None:
        self._pool += candidates
        self._known |= {candidate.key for candidate in candidates}

    # Thinking of candidates

    def _generation(self) -> list[Candidate]:
        """New candidates, by the same chance however many slots there are."""
        search, scored = self._search, self._scored()
        wanted = min(search.generationSize, search.numCandidates - len(scored))
        if self._pool:  # enough that so many should be legal
            wanted = math.ceil(wanted * min(_MORE, len(self._pool) / max(1, len(scored))))
            if not scored:  # the limits are tight: as many again, so that few jobs tell
                wanted = max(wanted, len(self._pool))
        propose, first = self._engine.ready(scored), len(self._pool)
        made: list[Candidate] = []
        seen: set[str] = set()
        for attempt in range(_TRIES):
            if len(made) == wanted:
                break
            genes, origin = propose(random.Random(f"{search.seed} {first} {attempt}"))
            arguments = self._space.arguments(genes, self._task.features)
            key = key_of(arguments)
            if key not in self._known and key not in seen:
                seen.add(key)
                made.append(Candidate(first + len(made) + 1, genes, arguments, origin))
        return made

    # Looking at them

    def _looked_at(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """With what was found out; one that ends its process is tried alone, and noted."""
        try:
            facts = self._asked(candidates)
        except Exception as e:
            if len(candidates) > 1:
                return [found for candidate in candidates for found in self._looked_at([candidate])]
            facts = {candidates[0].number: {"state": "failed", "reason": cause(e)}}
        return [replace(candidate, **facts[candidate.number]) for candidate in candidates]

    def _asked(self, candidates: Sequence[Candidate]) -> dict[int, dict[str, Any]]:
        from aiok_spark.nas.worker.answer import Question

        search, spark = self._search, self._spark
        question = Question(
            self._task,
            self._where,
            self._limits,
            search.latency,
            self._rows(),
            search.latencyRows,
            search.candidateSeconds,
            search.candidateMemory,
            self._threads(),
            search.seed,
        )
        rows = pa.table(
            {
                "number": [candidate.number for candidate in candidates],
                "arguments": [json.dumps(candidate.arguments) for candidate in candidates],
            }
        )
        parts = min(len(candidates), 4 * max(1, compat.slots(spark)))
        asked = compat.from_arrow(spark, rows).repartition(parts, "number")
        end = time.monotonic() + _GRACE + search.candidateSeconds * len(candidates)

        def watch() -> None:
            if time.monotonic() > end:
                raise TrainingError(f"took more than {search.candidateSeconds:g} s (candidateSeconds), and did not end")

        answers = execution.map_batches(asked, question, _ANSWER)
        found = jobs.run_watched(spark, answers.collect, watch)
        return {number: json.loads(facts) for number, facts in found}

    def _require_some(self, ended: bool = False) -> None:
        """Raise the first failure, or the first limit that was broken, if it is no use to go on."""
        scored = self._scored()
        if len(scored) >= min(_HOPELESS, self._search.numCandidates) or (scored and ended):
            self._require_numbers(scored)
        if scored:
            return
        if not self._pool:
            raise ParamError(
                f"{self._search.label}: searchSpace: found no candidate in '{self._space.name}', expected some"
            )
        failed = [candidate for candidate in self._pool if candidate.state == "failed"]
        if (
            len(failed) >= _HOPELESS
            or (failed and ended)
            or len(failed) == len(self._pool) >= self._search.numCandidates
        ):
            raise TrainingError(
                f"{self._search.label}: found no candidate that could be scored among {len(self._pool)}, expected "
                f"some; the first ({failed[0].arguments}) failed by: {failed[0].reason}"
            )
        if ended or len(self._pool) >= _DRAWS:
            broken = Counter(candidate.reason.partition(":")[0] for candidate in self._pool)
            raise ParamError(
                f"{self._search.label}: limits: found no legal candidate among {len(self._pool)} of the space "
                f"'{self._space.name}' (broken: {dict(broken)}; the first: {self._pool[0].reason}), expected some; "
                "widen the limits or the space"
            )

    def _require_numbers(self, scored: Sequence[Candidate]) -> None:
        """A score that is never a number ranks nothing."""
        for name in self._names:
            if all(candidate.scores.get(name) is None for candidate in scored):
                raise TrainingError(
                    f"{self._search.label}: scores: found no finite number of '{name}' for any of {len(scored)} "
                    "candidates, expected some; leave it out, or mend it"
                )

    # Telling

    def _summary(self) -> SearchSummary:
        facts = {
            "space": self._space.to_json(),
            "task": self._task.to_json(),
            "engine": self._search.engine,
            "names": list(self._names),
            "latency": {"how": self._search.latency, "rows": self._search.latencyRows, "threads": self._threads()},
            "candidates": [asdict(candidate) for candidate in self._pool],
        }
        return SearchSummary(facts)

    def _tell(self, begun: float) -> None:
        scored = self._scored()
        best = next(iter(ranked(scored, self._names, self._search.engine)), None)
        self._say(
            f"{len(scored)} of {self._search.numCandidates} candidates after {time.monotonic() - begun:.0f} s"
            + (f"; best so far {best.number}: {best.params:,} parameters, {best.arguments}" if best else "")
        )

    def _say(self, text: str) -> None:
        if self._search.verbose:
            progress.say(f"{self._search.label}: {text}")


def _require(label: str, where: str, live: Mapping[str, Any]) -> None:
    """Code that is named must be there, before a job looks for it."""
    try:
        resolve(where, live)
    except ImportError as e:
        raise ParamError(f"{label}: searchSpace or scores: {e}") from e
