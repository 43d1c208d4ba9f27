"""How much of a provider's tokens a minute the summariser uses, measured by the provider: the sandbox's LLM server.

    python -m bench.llm_throughput [--tokens 200000] [--seconds 120] [--minute 60] [--slow-ms 1500] [--parallel 8]

Belongs here: the figures of issue "Summaries by LLM" about throughput. Does not belong here: how good summaries are
(``bench/summaries``).

The server lets its allowance flow back evenly: what may be taken in T seconds is what it holds at first, and so much a
second. ``--reserve`` charges the room for an answer in place of its length, ``--burst`` holds less than a minute's worth.
"""

import argparse
import itertools
import time
from typing import Any

from domain.company import Company, CompanyId
from domain.provider import Provider
from resources.llm.budget import Budget
from resources.llm.summariser import open_summariser
from sandbox.serve import Sandbox


class Keys:
    """The sandbox's keys."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def llm_key(self, company: Company, provider: Provider, *, fresh: bool = False) -> str:
        return self.sandbox.key(provider.name)


def ticket(number: int) -> dict[str, Any]:
    """A made-up ticket of some 400 tokens, unlike any other."""
    turns = [
        ("customer", f"Hello, order {number} was charged twice on my card. The page says error {number % 977}."),
        (
            "agent",
            f"I have looked into order {number}. The charge of the second attempt is pending only." + " We wait." * 40,
        ),
        ("customer", f"It is still there. Please check order {number} again." + " I have waited for days." * 20),
        ("agent", f"We have cancelled the second charge of order {number}. It was caused by a timeout of the bank."),
        ("customer", "It is gone now, thank you."),
    ]
    messages = [
        {"id": "", "author": author, "private": False, "created_at": "", "text": text} for author, text in turns
    ]
    return {"subject": f"Order {number} charged twice", "language": "en", "messages": messages}


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Summarise for so many seconds; what the server counted meanwhile."""
    with Sandbox(companies=(), llm=("one",), process=True) as sandbox:
        sandbox.llm_admin(
            "one",
            "options",
            tokens=arguments.tokens,
            requests=arguments.requests,
            minute_seconds=arguments.minute,
            burst=arguments.burst,
            reserve=arguments.reserve,
            slow_ms=arguments.slow_ms,
        )
        given = [
            {"name": "one", "model": "gpt-4.1-mini", "url": sandbox.llm_url("one"), "parallel": arguments.parallel}
        ]
        company = Company(CompanyId("bench"), "export", "", {"llm_providers": given})
        summariser = open_summariser(Keys(sandbox), company, Budget(None), minute=arguments.minute)
        assert summariser is not None
        began = time.monotonic()
        made = 0
        for window in itertools.count():
            documents = [ticket(window * 1000 + at) for at in range(1000)]
            for arrived in summariser.make("ticket")(documents):
                made += len(arrived.results)
                if time.monotonic() - began > arguments.seconds:
                    break
            else:
                continue
            break
        took = time.monotonic() - began
        log = sandbox.llm_admin("one", "log")
        asked = sandbox.llm_admin("one", "requests")
    charged = log["tokens_in"] + log["tokens_out"]
    if arguments.reserve:
        charged = log["tokens_in"] + log["calls"] * 3_800
    first, last = asked[0]["at"], asked[-1]["at"]
    flow = arguments.tokens / arguments.minute
    allowed = arguments.tokens * arguments.burst + flow * (last - first)
    later = [one for one in asked if first + arguments.minute < one["at"] < last]
    each = charged / log["calls"]
    return {
        "seconds": round(took, 1),
        "calls": log["calls"],
        "429s": log["429s"],
        "tickets": made,
        "tokens": charged,
        "share of all that was allowed": round(charged / allowed, 4),
        "share of the minutes after the first": round(
            len(later) * each / (flow * max(1e-9, last - first - arguments.minute)), 4
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--requests", type=int)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--minute", type=float, default=60)
    parser.add_argument("--burst", type=float, default=1.0)
    parser.add_argument("--slow-ms", type=float, default=1500)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--reserve", action="store_true")
    for name, value in measure(parser.parse_args()).items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
