"""How well the search finds: nDCG@10 of words, meaning and both, on public sets with judgements.

    python -m bench.retrieval DATA [--set NAME ...] [--model NAME] [--dense 0.5 ...] [--cache FOLDER]

``DATA`` holds a folder a set: ``corpus.jsonl.gz``, ``queries.jsonl``, ``qrels.tsv``. The texts run through the product's
own terms, points, embedder and fusion; only the two searches themselves are done here, exactly, in numpy. Several
``--dense`` sweep the weight of the fusion. ``--cache`` keeps vectors between runs.

Belongs here: the sets' texts as the product would lay them out, and the measure.
Does not belong here: anything that the product does (``domain``, ``resources/embedder``).
"""

import argparse
import gzip
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import DocumentError
from domain.extractive import summarise
from domain.fingerprint import fingerprint
from domain.points import CASE_LENGTH, FAQ_LENGTH, PASSAGE_LENGTH, sparse, sparse_query
from domain.ranking import Weights, fuse, weights_for
from domain.summary import embedding_text
from domain.tokens import terms
from domain.tokens import words as count_words
from resources.embedder import Kind, open_embedder

Record = dict[str, Any]
CANDIDATES = 200
"""Hits of each half that are joined, as in ``query/search``."""


@dataclass(frozen=True)
class Layout:
    """How a set's rows become texts, and the best of others' figures on its dev half (shared/data/README.md)."""

    words: Callable[[Record], str]
    meaning: Callable[[Record], str]
    length: float
    model: str
    weights: Weights | None
    best_bm25: float
    best_other: float
    aim: float


def _ticket(row: Record) -> str:
    return f"{row['title']}\n{row['text']}"


def _question(row: Record) -> str:
    return f"{row.get('category', '')} {row['question']}".strip()


def _faq(row: Record) -> str:
    return f"{_question(row)}\n{row.get('answer', '')}"


def _passage(row: Record) -> str:
    return f"{row['category']} {row['title']}\n{row['text']}" if "title" in row else row["text"]


def _summary(row: Record) -> str:
    message = {"id": "", "author": "customer", "private": False, "created_at": "", "text": row["text"]}
    try:
        summary = summarise({"subject": row["title"], "language": "en", "messages": [message]})
    except DocumentError:
        return row["title"]
    return embedding_text(summary, row["title"])


WEAK = Weights(dense=0.1)
"""For a model that reads long text badly."""
SETS = {
    "tickets_dup_en": Layout(_ticket, _summary, CASE_LENGTH, "minilm-en", None, 0.5458, 0.6542, 0.67),
    "stackfaq_en": Layout(_faq, _question, FAQ_LENGTH, "minilm-en", None, 0.8390, 0.9460, 0.95),
    "parakqc_ko": Layout(_faq, _question, FAQ_LENGTH, "e5-multi", None, 0.8963, 0.9471, 0.95),
    "welfare_faq_ko": Layout(_faq, _question, FAQ_LENGTH, "e5-multi", None, 0.6513, 0.6513, 0.67),
    "easylaw_reg_ko": Layout(_passage, _passage, PASSAGE_LENGTH, "use-multi", WEAK, 0.5593, 0.5593, 0.60),
    "autorag_ko": Layout(_passage, _passage, PASSAGE_LENGTH, "use-multi", WEAK, 0.9067, 0.9140, 0.91),
}


class Words:
    """An exact BM25 search: the documents' sparse vectors, and Qdrant's IDF."""

    def __init__(self, vectors: Sequence[tuple[list[int], list[float]]]) -> None:
        self.count = len(vectors)
        postings: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for row, (indices, values) in enumerate(vectors):
            for index, value in zip(indices, values, strict=True):
                postings[index].append((row, value))
        self.postings = {index: np.array(found).T for index, found in postings.items()}

    def scores(self, query: tuple[list[int], list[float]]) -> NDArray[np.float64]:
        scores = np.zeros(self.count)
        for index, weight in zip(*query, strict=True):
            if index in self.postings:
                rows, values = self.postings[index]
                idf = math.log(1 + (self.count - len(rows) + 0.5) / (len(rows) + 0.5))
                scores[rows.astype(int)] += weight * idf * values
        return scores


def measure(
    folder: Path, layout: Layout, model: str, tried: Sequence[Weights | None], cache: Path | None
) -> dict[str, float]:
    """nDCG@10 by the name of the ranking: words, meaning, and each weight of the fusion."""
    corpus, queries, judged = _load(folder)
    asked = [_ticket(query) if "title" in query else query["text"] for query in queries]
    passages = _vectors(model, [layout.meaning(row) for row in corpus], "passage", cache)
    questions = _vectors(model, asked, "query", cache)
    groups: dict[Any, list[int]] = defaultdict(list)
    for at, row in enumerate(corpus):
        groups[row.get("tenant")].append(at)
    found: dict[str, list[float]] = defaultdict(list)
    for group, rows in groups.items():
        ids = [corpus[at]["doc_id"] for at in rows]
        index = Words([sparse(terms(layout.words(corpus[at])), layout.length) for at in rows])
        for at, query in enumerate(queries):
            if query.get("tenant") != group:
                continue
            said = terms(asked[at])
            count = count_words(said)
            by_words = _best(ids, index.scores(sparse_query(said)), query["query_id"])
            by_words = [hit for hit in by_words if hit[1] > 0]
            by_meaning = _best(ids, passages[rows] @ questions[at], query["query_id"])
            gold = judged[query["query_id"]]
            found["words"].append(_ndcg((hit[0] for hit in by_words), gold))
            found["meaning"].append(_ndcg((hit[0] for hit in by_meaning), gold))
            for weights in tried:
                both = fuse(by_meaning, by_words, weights or weights_for(count))
                found[f"both {weights.dense:g}" if weights else "both"].append(_ndcg((hit.id for hit in both), gold))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _load(folder: Path) -> tuple[list[Record], list[Record], dict[str, dict[str, float]]]:
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        corpus = [json.loads(line) for line in file]
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    judged: dict[str, dict[str, float]] = defaultdict(dict)
    for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, relevance = line.split("\t")
        judged[query][document] = float(relevance)
    return corpus, queries, judged


def _vectors(model: str, texts: list[str], kind: Kind, cache: Path | None) -> NDArray[np.float32]:
    embedder = open_embedder(model)
    kept = cache / f"{fingerprint([embedder.model_id, kind, texts])}.npy" if cache else None
    if kept and kept.exists():
        return np.load(kept)
    vectors = embedder.embed(texts, kind)
    if kept:
        np.save(kept, vectors)
    return vectors


def _best(ids: Sequence[str], scores: NDArray[Any], without: str) -> list[tuple[str, float]]:
    order = np.argsort(-scores, kind="stable")[: CANDIDATES + 1]
    return [(ids[at], float(scores[at])) for at in map(int, order) if ids[at] != without][:CANDIDATES]


def _ndcg(ranked: Iterable[str], gold: dict[str, float], depth: int = 10) -> float:
    gains = (gold.get(document, 0.0) for _, document in zip(range(depth), ranked, strict=False))
    ideal = sorted(gold.values(), reverse=True)[:depth]
    return _discounted(gains) / _discounted(ideal)


def _discounted(gains: Iterable[float]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--model", help="instead of each set's own")
    parser.add_argument("--dense", nargs="+", type=float, help="shares of meaning to try, instead of the product's")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    for name in options.set:
        layout = SETS[name]
        model = options.model or layout.model
        tried = [Weights(dense=share) for share in options.dense] if options.dense else [layout.weights]
        figures = measure(options.data / name, layout, model, tried, options.cache)
        ours = "  ".join(f"{ranking} {figure:.4f}" for ranking, figure in figures.items())
        others = f"others: BM25 {layout.best_bm25:.4f}, best {layout.best_other:.4f}; aim > {layout.aim:.2f}"
        print(f"{name:15s} {model:10s} {ours}   ({others})", flush=True)


if __name__ == "__main__":
    main()
