"""Search, similar cases and explanations on a company of real-looking tickets, against what its tables hold.

Belongs here: that filters, ids and facts are exact, and that near-duplicates are found. Does not belong here: how good
the ranking is in figures (``bench``), or the words of the commands (``tests/pipelines/test_cli``).
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain import calibration, points, tokens
from domain.calibration import GOOD
from domain.errors import InputError, StorageError
from domain.fingerprint import point_id
from domain.judgement import JudgedQuery
from domain.merge import searched_text
from domain.stage import DataType, Put, tables_of
from domain.ticket_stages import model_of
from query.evaluate import Unmeasured, ranked
from query.explain import explain
from query.halves import Words
from query.marking import marked
from query.search import EVERYTHING, Searcher
from resources.companies import Companies
from resources.embedder import Embedder, open_embedder
from resources.question_embedder import NotEmbedded
from resources.settings import Settings
from resources.vector_index.base import Filters
from sandbox.serve import Sandbox
from tests.conftest import add, point_at
from tests.homes import Home, done
from tests.processes import ask
from tests.redis_server import RedisServer, needs_redis

ALL = 1000
"""More than there are: nothing is cut off."""


@pytest.fixture(scope="module")
def acme() -> Iterator[Sandbox]:
    with Sandbox(["acme"]) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def acme_home(acme: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The English sample company, synced once; only to be read."""
    with pytest.MonkeyPatch.context() as patches:
        home = point_at(tmp_path_factory.mktemp("acme") / "home", patches)
        add(acme, "acme", "--set", "embedding_model=auto")
        done("sync", "acme")
        yield home


@pytest.fixture(scope="module")
def searcher(acme_home: Home) -> Searcher:
    return Searcher(acme_home.companies, acme_home.company("acme"))


@pytest.fixture(scope="module")
def stored(acme_home: Home) -> dict[str, dict[str, Any]]:
    """The payload of every point, by document."""
    return {doc_id: payload for doc_id, (payload, _) in acme_home.points("acme").items()}


def model(searcher: Searcher) -> Embedder:
    """The model that made what is searched."""
    return open_embedder(model_of(searcher.collection.made_by))


def found(searcher: Searcher, text: str, filters: Filters = EVERYTHING) -> set[str]:
    return {hit.doc_id for hit in searcher.search(text, ALL, filters).hits}


# -- filters ---------------------------------------------------------------------------------------------------------


def test_the_model_was_chosen_by_the_texts(acme_home: Home, searcher: Searcher) -> None:
    assert acme_home.company("acme").setting("embedding_model") == "minilm-en"
    assert model(searcher).model_id == "minilm-en-1"


def test_without_a_filter_everything_is_ranked(searcher: Searcher, stored: dict[str, dict[str, Any]]) -> None:
    assert found(searcher, "thermostat offline") == set(stored)


@pytest.mark.parametrize("name", ["status", "product", "language"])
def test_a_filter_on_a_word_takes_exactly_its_documents(
    searcher: Searcher, stored: dict[str, dict[str, Any]], name: str
) -> None:
    values = sorted({payload[name] for payload in stored.values()})
    for wanted in (values[:1], values[-2:], ["no such thing"]):
        expected = {doc_id for doc_id, payload in stored.items() if payload[name] in wanted}
        assert found(searcher, "thermostat offline", Filters(**{name: wanted})) == expected


def test_a_filter_on_tags_wants_all_of_them(searcher: Searcher, stored: dict[str, dict[str, Any]]) -> None:
    first, second = next(payload["tags"] for payload in stored.values() if len(payload["tags"]) >= 2)[:2]
    for wanted in ([first], [second], [first, second]):
        expected = {doc_id for doc_id, payload in stored.items() if set(wanted) <= set(payload["tags"])}
        assert expected
        assert found(searcher, "thermostat offline", Filters(tags=wanted)) == expected


def test_a_filter_on_time_takes_from_and_before(searcher: Searcher, stored: dict[str, dict[str, Any]]) -> None:
    times = sorted(payload["updated_at"] for payload in stored.values())
    early, late = times[len(times) // 3], times[2 * len(times) // 3]
    for since, until in ((early, ""), ("", late), (early, late), (late, early)):
        expected = {
            doc_id
            for doc_id, payload in stored.items()
            if (not since or payload["updated_at"] >= since) and (not until or payload["updated_at"] < until)
        }
        assert found(searcher, "thermostat offline", Filters(since=since, until=until)) == expected


def test_filters_join(searcher: Searcher, stored: dict[str, dict[str, Any]]) -> None:
    tag = "billing"
    expected = {
        doc_id for doc_id, payload in stored.items() if tag in payload["tags"] and payload["status"] == "resolved"
    }
    assert 0 < len(expected) < sum(tag in payload["tags"] for payload in stored.values())
    assert found(searcher, "invoice", Filters(status=["resolved"], tags=[tag])) == expected


# -- hits ------------------------------------------------------------------------------------------------------------


def test_a_hit_says_what_the_point_holds(searcher: Searcher, stored: dict[str, dict[str, Any]]) -> None:
    answer = searcher.search("my thermostat keeps dropping off the wifi", 5)
    assert len(answer.hits) == 5
    for hit in answer.hits:
        payload = stored[hit.doc_id]
        assert (hit.title, hit.summary, hit.url) == (payload["title"], payload["summary"], payload["url"])
        assert (hit.status, hit.updated_at, hit.data_type) == (payload["status"], payload["updated_at"], "ticket")
        assert all(
            hit.summary[part] in hit.text for part in ("problem", "solution") if hit.summary and hit.summary[part]
        )
        assert hit.why["made_by"] == searcher.collection.made_by
        assert hit.why["meaning"] is not None or hit.why["words"] is not None
    assert answer.recommendation_id != searcher.search("my thermostat keeps dropping off the wifi", 5).recommendation_id


def test_the_question_of_a_case_finds_that_case(searcher: Searcher, acme_home: Home) -> None:
    """Every case's own subject, asked as a question: almost always among the first three."""
    merged = acme_home.rows("acme")["merged_tickets"]
    cases = sorted(acme_home.points("acme"))[::5]
    missed = [
        doc_id
        for doc_id in cases
        if doc_id not in [hit.doc_id for hit in searcher.search(merged[doc_id][3]["subject"], 3).hits]
    ]
    assert len(missed) <= len(cases) // 10, missed


@pytest.mark.parametrize(
    "text",
    ["?", "\x00", "\ud800 wifi", "🔥🔥", "[bold]wifi[/]", "'; DROP TABLE x; --", "wifi " * 20_000, "로그인"],
)
def test_odd_questions_are_answered_like_any_other(searcher: Searcher, text: str) -> None:
    answer = searcher.search(text, 3)
    assert len(answer.hits) == 3
    assert all(0 <= hit.score <= 1 for hit in answer.hits)


@pytest.mark.parametrize(("text", "k"), [("", 5), (" \n", 5), ("wifi", 0), ("wifi", -1)])
def test_a_question_that_cannot_be_asked(searcher: Searcher, text: str, k: int) -> None:
    with pytest.raises(InputError):
        searcher.search(text, k)


def test_a_company_that_has_no_index(home: Home) -> None:
    path = home.path.parent / "tiny.csv"
    path.write_text("ticket_id,subject,description\n1,a,b\n")
    done("company", "add", "tiny", "--platform", "export", "--path", str(path))
    with pytest.raises(StorageError, match="nothing to search yet"):
        Searcher(home.companies, home.company("tiny")).search("wifi")


def test_an_open_searcher_sees_what_was_published_since(synced: Home, helpdesk: Sandbox) -> None:
    searcher = Searcher(synced.companies, synced.company("made"))
    before = found(searcher, "printer driver")
    leaving = min(before)
    helpdesk.admin("made", "delete", ids=[int(leaving)])
    done("sync", "made")
    assert found(searcher, "printer driver") == before - {leaving}


def test_an_open_searcher_follows_a_changed_setting(synced: Home) -> None:
    searcher = Searcher(synced.companies, synced.company("made"))

    def meanings() -> list[float]:
        return [hit.why["meaning"] or 0.0 for hit in searcher.search("printer driver", 30).hits]

    for weight, is_by_meaning in (("1", True), ("0", False), ("1", True)):
        done("company", "set", "made", f"dense_weight={weight}")
        found = meanings()
        assert (found == sorted(found, reverse=True)) is is_by_meaning


def test_a_question_asked_again_needs_no_model(
    searcher: Searcher, acme_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither this searcher nor another one embeds it again, until the company is forgotten; the answer is the same."""
    used = type(model(searcher))
    embed, embedded = used.embed, list[str]()

    def counted(self: Any, texts: list[str], kind: Any) -> Any:
        embedded.extend(texts)
        return embed(self, texts, kind)

    monkeypatch.setattr(used, "embed", counted)
    question = "asked again: no picture from the camera"
    first = searcher.search(question).hits
    again = Searcher(acme_home.companies, acme_home.company("acme"))
    assert searcher.search(question).hits == again.search(question).hits == first
    assert embedded == [question]
    searcher.search(question + "?")
    assert len(embedded) == 2
    searcher.companies.cache.forget(searcher.company.id)
    assert searcher.search(question).hits == first
    assert embedded == [question, question + "?", question]


def ask_acme(say: Callable[[Any], None], home: str, redis_url: str) -> None:
    companies = Companies(Settings(home=Path(home), redis_url=redis_url))
    searcher = Searcher(companies, companies.get("acme"))
    hits = searcher.search("two processes: the thermostat is offline").hits
    embedder: Any = model(searcher)
    say(([(hit.doc_id, hit.score) for hit in hits], embedder._is_loaded))


@needs_redis
def test_with_redis_another_process_needs_no_model_either(acme_home: Home, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server:
        hits, is_loaded = ask(ask_acme, str(acme_home.path), server.url)
        assert is_loaded
        assert ask(ask_acme, str(acme_home.path), server.url) == (hits, False)


def test_private_notes_are_neither_indexed_nor_shown(acme_home: Home) -> None:
    """What only an agents' note says is in no point: not as text, not as a word."""
    rows = acme_home.rows("acme")
    told = 0
    for doc_id, payload in ((doc_id, row[3]) for doc_id, row in rows["merged_tickets"].items()):
        notes = [message["text"] for message in payload["messages"] if message["private"] and message["text"]]
        if not notes or doc_id not in rows["ticket_collection"]:
            continue
        public = [searched_text(payload), *payload["tags"], payload["product"]]
        secret = tokens.terms("\n".join(notes)).keys() - tokens.terms("\n".join(public)).keys()
        [point] = rows["ticket_collection"][doc_id][3]["points"]
        assert not {points.term_index(term) for term in secret} & set(point["indices"])
        shown = json.dumps(point["point"], ensure_ascii=False)
        assert all(json.dumps(note[:60], ensure_ascii=False)[1:-1] not in shown for note in notes)
        told += bool(secret)
    assert told >= 5


# -- the manual beside the cases ----------------------------------------------------------------------------------------


def test_articles_and_cases_are_in_one_order(searcher: Searcher, acme_home: Home) -> None:
    articles = acme_home.rows("acme")["kb_passages"]
    title = articles[min(articles)][3]["title"]
    both = searcher.search(title, 30, data_types=("ticket", "kb")).hits
    assert {hit.data_type for hit in both} == {"ticket", "kb"}
    scores = [hit.score for hit in both]
    assert scores == sorted(scores, reverse=True)
    for data_type in ("ticket", "kb"):
        alone = [hit.doc_id for hit in searcher.search(title, 30, data_types=(data_type,)).hits]
        mine = [hit.doc_id for hit in both if hit.data_type == data_type]
        assert mine == alone[: len(mine)]


def test_a_passage_names_its_article_and_section(searcher: Searcher, acme_home: Home) -> None:
    articles = acme_home.rows("acme")["kb_passages"]
    doc_id = max(articles, key=lambda one: len(articles[one][3]["passages"]))
    article = articles[doc_id][3]
    passage = article["passages"][-1]
    hits = searcher.search(f"{article['title']} {passage['text'][:200]}", 5, data_types=("kb",)).hits
    [hit] = [hit for hit in hits if hit.doc_id == doc_id]
    assert hit.title == article["title"]
    assert (hit.path, hit.text) == (article["passages"][hit.part]["path"], article["passages"][hit.part]["text"])
    assert str(hit.part) not in hit.also
    assert len({hit.doc_id for hit in hits}) == len(hits)


# -- a score that means something ------------------------------------------------------------------------------------


def test_a_question_of_something_else_has_a_low_score(searcher: Searcher) -> None:
    ours = searcher.search("my thermostat keeps dropping off the wifi").hits
    other = searcher.search("who won the football world cup in 1966").hits
    assert ours[0].score > GOOD > other[0].score
    assert [hit.score for hit in ours] == sorted((hit.score for hit in ours), reverse=True)


def test_near_duplicates_are_named_in_the_better_one(searcher: Searcher) -> None:
    question = "my thermostat keeps dropping off the wifi"
    every = [hit.doc_id for hit in searcher.search(question, 40).hits]
    told = searcher.search(question, 20, is_grouped=True).hits
    named = [doc_id for hit in told for doc_id in (hit.doc_id, *hit.also)]
    assert len(named) == len(set(named))
    assert set(named) <= set(every)
    assert every[0] == told[0].doc_id


def test_without_a_vector_words_find(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> list[float]:
        raise NotEmbedded("a question cannot be embedded now.")

    monkeypatch.setattr(searcher.questions, "vector", refuse)
    answer = searcher.search("thermostat wifi")
    assert answer.hits[0].why["meaning"] is None
    assert "thermostat" in answer.hits[0].text.lower() + answer.hits[0].title.lower()
    assert answer.notes == ["Found by words alone: a question cannot be embedded now."]
    assert answer.by_words_alone
    judged = [JudgedQuery("q", "thermostat wifi", {answer.hits[0].doc_id: 1.0})]
    with pytest.raises(Unmeasured):
        list(ranked(searcher, judged, 10, ["ticket"]))
    with pytest.raises(NotEmbedded):
        list(searcher.orders(["thermostat wifi"], 10))


def test_scores_of_a_model_that_was_not_fitted_are_no_verdict(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert searcher.search("thermostat wifi").is_calibrated
    monkeypatch.setattr("domain.calibration._MEANING", {"use-multi-1": calibration._MEANING["use-multi-1"]})
    answer = searcher.search("thermostat wifi")
    assert (answer.is_calibrated, answer.notes) == (False, ["Scores of this model are not calibrated."])
    assert 0 < answer.hits[0].score < 1


def test_any_share_of_meaning_orders_what_was_asked_once(searcher: Searcher) -> None:
    [order] = searcher.orders(["thermostat drops off the wifi"], 20, ("ticket", "kb"))
    [answer] = searcher.answers(["thermostat drops off the wifi"], 20, data_types=("ticket", "kb"))
    assert order(None) == answer.hits
    by_meaning = [hit.why["meaning"] or 0.0 for hit in order(1.0) if hit.data_type == "ticket"]
    by_words = [hit.why["words"] or 0.0 for hit in order(0.0) if hit.data_type == "ticket"]
    assert by_meaning == sorted(by_meaning, reverse=True)
    assert by_words == sorted(by_words, reverse=True)
    assert order(None) == answer.hits


def test_an_answer_says_what_made_it(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = searcher.search("thermostat", data_types=("ticket", "kb"))
    assert answer.versions == searcher.versions()
    assert answer.versions["ticket"] == searcher.collection.made_by
    assert answer.versions.keys() == {"ticket", "kb", "ranking"}
    monkeypatch.setattr(searcher, "_share", lambda: 0.25)
    assert searcher.search("thermostat").versions.keys() == {"ticket", "ranking", "dense_weight"}


def test_what_answers_is_marked(searcher: Searcher) -> None:
    answer = marked(searcher.search("Thermostat, offline zzyzx?", 3))
    for hit in answer.hits:
        texts = {"title": hit.title, "text": hit.text}
        assert hit.highlights.keys() == texts.keys()
        said = [texts[name][start:end].lower() for name in texts for start, end in hit.highlights[name]]
        assert ("Thermostat" in hit.why["words_found"]) is any("thermostat" in one for one in said)
        assert "zzyzx" not in hit.why["words_found"]
    assert any(hit.why["words_found"] for hit in answer.hits)


def test_as_many_as_were_asked_for_though_copies_are_left_out(
    searcher: Searcher, stored: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_in_five(hits: list[Any]) -> list[Any]:
        return hits[::5]

    monkeypatch.setattr("query.search.grouped", one_in_five)
    for k in (1, 20, len(stored) // 5):
        assert len(searcher.search("thermostat", k, is_grouped=True).hits) == k


def test_as_many_articles_as_were_asked_for_though_each_has_many_passages(
    searcher: Searcher, acme_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("query.halves.CANDIDATES", 2)
    articles = len(acme_home.rows("acme")["kb_passages"])
    assert len(searcher.search("thermostat", articles, data_types=("kb",)).hits) == articles


# -- similar ---------------------------------------------------------------------------------------------------------


def test_near_duplicates_are_similar(searcher: Searcher, acme: Sandbox, stored: dict[str, dict[str, Any]]) -> None:
    stories = acme.admin("acme", "stories")
    twins = [
        (str(story["id"]), str(stories[story["near_duplicate_of"]]["id"]))
        for story in stories.values()
        if story["near_duplicate_of"]
    ]
    pairs = [(one, other) for pair in twins for one, other in (pair, pair[::-1]) if other in stored]
    assert len(pairs) >= 5
    missed = [
        (one, other) for one, other in pairs if other not in [hit.doc_id for hit in searcher.similar(one, 3).hits]
    ]
    assert len(missed) <= len(pairs) // 5, missed


def test_a_ticket_is_not_like_itself(searcher: Searcher, stored: dict[str, dict[str, Any]]) -> None:
    for doc_id in sorted(stored)[::20]:
        answer = searcher.similar(doc_id, ALL)
        assert {hit.doc_id for hit in answer.hits} == set(stored) - {doc_id}
        assert answer.query == stored[doc_id]["title"]


def open_tickets(home: Home, stored: dict[str, dict[str, Any]]) -> list[str]:
    return sorted(set(home.rows("acme")["merged_tickets"]) - set(stored))


def test_an_open_ticket_finds_the_solved_ones(
    searcher: Searcher, acme_home: Home, stored: dict[str, dict[str, Any]]
) -> None:
    opened = open_tickets(acme_home, stored)
    assert len(opened) > 10
    for doc_id in opened[::10]:
        subject = acme_home.rows("acme")["merged_tickets"][doc_id][3]["subject"]
        answer = searcher.similar(doc_id, ALL)
        assert {hit.doc_id for hit in answer.hits} == set(stored)
        assert answer.query == subject
        resolved = searcher.similar(doc_id, 5, Filters(status=["closed"]))
        assert {hit.status for hit in resolved.hits} == {"closed"}


def test_a_stored_ticket_needs_no_model_and_its_words_once(
    searcher: Searcher, stored: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise AssertionError("it has its vector and its words")

    monkeypatch.setattr(searcher.questions, "vectors", fail)
    monkeypatch.setattr(Words, "of", fail)
    choices: list[list[DataType]] = [["ticket", "kb"], ["kb"]]
    for types in choices:
        hits = searcher.similar(min(stored), 5, data_types=types).hits
        assert hits
        assert any(hit.why["meaning"] is not None for hit in hits)


def test_similar_to_nothing_known(searcher: Searcher) -> None:
    with pytest.raises(InputError, match=r"no ticket '999999' in company 'acme'"):
        searcher.similar("999999")


# -- explain ---------------------------------------------------------------------------------------------------------


def test_an_explanation_is_what_the_tables_hold(
    acme_home: Home, acme: Sandbox, stored: dict[str, dict[str, Any]]
) -> None:
    doc_id = min(stored)
    told = explain(acme_home.companies, acme_home.company("acme"), doc_id)
    rows = acme_home.rows("acme")
    assert [step.table for step in told.steps] == list(tables_of("ticket"))
    assert {step.table for step in told.steps if step.state == "absent"} <= {"ticket_ratings"}
    made = [step for step in told.steps if step.state != "absent"]
    assert {step.table for step in made} == {table for table in tables_of("ticket") if doc_id in rows[table]}
    for step in made:
        content, source, made_by, _, _ = rows[step.table][doc_id]
        assert (step.state, step.content_hash, step.source_hash, step.made_by) == ("live", content, source, made_by)
        assert step.seq > 0
        assert step.updated_at.endswith("Z")
    assert len({step.run_id for step in made}) == 1
    assert (told.in_index, told.point_id) == (True, point_id("acme", "ticket", doc_id))
    ticket = next(one for one in acme.admin("acme", "truth")["tickets"] if str(one["id"]) == doc_id)
    assert told.source["updated_at"] == ticket["updated_at"]
    assert told.source["conversations"] == len(ticket["conversations"])
    assert told.waiting == []


def test_an_open_ticket_ends_before_its_summary(acme_home: Home, stored: dict[str, dict[str, Any]]) -> None:
    told = explain(acme_home.companies, acme_home.company("acme"), open_tickets(acme_home, stored)[0])
    states = {step.table: step.state for step in told.steps}
    states.pop("ticket_ratings")
    assert [*states.values()] == ["live", "live", *["absent"] * (len(states) - 2)]
    assert told.in_index is False


def test_a_document_that_only_waits_is_explained_too(synced: Home) -> None:
    company = synced.company("made")
    with synced.companies.store(company.id) as store, store.begin("a run", "2026-01-01T00:00:00Z") as write:
        write.fail("raw_tickets", {"4711": "it answered 500"}, {"4711": "2026-01-02T00:00:00Z"})
    told = explain(synced.companies, company, "4711")
    assert {step.state for step in told.steps} == {"absent"}
    assert [(entry.target, entry.reason) for entry in told.waiting] == [("raw_tickets", "it answered 500")]


def test_an_article_is_explained_by_its_own_tables(acme_home: Home) -> None:
    rows = acme_home.rows("acme")
    doc_id = min(rows["kb_passages"].keys() - rows["raw_tickets"].keys())
    told = explain(acme_home.companies, acme_home.company("acme"), doc_id)
    assert (told.data_type, told.in_index, told.point_id) == ("kb", True, point_id("acme", "kb", doc_id))
    assert [(step.table, step.state) for step in told.steps] == [
        ("raw_kb", "live"),
        ("kb_summaries", "live"),
        ("kb_passages", "live"),
        ("kb_embeddings", "live"),
        ("kb_collection", "live"),
    ]
    assert [step.content_hash for step in told.steps] == [rows[step.table][doc_id][0] for step in told.steps]
    assert told.source["language"] == rows["raw_kb"][doc_id][3]["language"]


def test_an_id_of_a_ticket_and_an_article_is_asked_for_with_its_type(synced: Home) -> None:
    company, doc_id = synced.company("made"), min(synced.rows("made")["raw_tickets"])
    with synced.companies.store(company.id) as store, store.begin("a run", "2026-01-01T00:00:00Z") as write:
        write.upsert("raw_kb", [Put(doc_id, {"id": 7, "title": "a title", "language": "ko"}, "h", "s", "m")])
        write.fail("kb_passages", {doc_id: "it is no article"}, {doc_id: "2026-01-02T00:00:00Z"})
    with pytest.raises(InputError, match=rf"ticket {doc_id} and article {doc_id}.*--in ticket or --in kb"):
        explain(synced.companies, company, doc_id)
    article = explain(synced.companies, company, doc_id, "kb")
    assert [(step.table, step.state) for step in article.steps] == [
        ("raw_kb", "live"),
        ("kb_summaries", "absent"),
        ("kb_passages", "absent"),
        ("kb_embeddings", "absent"),
        ("kb_collection", "absent"),
    ]
    assert article.source == {"id": 7, "language": "ko"}
    assert [entry.target for entry in article.waiting] == ["kb_passages"]
    ticket = explain(synced.companies, company, doc_id, "ticket")
    assert [step.table for step in ticket.steps] == list(tables_of("ticket"))
    assert ticket.waiting == []
    assert "ticket" in done("explain", "made", doc_id, "--in", "ticket").out.splitlines()[0]
    shown = done("explain", "made", doc_id, "--in", "kb").out
    assert "a title" not in shown
    assert shown.startswith(f"kb {doc_id} of made")


def test_an_unknown_document_is_not_explained(acme_home: Home) -> None:
    with pytest.raises(InputError, match=r"no document '999999' in company 'acme'"):
        explain(acme_home.companies, acme_home.company("acme"), "999999")
    with pytest.raises(InputError, match=r"no article '999999' in company 'acme'"):
        explain(acme_home.companies, acme_home.company("acme"), "999999", "kb")


def test_explain_writes_no_word_of_a_ticket(acme_home: Home, stored: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    doc_id = min(stored)
    said = done("explain", "acme", doc_id, "--json").out + done("explain", "acme", doc_id).out
    merged = acme_home.rows("acme")["merged_tickets"][doc_id][3]
    assert merged["subject"] not in said
    assert all(message["text"][:40] not in said for message in merged["messages"] if message["text"])
