"""Which tier answers, measured: questions that an FAQ answers against questions that none does.

    python bench/tiers.py DATA [--questions 300] [--set NAME ...] [--model e5-multi]

``DATA`` has ``retrieval/SET`` (corpus, queries, qrels) and ``intents/clinc150_oos_val.jsonl.gz``. Each set becomes a
company's FAQ, by the real stages; it is asked its own questions, those of the other Korean set, and those out of scope of
CLINC150. Prints, by threshold, the share of its own questions that are answered and right, answered and wrong, and of the
others' answered at all; and that threshold at which 95 % of its own are answered.

Belongs here: this measurement, from which ``query/ask.TIER1_SCORE`` comes. Does not belong here: the data.
"""

import argparse
import gzip
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from domain import faq_stages, keyword_index
from domain.company import Company, company_id
from domain.faq import Faq
from domain.replace import Content, replace
from query.faq import FaqLookup
from resources.companies import Companies
from resources.company_run import company_run
from resources.erase import publish
from resources.settings import Settings
from resources.vector_index.base import open_index

SETS = {"welfare_faq_ko": "e5-multi", "parakqc_ko": "e5-multi", "stackfaq_en": "minilm-en"}
OTHERS = {"welfare_faq_ko": "parakqc_ko", "parakqc_ko": "welfare_faq_ko", "stackfaq_en": "clinc"}
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
RECALL = 0.95

Scored = tuple[float, str]
"""The best FAQ's score, and its id."""


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def faqs(folder: Path) -> list[Faq]:
    return [
        Faq(
            row["doc_id"],
            row.get("category", row.get("topic", "")),
            "",
            (),
            row["question"],
            row.get("answer", row["question"]),
            "",
            True,
            "",
        )
        for row in rows(folder / "corpus.jsonl.gz")
    ]


def relevant(folder: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for line in (folder / "qrels.tsv").read_text().splitlines()[1:]:
        query, doc, _ = line.split("\t")
        found[query].add(doc)
    return found


def fill(settings: Settings, company: str, given: Sequence[Faq]) -> None:
    """The company's FAQs, their keyword index, vectors and collection."""
    with company_run(settings, company, "bench", "bench/tiers") as run:
        tables = {
            "faq": {one.faq_id: asdict(one) for one in given},
            "faq_keyword_index": {
                name: asdict(row) for name, row in keyword_index.build(given, {}, today="2026-01-01").items()
            },
        }
        for table, held in tables.items():
            replace(run.store, table, Content(held), made_by="bench", run_id=run.run_id, now=run.now)
        model = run.embedder
        stage = faq_stages.faq_collection(run.company, model.model_id)
        run.derive(faq_stages.faq_embeddings(model.model_id, model.summary_chars, model.make))
        run.derive(stage)
        index = open_index(run.settings, run.company)
        publish(index, run.store, index.writer("faq", stage.made_by, model.size), "faq")


def scores(lookup: FaqLookup, questions: Sequence[str]) -> list[Scored]:
    found = [lookup.find(text) for text in questions]
    return [(hits[0].score, hits[0].faq.faq_id) if hits else (0.0, "") for hits in found]


def share(part: int, whole: int) -> float:
    return part / max(whole, 1)


def report(name: str, own: Sequence[tuple[Scored, set[str]]], others: dict[str, list[Scored]]) -> None:
    def line(least: float) -> str:
        answered = [(one, good) for one, good in own if one[0] >= least]
        right = share(sum(one[1] in good for one, good in answered), len(own))
        wrong = share(sum(one[1] not in good for one, good in answered), len(own))
        false = "  ".join(
            f"{other} {share(sum(one[0] >= least for one in found), len(found)):.3f}" for other, found in others.items()
        )
        return f"{least:9.3f}  right {right:.3f}  wrong {wrong:.3f}  answered of none: {false}"

    print(f"\n{name}: {len(own)} questions of its own")
    for least in THRESHOLDS:
        print(line(least))
    ordered = sorted((one[0] for one, _ in own), reverse=True)
    print(
        f"{line(ordered[max(0, round(RECALL * len(ordered)) - 1)])}   <- {RECALL:.0%} of its own are answered",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--set", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument("--model", default="")
    given = parser.parse_args()
    retrieval, chance = given.data / "retrieval", Random(7)
    asked = {name: rows(retrieval / name / "queries.jsonl") for name in SETS}
    sample = {name: chance.sample(all_, min(given.questions, len(all_))) for name, all_ in asked.items()}
    texts = {name: [row["text"] for row in some] for name, some in sample.items()}
    outside = [row["text"] for row in rows(given.data / "intents" / "clinc150_oos_val.jsonl.gz")]
    texts["clinc"] = chance.sample(outside, min(given.questions, len(outside)))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        companies = Companies(settings)
        for name in given.set:
            started = time.perf_counter()
            known = company_id(name.replace("_", "-"))
            companies.add(Company(known, "export", folder, {"embedding_model": given.model or SETS[name]}), "")
            fill(settings, known, faqs(retrieval / name))
            lookup, good = FaqLookup(companies, companies.get(known)), relevant(retrieval / name)
            print(f"{name}: filled in {time.perf_counter() - started:.0f} s, path {lookup.look('연차 help').path}")
            own = list(zip(scores(lookup, texts[name]), (good[row["query_id"]] for row in sample[name]), strict=True))
            others = {other: scores(lookup, texts[other]) for other in dict.fromkeys((OTHERS[name], "clinc"))}
            report(name, own, others)


if __name__ == "__main__":
    main()
