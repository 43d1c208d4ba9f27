"""Real tickets through the real commands: add, sync, search --batch; writes one run file for all companies.

    python bench/tickets_dup.py FOLDER OUT.jsonl

FOLDER holds ``corpus.jsonl.gz`` (doc_id, tenant, title, text) and ``queries.jsonl`` (query_id, tenant, title, text); each
tenant becomes a company, each row a closed ticket. Prints wall time and peak memory of every command. Scoring is
left to whatever reads the run file. Belongs here: this one measurement. Does not belong here: the data, or a score.
"""

import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

HITS = 100


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
    print(f"{time.perf_counter() - started:8.1f} s {_megabytes(usage):6.0f} MB  casebook {' '.join(arguments[:2])}")
    return out


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of a JSON-lines file by their tenant."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for line in file:
            row = json.loads(line)
            found[row["tenant"]].append(row)
    return found


def main(folder: Path, target: Path) -> None:
    corpus, queries = rows(folder / "corpus.jsonl.gz"), rows(folder / "queries.jsonl")
    with tempfile.TemporaryDirectory() as name, target.open("w") as answers:
        home = Path(name)
        for tenant, documents in corpus.items():
            export, asked, found = (home / f"{tenant}.{part}.jsonl" for part in ("export", "asked", "found"))
            with export.open("w") as file:
                for row in documents:
                    ticket = {"ticket_id": row["doc_id"], "subject": row["title"], "description": row["text"]}
                    file.write(json.dumps({**ticket, "status": "closed"}) + "\n")
            with asked.open("w") as file:
                for row in queries[tenant]:
                    question = {"query_id": row["query_id"], "text": f"{row['title']}\n{row['text']}"}
                    file.write(json.dumps(question) + "\n")
            print(f"{tenant}: {len(documents)} tickets, {len(queries[tenant])} queries")
            run(home, "company", "add", tenant, "--platform", "export", "--path", str(export))
            outcome = json.loads(run(home, "sync", tenant, "--json"))
            for asset, counts in outcome["assets"].items():
                print(f"           {asset:20} {counts['changed']:6} changed {counts['seconds']:8.2f} s")
            run(home, "search", tenant, "--batch", str(asked), "--out", str(found), "-k", str(HITS))
            answers.write(found.read_text())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
