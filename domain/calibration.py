"""A score that means something: how likely it is that a collection answers a question, 0 to 1, the same on every collection.

Belongs here: from the raw evidence of one answer to its score, and where the coefficients come from. Does not belong here:
the order of the hits (``ranking``), or asking the engine (``query/search``).

An order needs no meaning: its best hit is the best there is, even when nothing answers. The score is a logistic of one
number, the cosine of question and document, so that it does not move when other documents come, leave or are filtered out.
Where a document says all of a question's words, or names its code, that alone makes it likely.

The coefficients were fitted on questions with an answer against questions of other collections, by the nearest document:

* ``minilm-en-1``: StackFAQ against Banking77, CLINC150's training part (each utterance against the others) against its own
  out-of-scope part, Hadoop's duplicate tickets against StackFAQ;
* ``e5-multi-1``: Korean welfare FAQ and ParaKQC, each against the other's questions;
* ``use-multi-1``: the same two and StackFAQ, each against the others' questions and CLINC150's;
* words alone: all of the first two.

Checked on others: AUROC on CLINC150's validation part 0.966 (``bench/intents.py``). The mean of the nearest five beside the
best made that 0.971, and made every score fall where there are few documents: it is left out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import exp
from typing import Final

GOOD: Final = 0.5
"""From here on an answer is good. CLINC150's validation part: 96 % of the questions in scope are above it, and 22 % of those
out of scope, which were written to look alike; of questions of another subject altogether, 7 % or less, but 26 % of those on
labour law put to an FAQ on welfare. Of questions with an answer in four other sets, 90 to 100 % are above it."""

ALL_SAID: Final = 0.7
"""The least score of a document that says (nearly) all words of a question of two or more."""
CODE_NAMED: Final = 0.9
"""The least score of a document that names the code of a short question: that is what was asked for."""
_NEARLY_ALL = 0.9


@dataclass(frozen=True, slots=True)
class _Logistic:
    bias: float
    weight: float

    def of(self, value: float) -> float:
        return 1 / (1 + exp(-min(max(self.bias + self.weight * value, -50.0), 50.0)))


_MEANING: Mapping[str, _Logistic] = {
    "minilm-en-1": _Logistic(-10.15, 18.94),
    "e5-multi-1": _Logistic(-115.94, 132.06),
    "use-multi-1": _Logistic(-9.71, 18.88),
}
_OTHER = _MEANING["minilm-en-1"]  # for models that nothing was fitted to: see ``is_calibrated``
_WORDS = _Logistic(-2.58, 1.48)


def is_calibrated(model_id: str) -> bool:
    """Whether the coefficients were fitted to this model. Each spreads its cosines in its own way, so another one's scores
    have an order and no meaning: nothing may be called good, or no good, by them."""
    return model_id in _MEANING


def by_meaning(model_id: str, cosine: float) -> float:
    """How likely it is that a document answers, 0..1, by the cosine of its vector and the question's."""
    return _MEANING.get(model_id, _OTHER).of(cosine)


def by_words_alone(words: float) -> float:
    """The same where no vector of the question can be had: by its BM25 score for each weight of the question's terms."""
    return _WORDS.of(words) if words > 0 else 0.0


def by_what_is_said(asked: Collection[str], codes: Collection[str], said: Collection[str]) -> float:
    """The least that is likely of a document that says these words (``tokens.surface``), whatever its vector tells: 0 where
    it lacks some of the question's."""
    if codes and all(code in said for code in codes):
        return CODE_NAMED
    found = sum(word in said for word in asked)
    return ALL_SAID if len(asked) > 1 and found >= _NEARLY_ALL * len(asked) else 0.0
