"""Vectors of articles: passages are kept one by one, whoever has them, and a forget finds them.

Belongs here: what is kept of an article. Does not belong here: embedding (``test_embedder``), or a whole forget
(``test_erase``).
"""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from domain.company import company_id
from domain.fingerprint import fingerprint
from domain.stage import Arrived, Made, Put
from resources.passage_vectors import passage_vectors
from resources.storage.sqlite import open_store

NOW = "2026-01-01T00:00:00Z"


def embed(texts: Sequence[str]) -> Iterator[Arrived]:
    yield Arrived(
        [(at, Made({"model": "m"}, array("f", [float(len(text))]).tobytes())) for at, text in enumerate(texts)]
    )


def test_a_passage_of_two_articles_is_kept_once_and_forgotten_with_either(tmp_path: Path) -> None:
    articles = [("a", ["shared by both", "of a"]), ("b", ["shared by both", "of b"])]
    with open_store(tmp_path, company_id("acme")) as store:
        make = passage_vectors(store, "kb_embeddings", "m", embed, "run", NOW)
        results = [result for arrived in make(articles) for result in arrived.results]
        made = {articles[position][0]: result for position, result in results if isinstance(result, Made)}
        hashes = {text: fingerprint(text) for _, texts in articles for text in texts}
        assert store.paid("m", list(hashes.values())).keys() == set(hashes.values())
        with store.begin("run", NOW) as write:
            rows = [
                Put(doc_id, one.payload, one.content_hash(), doc_id, "m", one.vector) for doc_id, one in made.items()
            ]
            assert write.upsert("kb_embeddings", rows) == 2
        with store.begin("run", NOW) as write:
            write.erase(["b"], data_type="kb")
        assert store.paid("m", list(hashes.values())).keys() == {hashes["of a"]}
        assert store.get("kb_embeddings", ["a"], vector=True)["a"].vector == made["a"].vector
