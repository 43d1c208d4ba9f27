"""``casebook evaluate`` on a company that was synced: figures, what is kept, what is tuned.

Belongs here: the command. Does not belong here: measures (``tests/domain/test_metrics``), faults of files and the rule of
tuning (``tests/query``).
"""

import json
from pathlib import Path

import pytest

from domain.metrics import figures
from query.search import Searcher
from tests.homes import Home, casebook, done

HEADER = "query_id\tdoc_id\trelevance\n"


def files(folder: Path, home: Home, count: int = 1000, judge: int = 0) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """Questions that are the titles of stored cases, each answered by its own case; the words of the command, and the
    questions. The first ``judge`` of them have no judgement."""
    points = sorted(home.points("made").items())[:count]
    asked = {f"q{doc_id}": (payload["title"], doc_id) for doc_id, (payload, _) in points}
    lines = [json.dumps({"query_id": query_id, "text": text}) for query_id, (text, _) in asked.items()]
    (folder / "Q.jsonl").write_text("\n".join(lines))
    judged = [f"{query_id}\t{doc_id}\t1\n" for query_id, (_, doc_id) in list(asked.items())[judge:]]
    (folder / "QRELS.tsv").write_text(HEADER + "".join(judged))
    return ["--queries", str(folder / "Q.jsonl"), "--qrels", str(folder / "QRELS.tsv")], asked


def test_figures_are_those_of_the_search(read_only: Home, tmp_path: Path) -> None:
    words, asked = files(tmp_path, read_only, 12, judge=2)
    with (tmp_path / "QRELS.tsv").open("a") as more:
        more.write("nobody\td\t1\n" + f"{list(asked)[2]}\tno-such\t1\n")
    told = done("evaluate", "made", *words, "-k", "5", "--json").json
    searcher = Searcher(read_only.companies, read_only.company("made"))
    by_hand = [
        figures(
            [hit.doc_id for hit in searcher.search(text, 5).hits],
            {doc_id: 1, "no-such": 1} if at == 0 else {doc_id: 1},
            5,
        ).ndcg
        for at, (text, doc_id) in enumerate(list(asked.values())[2:])
    ]
    assert told["figures"]["nDCG@5"] == pytest.approx(sum(by_hand) / 10)
    assert list(told["figures"]) == list(told["intervals"]) == ["nDCG@5", "MRR@5", "recall@5", "hit@5"]
    assert told["figures"]["hit@5"] > 0.5, "a case is found by its own title"
    assert (told["queries"], told["unknown_documents"], told["without_question"]) == (10, ["no-such"], ["nobody"])
    assert len(told["without_judgement"]) == 2
    assert (told["kept"], told["tuned"]) == (False, None)
    for_people = done("evaluate", "made", *words)
    assert "10 judged questions" in for_people.out and "nDCG@10" in for_people.out
    assert "no-such" in for_people.err and "left out" in for_people.err


def test_what_cannot_be_measured_is_refused(read_only: Home, tmp_path: Path) -> None:
    words, _ = files(tmp_path, read_only, 3)
    for wrong, told in (
        (words[:2], "go together"),
        (["--keep"], "go together"),
        ([], "no judged questions"),
        ([*words, "--tune"], "too few"),
        ([*words, "--in", "nothing"], "unknown data type"),
    ):
        said = casebook("evaluate", "made", *wrong)
        assert (said.code, told in said.err) == (2, True), said
    (tmp_path / "QRELS.tsv").write_text(HEADER + "q1\tno-such\t1\n")
    (tmp_path / "Q.jsonl").write_text('{"query_id": "q1", "text": "wifi"}')
    assert "none of the judged documents" in casebook("evaluate", "made", *words).err


def test_questions_are_kept_and_replaced(synced: Home, tmp_path: Path) -> None:
    words, _ = files(tmp_path, synced, 6)
    first = done("evaluate", "made", *words, "--keep", "--json").json
    assert first["kept"]
    again = done("evaluate", "made", "--json").json
    assert (again["queries"], again["figures"]) == (6, first["figures"])
    words, _ = files(tmp_path, synced, 3)
    done("evaluate", "made", *words, "--keep")
    assert done("evaluate", "made", "--json").json["queries"] == 3
    with synced.companies.lock("made", "a sync"):
        assert casebook("evaluate", "made", *words, "--keep").code == 1
        assert casebook("evaluate", "made", *words).code == 0, "who only looks waits for nobody"


def test_weights_that_win_are_taken(synced: Home, tmp_path: Path) -> None:
    words, _ = files(tmp_path, synced)
    searcher = Searcher(synced.companies, synced.company("made"))
    # Questions that are answered by whatever meaning alone has first: only that weight can win.
    points = sorted(synced.points("made").items())
    asked = [(f"q{doc_id}", payload["summary"]["problem"]) for doc_id, (payload, _) in points]
    (tmp_path / "Q.jsonl").write_text("\n".join(json.dumps({"query_id": name, "text": text}) for name, text in asked))
    orders = searcher.orders([text for _, text in asked], 2)
    judged = [f"{name}\t{order(1.0)[-1].doc_id}\t1\n" for (name, _), order in zip(asked, orders, strict=True)]
    (tmp_path / "QRELS.tsv").write_text(HEADER + "".join(judged))
    done("company", "set", "made", "dense_weight=0")
    tuned = done("evaluate", "made", *words, "--tune", "--json").json["tuned"]
    assert tuned["is_applied"] and tuned["best"] > 0.5
    assert synced.company("made").setting("dense_weight") == tuned["best"]
    done("company", "set", "made", "dense_weight=none")
    assert synced.company("made").setting("dense_weight") is None
