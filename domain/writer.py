"""Who writes the summaries: the text's own sentences, or a model.

Belongs here: what the two stages that summarise need to know of a writer. Does not belong here: how either writes
(``extractive`` and ``article_summary``; ``resources/llm``).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from domain import article_summary, extractive
from domain.batch import Batch
from domain.company import Company
from domain.derive import Make, each
from domain.stage import Made
from domain.summary_prompt import PROMPT_VERSION, Kind

MODEL = "llm "
"""How the ``made_by`` of every model begins."""


@dataclass(frozen=True, slots=True)
class Writer:
    """``made_by`` and ``make`` are the stage's; ``is_paid``: each result is kept the moment it arrives."""

    made_by: str
    make: Make
    is_paid: bool


def is_as_good(batch: Batch, models: Collection[str]) -> bool:
    """Whether a batch's answers are such as would be asked for now: of this prompt, by one of these models."""
    return batch.model in models and batch.made_by.startswith(f"{MODEL}{PROMPT_VERSION} ")


def extractive_writer(kind: Kind) -> Writer:
    """The default: no key, no network, nothing invented."""
    if kind == "kb":
        summarise = article_summary.summarise
        return Writer(article_summary.METHOD, each(lambda said: Made(summarise(said).to_payload())), is_paid=False)
    return Writer(extractive.METHOD, each(lambda said: Made(extractive.summarise(said).to_payload())), is_paid=False)


def accepts(company: Company, writer: Writer) -> Callable[[str], bool]:
    """Which summaries of another making stay while their text is the same. All, where the company keeps old ones; and a
    model's are not replaced by extractive ones, which are no better and were paid for."""
    if company.setting("old_summaries") == "keep":
        return lambda made_by: True
    return lambda made_by: not writer.is_paid and made_by.startswith(MODEL)
