"""Vectors of articles from vectors of texts: a passage is kept by its text, so that no text is embedded twice.

Belongs here: looking passages up, embedding the missing ones, putting articles together. Does not belong here: embedding
(``embedder``), or which text a passage has (``domain/points``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from domain.fingerprint import fingerprint
from domain.stage import Arrived, CompanyStore, Failed, Later, Made

Articles = Sequence[tuple[str, list[str]]]
TextVectors = Callable[[Sequence[str]], Iterator[Arrived]]
"""From texts to their vectors, as they arrive; ``Pause`` where it cannot go on."""


def passage_vectors(
    store: CompanyStore, stage: str, model_id: str, embed: TextVectors, run_id: str, now: str
) -> Callable[[Articles], Iterator[Arrived]]:
    """A ``make`` for articles, (id, texts of the passages): vectors one after the other. A passage that cannot be embedded
    fails its article alone; what arrived for others is kept at once."""

    def make(articles: Articles) -> Iterator[Arrived]:
        owners = _owners(articles)
        results: dict[str, Made | Failed | Later] = dict(store.paid(model_id, list(owners)))
        waiting = dict(enumerate(articles))

        def whole() -> Iterator[tuple[int, Made | Failed | Later]]:
            for position, (_, texts) in list(waiting.items()):
                parts = [results.get(fingerprint(text)) for text in texts]
                if all(parts):
                    del waiting[position]
                    yield position, _joined(model_id, texts, [part for part in parts if part])

        if known := list(whole()):
            yield Arrived(known)
        missing = [text_hash for text_hash in owners if text_hash not in results]
        counted: set[str] = set()
        for arrived in embed([owners[text_hash][1] for text_hash in missing]) if missing else ():
            kept = [
                (missing[position], owners[missing[position]][0], result)
                for position, result in arrived.results
                if isinstance(result, Made)
            ]
            # The ledger counts documents: an article with the first of its passages that is asked for.
            asked = {owners[missing[position]][0] for position, _ in arrived.results} - counted
            counted |= asked
            spent = [replace(one, documents=0 if at else len(asked)) for at, one in enumerate(arrived.spent)]
            store.keep_paid(stage, model_id, kept, spent, run_id, now)
            results.update((missing[position], result) for position, result in arrived.results)
            yield Arrived(list(whole()), spent)

    return make


def missing_passages(store: CompanyStore, model_id: str, articles: Articles) -> list[str]:
    """The texts that a ``make`` would embed for these articles."""
    owners = _owners(articles)
    kept = store.paid(model_id, list(owners))
    return [text for text_hash, (_, text) in owners.items() if text_hash not in kept]


def _owners(articles: Articles) -> dict[str, tuple[str, str]]:
    """By a passage's hash: the article that it is kept for, the first that has it, and its text."""
    return {fingerprint(text): (doc_id, text) for doc_id, texts in reversed(articles) for text in texts}


def _joined(model_id: str, texts: Sequence[str], parts: Sequence[Made | Failed | Later]) -> Made | Failed | Later:
    for part in parts:
        if not isinstance(part, Made):
            return part
    vectors = [part.vector or b"" for part in parts if isinstance(part, Made)]
    # What is kept of a passage may stand under another article that has it, too: by its hash a forget finds it.
    kept = [fingerprint(text) for text in texts]
    return Made({"model": model_id, "passages": len(vectors), "kept": kept}, b"".join(vectors))
