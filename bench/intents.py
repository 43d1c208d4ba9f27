"""How well a model tells intents apart, and whether a calibrated score tells that there is no answer.

    python bench/intents.py DATA [--model minilm-en] [--cache FOLDER]

``DATA`` holds ``banking77_train``, ``clinc150_train``, ``clinc150_val``, ``clinc150_oos_train`` and ``clinc150_oos_val``
(``.jsonl.gz``: text, intent). Two figures:

* Banking77 by MTEB's protocol: 10 draws of 8 utterances a label, a logistic regression on their vectors, its accuracy on the
  rest. MTEB tests on the test part, which has as many of each label; where that is not there, on the utterances that were
  not drawn, every label counting the same. Published for
  all-MiniLM-L6-v2: 0.8004 (embeddings-benchmark/results, Banking77Classification.json of 8b3219a9, MTEB 1.12.75).
* CLINC150: its training part as the bank, the calibrated score of each answer, and the AUROC of the validation part's
  questions in scope against those out of scope.

Belongs here: these measurements. Does not belong here: the data, the embedder, the calibration.
"""

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain import calibration
from domain.fingerprint import fingerprint
from resources.embedder import open_embedder

DRAWS, EACH = 10, 8
STRENGTH = 1.0
"""Inverse of the regularisation, as scikit-learn's ``LogisticRegression`` has it by default, which MTEB uses."""
STEPS = 200

Vectors = NDArray[np.floating[Any]]


def load(path: Path) -> tuple[list[str], list[str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row["text"] for row in rows], [row.get("intent", "") for row in rows]


def vectors(model: str, texts: list[str], cache: Path | None) -> Vectors:
    """As a search embeds a question; utterances are as short."""
    embedder = open_embedder(model)
    kept = cache / f"{fingerprint([embedder.model_id, texts])}.npy" if cache else None
    if kept and kept.exists():
        return np.load(kept)
    found = embedder.embed(texts, "query")
    if kept:
        np.save(kept, found)
    return found


def accuracy(known: Vectors, labels: NDArray[np.intp], asked: Vectors, wanted: NDArray[np.intp]) -> float:
    """A multinomial logistic regression (cross-entropy with an L2 penalty), by Nesterov's method."""
    classes = int(labels.max()) + 1
    x = np.c_[known, np.ones(len(known))]
    target = np.eye(classes)[labels]
    weights = np.zeros((x.shape[1], classes))
    ahead, momentum = weights, 1.0
    penalty = np.r_[np.ones(known.shape[1]), 0.0][:, None] / STRENGTH
    rate = 1 / (0.5 * np.linalg.norm(x, 2) ** 2 + 1 / STRENGTH)
    for _ in range(STEPS):
        odds = x @ ahead
        odds = np.exp(odds - odds.max(axis=1, keepdims=True))
        slope = x.T @ (odds / odds.sum(axis=1, keepdims=True) - target) + penalty * ahead
        after = ahead - rate * slope
        faster = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead, weights, momentum = after + (momentum - 1) / faster * (after - weights), after, faster
    right = np.argmax(np.c_[asked, np.ones(len(asked))] @ weights, axis=1) == wanted
    return float(np.mean([right[wanted == label].mean() for label in np.unique(wanted)]))


def banking(folder: Path, model: str, cache: Path | None) -> list[float]:
    texts, intents = load(folder / "banking77_train.jsonl.gz")
    found = vectors(model, texts, cache)
    _, labels = np.unique(intents, return_inverse=True)
    held_out = folder / "banking77_test.jsonl.gz"
    told: list[float] = []
    order = np.arange(len(texts))
    dice = np.random.default_rng(42)
    for _ in range(DRAWS):
        dice.shuffle(order)
        drawn = np.concatenate([order[labels[order] == label][:EACH] for label in range(labels.max() + 1)])
        if held_out.exists():
            asked, wanted = load(held_out)
            tested, truth = vectors(model, asked, cache), np.searchsorted(np.unique(intents), wanted)
        else:
            rest = np.setdiff1d(order, drawn)
            tested, truth = found[rest], labels[rest]
        told.append(accuracy(found[drawn], labels[drawn], tested, truth))
    return told


def scores(model_id: str, bank: Vectors, asked: Vectors) -> NDArray[np.float64]:
    """The calibrated score of each question's best hit."""
    return np.array([calibration.by_meaning(model_id, float((bank @ question).max())) for question in asked])


def auroc(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    higher = (inside[:, None] > outside[None]).mean()
    return float(higher + 0.5 * (inside[:, None] == outside[None]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="minilm-en")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    told = banking(options.data, options.model, options.cache)
    print(f"Banking77: accuracy {np.mean(told):.4f} (draws {min(told):.4f} to {max(told):.4f})", flush=True)
    model_id = open_embedder(options.model).model_id
    bank, inside, outside = (
        vectors(options.model, load(options.data / f"clinc150_{part}.jsonl.gz")[0], options.cache)
        for part in ("train", "val", "oos_val")
    )
    answered, refused = scores(model_id, bank, inside), scores(model_id, bank, outside)
    good = calibration.GOOD
    print(f"CLINC150: out-of-scope AUROC {auroc(answered, refused):.4f}")
    print(
        f"good (from {good:g}): {(answered >= good).mean():.3f} in scope, {(refused >= good).mean():.3f} out of scope"
    )


if __name__ == "__main__":
    main()
