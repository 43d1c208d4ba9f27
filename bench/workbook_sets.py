"""How well FAQs and regulations of a workbook are found, through the real commands: a folder of CSV files, ``workbook use``,
``sync``, ``search --in faq|regulation --batch``; nDCG@10 beside that of the same sets as tickets (``search_sets``).

    python bench/workbook_sets.py DATA [--set NAME ...] [--home FOLDER] [--hits 100]

``DATA`` is what ``search_sets`` reads. FAQ sets become the tab FAQ: question, answer, category as sub-category (the main
category where it is one). Regulations become three tabs: one row one article, its title, its text.

Belongs here: this measurement. Does not belong here: the data, or judging (``search_sets``).
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.search_sets import command, judgements, ndcg, question, rows, run, tell, write
from domain.workbook_layout import CATEGORIES, FAQ, LAYOUT, REGULATIONS

Record = dict[str, Any]
Tabs = Mapping[str, list[Record]]


def faq_tabs(corpus: Sequence[Record]) -> Tabs:
    """The tab FAQ. A set without answers has its question for one: a row needs an answer."""
    made = [
        {
            "faqId": row["doc_id"],
            "category": CATEGORIES[0],
            "subCategory": row.get("category", ""),
            "question": row["question"],
            "answer": row.get("answer") or row["question"],
            "isActive": "TRUE",
        }
        for row in corpus
    ]
    return {FAQ: made}


def regulation_tabs(corpus: Sequence[Record]) -> Tabs:
    """The three tabs of regulations: each category of the set into one of them."""
    categories = {name: at for at, name in enumerate(sorted({row["category"] for row in corpus}))}
    tabs: dict[str, list[Record]] = {tab: [] for tab in REGULATIONS.values()}
    for row in corpus:
        tab = REGULATIONS[CATEGORIES[categories[row["category"]] % len(CATEGORIES)]]
        tabs[tab].append(
            {"regulationId": row["doc_id"], "title": row["title"], "content": row["text"], "tags": row["category"]}
        )
    return tabs


WORKBOOKS: Mapping[str, tuple[str, Callable[[Sequence[Record]], Tabs]]] = {
    "stackfaq_en": ("faq", faq_tabs),
    "welfare_faq_ko": ("faq", faq_tabs),
    "parakqc_ko": ("faq", faq_tabs),
    "easylaw_reg_ko": ("regulation", regulation_tabs),
}


def write_workbook(folder: Path, tabs: Tabs) -> None:
    """A workbook as a folder of CSV files, with the columns of the layout."""
    folder.mkdir(parents=True)
    for tab, records in tabs.items():
        with (folder / f"{tab}.csv").open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, LAYOUT[tab].header, restval="")
            writer.writeheader()
            writer.writerows(records)


def add(home: Path, company: str, name: str, tabs: Tabs) -> None:
    """A company with this workbook and one ticket: a company has a source of tickets."""
    export, folder = home / f"{company}.export.jsonl", home / f"{company}-workbook"
    write(export, [{"ticket_id": "1", "subject": name, "description": name, "status": "open"}])
    write_workbook(folder, tabs)
    run(home, "company", "add", company, "--platform", "export", "--path", str(export))
    run(home, "workbook", "use", company, str(folder))


def measure(data: Path, home: Path, hits: int) -> float:
    """Mean nDCG@10 over all judged questions of a set."""
    kind, tabs_of = WORKBOOKS[data.name]
    judged = judgements(data / "qrels.tsv")
    company = f"book-{data.name.replace('_', '-')}"
    asked, found = (home / f"{company}.{part}.jsonl" for part in ("asked", "found"))
    if not (home / f"{company}-workbook").exists():
        add(home, company, data.name, tabs_of(rows(data / "corpus.jsonl.gz")))
    tell(json.loads(run(home, "sync", company, "--json"))["assets"])
    write(asked, (question(row) for row in rows(data / "queries.jsonl")))
    run(home, "search", company, "--in", kind, "--batch", str(asked), "--out", str(found), "-k", str(hits))
    gains = {answer["query_id"]: ndcg(answer, judged.get(answer["query_id"], {})) for answer in rows(found)}
    return sum(gains.get(query, 0.0) for query in judged) / len(judged)


if __name__ == "__main__":
    command(__doc__, WORKBOOKS, measure)
