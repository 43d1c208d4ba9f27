"""How well the search finds, through the real commands: export, ``company add``, ``sync``, ``search --batch``; nDCG@10.

    python bench/search_sets.py DATA [--set NAME ...] [--home FOLDER] [--hits 100]

``DATA`` holds a folder a set: ``corpus.jsonl.gz``, ``queries.jsonl``, ``qrels.tsv``. Each set is one company (one for each
``tenant``, where rows have one) of closed tickets: title or question as subject, text or answer as description, category or
domain as product. With ``--home``, companies stay there, and one that is there is only searched.

Belongs here: this measurement. Does not belong here: the data, or anything that knows one set from another.
"""

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from domain.metrics import figures

Record = dict[str, Any]
SETS = {
    "tickets_dup_en": 0.67,
    "stackfaq_en": 0.95,
    "welfare_faq_ko": 0.67,
    "parakqc_ko": 0.95,
    "easylaw_reg_ko": 0.60,
    "autorag_ko": 0.91,
}
"""The sets, and what nDCG@10 should exceed."""


def run(home: Path, *arguments: str) -> str:
    """One ``casebook`` command in its own home, with its time and peak memory."""
    started = time.perf_counter()
    command = [str(Path(sys.executable).with_name("casebook")), *arguments]
    environment = {**os.environ, "CASEBOOK_HOME": str(home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"casebook {' '.join(arguments)}: exit {process.returncode}")
    seconds = time.perf_counter() - started
    print(f"{seconds:8.1f} s {_megabytes(usage):6.0f} MB  casebook {' '.join(arguments[:2])}", flush=True)
    return out


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)


def rows(path: Path) -> list[Record]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def ticket(row: Record) -> Record:
    """A row as a line of an export."""
    return {
        "ticket_id": row["doc_id"],
        "subject": row.get("title", row.get("question", "")),
        "description": row.get("text", row.get("answer", "")),
        "product": row.get("category", row.get("domain", "")),
        "status": "closed",
    }


def question(row: Record) -> Record:
    text = f"{row['title']}\n{row['text']}" if "title" in row else row["text"]
    return {"query_id": row["query_id"], "text": text}


def measure(folder: Path, home: Path, hits: int) -> float:
    """Mean nDCG@10 over all judged questions of a set; a question without an answer counts 0."""
    judged = judgements(folder / "qrels.tsv")
    documents, questions = defaultdict[str, list[Record]](list), defaultdict[str, list[Record]](list)
    for row in rows(folder / "corpus.jsonl.gz"):
        documents[row.get("tenant", "")].append(ticket(row))
    for row in rows(folder / "queries.jsonl"):
        questions[row.get("tenant", "")].append(question(row))
    gains: dict[str, float] = {}
    for tenant, tickets in documents.items():
        company = "-".join(filter(None, (folder.name.replace("_", "-"), tenant)))
        export, asked, found = (home / f"{company}.{part}.jsonl" for part in ("export", "asked", "found"))
        if not export.exists():
            write(export, tickets)
            run(home, "company", "add", company, "--platform", "export", "--path", str(export))
        outcome = json.loads(run(home, "sync", company, "--json"))
        tell(outcome["assets"])
        write(asked, questions[tenant])
        run(home, "search", company, "--batch", str(asked), "--out", str(found), "-k", str(hits))
        for answer in rows(found):
            gains[answer["query_id"]] = ndcg(answer, judged.get(answer["query_id"], {}))
    return sum(gains.get(query, 0.0) for query in judged) / len(judged)


def write(path: Path, records: Iterable[Record]) -> None:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def judgements(path: Path) -> dict[str, dict[str, float]]:
    judged = defaultdict[str, dict[str, float]](dict)
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, relevance = line.split("\t")
        judged[query][document] = float(relevance)
    return dict(judged)


def ndcg(answer: Record, gold: Mapping[str, float]) -> float:
    """nDCG@10. A ticket that is its own question (duplicates among tickets) is left out of its answer."""
    if not any(grade > 0 for grade in gold.values()):
        return 0.0
    return figures([document for document in answer["ranked"] if document != answer["query_id"]], gold).ndcg


def tell(assets: Mapping[str, Record]) -> None:
    """What a sync changed, and how long it took."""
    for asset, counts in assets.items():
        if counts["changed"]:
            print(f"           {asset:22} {counts['changed']:6} changed {counts['seconds']:8.2f} s", flush=True)


def command(description: str | None, names: Iterable[str], measure: Callable[[Path, Path, int], float]) -> None:
    """The command of a measurement of these sets: ``measure`` takes a set's folder, a home, and how many hits to ask for."""
    names = list(names)
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", nargs="+", choices=names, default=names)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--hits", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home: Path = options.home or Path(name)
        home.mkdir(parents=True, exist_ok=True)
        figures = {one: measure(options.data / one, home, options.hits) for one in options.set}
    for one, figure in figures.items():
        print(f"{one:15s} nDCG@10 {figure:.4f}  aim > {SETS[one]:.2f}  {'met' if figure > SETS[one] else 'NOT met'}")


if __name__ == "__main__":
    command(__doc__, SETS, measure)
