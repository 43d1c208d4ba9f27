"""Helpdesks from elsewhere than the sample companies: made up in any number, or read from a file.

Belongs here: deterministic support-like tickets for benchmarks, and files of Freshdesk-shaped rows.
Does not belong here: anything a person should find convincing (``corpus`` has that).
"""

import gzip
import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sandbox import corpus, shape, solutions
from sandbox.shape import Json

THINGS = (
    "invoice export",
    "login page",
    "mobile app",
    "webhook",
    "calendar sync",
    "PDF report",
    "search box",
    "API token",
    "billing portal",
    "printer driver",
    "VPN client",
    "dashboard",
    "import wizard",
    "push notification",
    "shared folder",
    "barcode scanner",
    "data backup",
    "payment terminal",
    "user directory",
    "email template",
    "chat widget",
    "license server",
    "audit log",
    "time sheet",
    "price list",
)
FAULTS = (
    "does not open",
    "shows error %d",
    "loses its settings",
    "is very slow since %d o'clock",
    "returns an empty page",
    "times out after %d seconds",
    "prints twice",
    "skips row %d",
    "refuses the new password",
    "freezes at %d percent",
    "duplicates entry %d",
    "ignores the filter",
    "sends the wrong date",
    "cannot find device %d",
    "stopped after update %d",
)
ASKS = (
    "Could you check this today?",
    "We tried a restart and it did not help.",
    "It worked last week.",
    "Only two of us see it.",
    "The whole office is waiting.",
    "Is there a workaround?",
    "Nothing was changed on our side.",
    "A screenshot is attached.",
    "It happens every morning.",
    "We use the latest version.",
    "The test system is fine.",
    "Please call me before noon.",
)
ANSWERS = (
    "Please clear the cache of the %s and try again.",
    "We reset the %s for your account.",
    "The %s needs version %d or later.",
    "A setting was missing: open the %s, choose Advanced, and tick option %d.",
    "We found the fault in the %s and repaired it.",
    "Which version of the %s do you use?",
    "Please send us the log of the %s.",
    "The %s was blocked by the firewall on port %d.",
)
THANKS = (
    "That helped, thank you.",
    "Works again.",
    "Same as before.",
    "Here is what you asked for.",
    "Solved, please close.",
)
#: Far from the contacts of a sample company, into which made-up tickets may come later.
_FIRST_CUSTOMER = shape.FIRST_CONTACT + 50_000_000
#: Messages a ticket has; the mean is 3.1.
_MESSAGES = (0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 6)


def helpdesk(name: str, count: int, *, seed: str = "", language: str = "en") -> corpus.Helpdesk:
    """``count`` tickets with about 3.1 messages each; the same name, count and seed give the same tickets."""
    made = corpus.Helpdesk(name, language)
    corpus.staff(made)
    made.products = [
        shape.product(shape.FIRST_PRODUCT + number, product, made.agents[0]["created_at"])
        for number, product in enumerate(("Desk", "Cloud", "Mobile"))
    ]
    made.articles = solutions.made_up([product["name"] for product in made.products], language)
    made.tickets = _tickets(made, count, seed or name)
    return made


def _tickets(made: corpus.Helpdesk, count: int, seed: str) -> Iterator[Json]:
    chance = random.Random(seed)
    step = (corpus.HISTORY - timedelta(days=1)) / max(count, 1)
    conversation_id = shape.FIRST_CONVERSATION
    for number in range(1, count + 1):
        created = corpus.PRESENT - corpus.HISTORY + step * number
        thing, detail = chance.choice(THINGS), chance.randrange(2, 5000)
        trouble = _filled(chance.choice(FAULTS), thing, detail)
        person = chance.randrange(count // 4 + 1)
        customer = shape.requester(_FIRST_CUSTOMER + person, f"Customer {person}", f"customer{person}@example.com")
        agent = chance.choice(made.agents)
        words = f"Our {thing} {trouble}. {' '.join(chance.sample(ASKS, 3))} Reference {number * 7919 % 1_000_003}."
        record = shape.ticket(
            number,
            f"{thing.capitalize()} {trouble}",
            corpus.stamp(created),
            priority=chance.choice((1, 1, 2, 2, 3, 4)),
            requester_id=customer["id"],
            responder_id=agent["id"],
            status=chance.choice((2, 3, 4, 4, 5, 5, 5, 5)),
            product_id=chance.choice(made.products)["id"],
            type=chance.choice(shape.TYPES),
            tags=sorted({thing.split()[-1].lower(), chance.choice(("vip", "onsite", "trial", "partner"))}),
            description=f'<div dir="ltr">{words}</div>',
            description_text=words,
            requester=customer,
            group_id=shape.FIRST_GROUP,
        )
        moment = created
        for turn in range(chance.choice(_MESSAGES)):
            moment += timedelta(minutes=chance.randrange(5, 200))
            incoming = turn % 2 == 1
            said = chance.choice(THANKS) if incoming else _filled(chance.choice(ANSWERS), thing, detail)
            record["conversations"].append(
                shape.conversation(
                    conversation_id,
                    number,
                    corpus.stamp(moment),
                    f'<div dir="ltr">{said}</div>',
                    said,
                    incoming=incoming,
                    private=not incoming and chance.random() < 0.1,
                    user_id=customer["id"] if incoming else agent["id"],
                )
            )
            conversation_id += 1
        last = corpus.stamp(moment)
        done = record["status"] in (4, 5)
        record |= {"updated_at": last, "due_by": corpus.stamp(created + timedelta(days=2))}
        record["stats"] = shape.stats(status_updated_at=last, resolved_at=last if done else None)
        yield record


def _filled(pattern: str, thing: str, detail: int) -> str:
    return pattern.replace("%s", thing).replace("%d", str(detail))


def from_file(name: str, path: Path, status: str | None = None) -> corpus.Helpdesk:
    """A helpdesk whose tickets are the rows of a ``.jsonl`` or ``.jsonl.gz`` file, all set to ``status`` if given.

    A row is a ticket as Freshdesk gives it, with a list ``conversations``. Raises ``ValueError`` naming file and line.
    """
    if status is not None and status not in shape.STATUSES:
        raise ValueError(f"no status {status!r}; there are {', '.join(shape.STATUSES)}")
    read = corpus.Helpdesk(name)
    corpus.staff(read)
    opener = gzip.open if path.suffix == ".gz" else open
    tickets: list[Json] = []
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                row |= {"status": shape.STATUSES[status] if status else row["status"]}
                tickets.append(shape.ticket(row["id"], row["subject"], row["created_at"]) | row)
            except (ValueError, KeyError, TypeError) as wrong:
                raise ValueError(
                    f"{path} line {number}: not a Freshdesk ticket ({type(wrong).__name__}: {wrong})"
                ) from wrong
    read.tickets = tickets
    return read
