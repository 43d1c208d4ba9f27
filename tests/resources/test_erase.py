"""Erasing for good, on every backend: what is searched afterwards, older copies, shared results, kill -9.

Belongs here: ``resources/erase`` on stores that a test fills. Does not belong here: the command, or syncs around it
(``tests/pipelines``).
"""

import sqlite3
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from domain.batch import Batch
from domain.company import Company, company_id
from domain.conversation import Exchange, Operation, Turn, operation_id
from domain.errors import InputError
from domain.faq_proposals import Proposal
from domain.feedback import Vote
from domain.forgotten import Forgotten, digest
from domain.judgement import JudgedQuery
from domain.recommendation import Recommendation
from domain.stage import ATTACHMENTS, COLLECTIONS, NEVER, TABLES, DataType, Made, Put, Spent, tables_of
from domain.workbook_layout import CONVERSATIONS, LAYOUT
from resources import audit, erase
from resources.companies import Companies
from resources.helpdesk.collect import Collection, Walk, names_state
from resources.helpdesk.export import Export
from resources.progress import ProgressBook, read_progress
from resources.published import PublishedTable, Publisher
from resources.settings import Settings
from resources.storage.sql import SqlCompanyStore, SqlTransaction
from resources.storage.sqlite import open_store
from resources.vector_index.base import Filters, VectorIndex, open_index
from resources.vector_index.edge import EdgeIndex
from resources.vector_index.edge_writer import EdgeWriter
from tests.processes import Child

ACME = company_id("acme")
NOW = "2026-01-01T00:00:00Z"
AT = "2025-01-03 09:00:00"
PUBLISHED = (PublishedTable("merged_tickets", "raw"), PublishedTable("ticket_summaries", "processed"))
LONG = "그리고 아주 긴 이야기 " * 700
"""Longer than a page of SQLite, and than what Postgres keeps in a row."""


def says(number: int) -> str:
    return f"secret number {number:05d} of kim, 비밀 번호 {number:05d}"


def teaches(number: int) -> str:
    return f"draft for partners {number:05d}, 파트너용 초안 {number:05d}"


def rules(number: int) -> str:
    """What a workbook says: nothing of any ticket."""
    return f"rule {number:05d} of the house, 규정 {number:05d}"


def ticket(number: int) -> dict[str, Any]:
    """A raw row as the platform export has it; every third is Kim's."""
    who = ("Kim <KIM@example.com>", "lee@example.com", {"id": 9, "email": "park@example.com"})[number % 3]
    return {
        "ticket_id": str(number), "subject": says(number), "description": f"{says(number)} {LONG}", "requester": who,
        "conversations": [], "created_at": f"2025-{number % 12 + 1:02d}-03T00:00:00Z",
    }  # fmt: skip


def payload(table: str, number: int) -> Any:
    if table == "raw_tickets":
        return ticket(number)
    if table in ("conversation_log", "conversation_archive"):
        return asdict(Turn(f"u{number}_20250103T0900", f"u{number}", AT, "user", f"{says(number)}?"))
    if table == "operations_log":
        return asdict(Operation(AT, f"u{number}_20250103T0900", f"u{number}", "", "2", f"ticket {number}", 1, 9, False))
    if table == "faq_proposals":
        behind = (f"ticket {number}", f"ticket {number + 100}")
        return asdict(Proposal(str(number), "new", "", "", (), f"{says(number)}?", "", behind, behind, 2, "2025-01-03"))
    if table.endswith("_dashboard"):
        return {"period": str(number), "keywords": {}}
    if table == "workbook":
        row = [f"u{number}_20250103T0900", f"u{number}", AT, "user", f"{says(number)}?", "", "2", "FALSE"]
        return {"tab": CONVERSATIONS, "rows": [*([] if number else [LAYOUT[CONVERSATIONS].header]), row]}
    text = (teaches if table in tables_of("kb") else says if table in tables_of("ticket") else rules)(number)
    if table in COLLECTIONS.values():
        point = {"doc_id": str(number), "company_id": ACME, "title": text, "summary": {"problem": text}}
        return {"points": [{"point": point, "indices": [number + 1], "values": [1.0]}]}
    return {"text": text, "created_at": f"2025-{number % 12 + 1:02d}-03T00:00:00Z"}


def puts(table: str, numbers: Sequence[int], version: int = 1) -> list[Put]:
    vector = array("f", [1.0, version, 0.5, 0.25]).tobytes()
    return [Put(str(i), payload(table, i), f"h{i} {version}", f"s{i}", "m", vector) for i in numbers]


def fill(companies: Companies, count: int = 30, indexed: Sequence[DataType] = ("ticket",)) -> Company:
    """A company with tickets and articles of the same ids in every table, three generations of index, another collection,
    and Parquet files. ``indexed``: whose collections there are."""
    company = Company(ACME, "export", "tickets.jsonl", {}, created_at=NOW)
    companies.add(company, "")
    index, folder = index_of(companies.settings), companies.settings.index_folder(ACME)
    with companies.store(ACME) as store:
        for version in (1, 2):
            with store.begin("run", NOW) as write:
                for table in TABLES:
                    write.upsert(table, puts(table, range(count), version))
            for data_type in indexed:
                index.writer(data_type, "m", 4).publish(store, COLLECTIONS[data_type])
            for table in PUBLISHED:
                Publisher(companies.settings.root, store).publish(table)
        for number, text in (("acme_ticket__0ddba11", says(3)), ("acme_kb__0ddba11", teaches(3))):
            (folder / number / "gen-1").mkdir(parents=True)
            (folder / number / "gen-1" / "segment").write_text(text)
        with store.begin("run", NOW) as write:
            write.fail("merged_tickets", {"3": f"cannot read {says(3)}", "4": "other"}, {"3": NOW, "4": NOW})
            write.fail(ATTACHMENTS, {"3": f"no text in {says(3)}.pdf"}, {"3": NOW})
            write.fail("raw_kb", {"3": f"cannot read {teaches(3)}"}, {"3": NOW})
            for stage in ("ticket_summaries", "kb_summaries"):
                batch = Batch(f"b {stage}", stage, "one", "gpt", "m", requests=1, created_at=NOW)
                write.wait(stage, {"3": "in a batch"})
                write.save_batch(batch)
                write.add_to_batch(batch, ["s3"])
            write.save_state("raw_kb gone", ["3", "4"])
            write.vote(Vote("r1", "thumbs_up", NOW, doc_id="3", feedback_text=says(3)))
            write.vote(Vote("r2", "thumbs_up", NOW, doc_id="4", feedback_text="fine"))
            write.save_state("raw_tickets gone", ["3", "4"])
            write.save_state("raw_tickets cursor", {"cursor": {"live": NOW}, "made_by": "x"})
        for number in (3, 4):
            spent = [Spent(f"one {number}", "one", "gpt", "first", 1, 10, 2, 0.5)]
            made, taught = Made({"said": says(number)}), Made({"said": teaches(number)})
            store.keep_paid("ticket_summaries", "m", [(f"old {number}", str(number), made)], spent, "run", NOW)
            store.keep_paid("kb_summaries", "m kb", [(f"old {number}", str(number), taught)], [], "run", NOW)
    return company


@pytest.fixture
def companies(backend: Settings) -> Companies:
    return Companies(backend)


def holding(companies: Companies, text: str) -> list[str]:
    """The files below the home that hold a text, and the tables that do, whoever's they are."""
    root = companies.settings.root
    found = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    ]
    for path in root.rglob("*.parquet"):
        found += [str(path) for row in pq.ParquetFile(path).read(["payload"])["payload"].to_pylist() if text in row]
    with companies.store(ACME) as store:
        return found + [table for table, rows in store.traces((), (text,)).items() if rows]


def index_of(settings: Settings) -> VectorIndex:
    return open_index(settings, Companies(settings).get(ACME))


def points(companies: Companies, data_type: DataType = "ticket") -> set[str]:
    live = index_of(companies.settings).reader(data_type).current()
    return {point["doc_id"] for point in live.payloads(["doc_id"], Filters())}


def forget(companies: Companies, *doc_ids: str, requester: str = "", data_type: DataType = "ticket") -> erase.Erased:
    return erase.forget(companies.settings, companies.get(ACME), PUBLISHED, doc_ids, requester, data_type)


def waiting(companies: Companies) -> set[tuple[str, str]]:
    with companies.store(ACME) as store:
        return {(entry.target, entry.doc_id) for entry in store.queue()}


def test_a_document_leaves_every_table_file_and_older_copy(companies: Companies) -> None:
    fill(companies, indexed=tuple(COLLECTIONS))
    assert len(holding(companies, says(3))) >= 6
    with companies.store(ACME) as store:
        before = {table: store.get(table, sorted(store.ids(table)), vector=True) for table in TABLES}
    erased = forget(companies, "3")
    assert (erased.documents, erased.is_clean, erased.mentioned) == (1, True, [])
    assert erased.texts > 0
    assert holding(companies, says(3)) == []
    assert points(companies) == {str(i) for i in range(30)} - {"3"}
    with companies.store(ACME) as store:
        for table in tables_of("ticket"):
            tombstone = store.get(table, ["3"], vector=True)["3"]
            assert tombstone.deleted
            said = (tombstone.payload, tombstone.vector, tombstone.content_hash, tombstone.source_hash)
            assert set(said) == {None}
            del before[table]["3"]
        copied = store.get("workbook", ["3"])["3"].payload
        assert copied["rows"] == [], "the tab's copy is without that turn"
        plain = operation_id(Operation(**{**payload("operations_log", 3), "source_id": ""}))
        assert store.get("operations_log", [plain])[plain].payload["source_id"] == ""
        after = {table: store.get(table, sorted(store.ids(table)), vector=True) for table in TABLES}
        del after["operations_log"][plain], after["workbook"]["3"], before["workbook"]["3"]
        for table in ("conversation_log", "conversation_archive", "operations_log", "faq_proposals"):
            before[table].pop("3", None)
        for table in TABLES:  # the article of the same id included
            assert after[table] == before[table]
        assert waiting(companies) == {("merged_tickets", "4"), ("raw_kb", "3"), ("kb_summaries", "3")}
        assert [line.calls for line in store.ledger()] == [2]  # what was paid stays paid
        assert [batch.id for batch in store.batches("ticket_summaries")] == ["b ticket_summaries"]
        assert set(store.paid("m kb", ["old 3", "old 4"])) == {"old 3", "old 4"}
        assert store.state("raw_kb gone") == ["3", "4"]
        assert [vote.doc_id for vote in store.votes()] == ["4"]
        assert store.state("raw_tickets gone") == ["4"]
        assert store.state("raw_tickets cursor") == {"cursor": {"live": NOW}, "made_by": "x"}
        assert list(store.paid("m", ["old 3", "old 4"])) == ["old 4"]
        assert store.forgotten().keys() == {digest(ACME, "document", "3")}
    assert len(list(companies.settings.index_folder(ACME).glob("*/gen-*"))) == len(COLLECTIONS)
    (line,) = [entry for entry in audit.entries(companies.storage, ACME) if entry.action == "forgotten"]
    assert line.detail == f"1 documents, by document {digest(ACME, 'document', '3')[:12]}"


def test_an_article_leaves_its_tables_and_the_ticket_of_the_same_id_stays(companies: Companies) -> None:
    company = fill(companies, indexed=("ticket", "kb"))
    with companies.store(ACME) as store:
        before = {table: store.get(table, sorted(store.ids(table)), vector=True) for table in TABLES}
        votes = store.votes()
    assert holding(companies, teaches(3)) != []
    erased = forget(companies, "3", data_type="kb")
    assert (erased.documents, erased.is_clean) == (1, True)
    assert erased.texts > 0
    assert holding(companies, teaches(3)) == []
    assert points(companies) == {str(i) for i in range(30)}
    with companies.store(ACME) as store:
        for table in tables_of("kb"):
            tombstone = store.get(table, ["3"], vector=True)["3"]
            assert (tombstone.deleted, tombstone.payload, tombstone.content_hash) == (True, None, None)
            del before[table]["3"]
        for table in TABLES:
            assert store.get(table, sorted(store.ids(table)), vector=True) == before[table]
        assert store.votes() == votes
        assert set(store.paid("m", ["old 3", "old 4"])) == {"old 3", "old 4"}
        assert set(store.paid("m kb", ["old 3", "old 4"])) == {"old 4"}
        assert store.waits("ticket_summaries") and not store.waits("kb_summaries")
        assert (store.state("raw_tickets gone"), store.state("raw_kb gone")) == (["3", "4"], ["4"])
        assert store.forgotten().keys() == {digest(ACME, "article", "3")}
        assert Forgotten(ACME, store.forgotten(), "kb").document("3")
        assert not Forgotten(ACME, store.forgotten()).document("3")
    of_three = {(target, "3") for target in ("merged_tickets", "ticket_summaries", ATTACHMENTS)}
    assert waiting(companies) == {*of_three, ("merged_tickets", "4")}
    (line,) = [entry for entry in audit.entries(companies.storage, ACME) if entry.action == "forgotten"]
    assert line.detail == f"1 documents, by article {digest(ACME, 'article', '3')[:12]}"
    assert erase.allow_again(companies.settings, company, ["3"]) == 0
    assert erase.allow_again(companies.settings, company, ["3"], data_type="kb") == 1


def test_an_id_of_the_other_type_is_no_document(companies: Companies) -> None:
    fill(companies, 3)
    with companies.store(ACME) as store, store.begin("run", NOW) as write:
        write.upsert("raw_kb", puts("raw_kb", [70]))
        write.upsert("raw_tickets", puts("raw_tickets", [71]))
        write.vote(Vote("r3", "thumbs_up", NOW, doc_id="72"))
    with pytest.raises(InputError, match=r"no document '70'.*say --in kb"):
        forget(companies, "70")
    with pytest.raises(InputError, match=r"no article '71'.*say --in ticket"):
        forget(companies, "71", data_type="kb")
    with pytest.raises(InputError, match="no article '72'"):  # what is voted on are tickets
        forget(companies, "72", data_type="kb")
    with companies.store(ACME) as store:
        assert store.forgotten() == {}


def test_what_an_unfinished_forget_began_is_ended_by_one_of_the_other_type(
    companies: Companies, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(companies, indexed=("ticket", "kb"))
    with monkeypatch.context() as patches:
        patches.setattr(erase, "_erase_files", lambda *_: None)
        assert not forget(companies, "3").is_clean
    erased = forget(companies, "5", data_type="kb")
    assert (erased.documents, erased.is_clean) == (2, True)
    assert holding(companies, says(3)) == holding(companies, teaches(5)) == []
    with companies.store(ACME) as store:
        assert "3" in store.ids("raw_kb")
        assert "5" in store.ids("raw_tickets")


def test_what_others_say_too_is_no_proof(companies: Companies) -> None:
    """An agent pastes an article into a ticket; a group's name stands in the account's own names."""
    fill(companies, 5)
    shared, group = "Hold the button for ten seconds", "Premium support, Seoul and Busan"
    pasted = ticket(3) | {"subject": shared, "description": says(3), "group": group}
    with companies.store(ACME) as store, store.begin("run", NOW) as write:
        write.upsert("raw_tickets", [Put("3", pasted, "h", "s", "m")])
        write.upsert("raw_kb", [Put("4", {"text": shared}, "h", "s", "m")])
    assert group in erase.choose(companies, companies.get(ACME), ["3"], "").texts
    with companies.store(ACME) as store, store.begin("run", NOW) as write:
        write.save_state(names_state(), {"groups": {"1": group}})
    assert {shared, group}.isdisjoint(erase.choose(companies, companies.get(ACME), ["3"], "").texts)
    assert shared not in erase.choose(companies, companies.get(ACME), ["4"], "", "kb").texts
    assert forget(companies, "3").is_clean
    assert shared in erase.choose(companies, companies.get(ACME), ["4"], "", "kb").texts


def test_a_requester_in_ratings_and_articles(companies: Companies) -> None:
    fill(companies, 3)
    with companies.store(ACME) as store, store.begin("run", NOW) as write:
        comment = {"text": "park@example.com told me, thank you"}
        write.upsert("ticket_ratings", [Put(number, comment, "h", "s", "m") for number in ("1", "2")])
        write.upsert("raw_kb", [Put("2", {"text": "Ask Park@Example.com"}, "h", "s", "m")])
    erased = forget(companies, requester="park@example.com")
    assert erased.is_clean
    assert (erased.documents, erased.mentioned, erased.mentioned_articles) == (1, ["1"], ["2"])
    with companies.store(ACME) as store:
        assert store.ids("ticket_ratings") == {"0", "1"}
        assert store.ids("raw_kb") == {"0", "1", "2"}


def test_a_reader_that_keeps_sqlites_log_alive_keeps_nothing_in_it(tmp_path: Path) -> None:
    companies = Companies(Settings(home=tmp_path / "home"))
    fill(companies)
    with closing(sqlite3.connect(companies.settings.company_folder(ACME) / "casebook.sqlite")) as reader:
        assert reader.execute("SELECT count(*) FROM raw_tickets").fetchone() == (30,)
        with companies.store(ACME) as store, store.begin("run", NOW) as write:
            write.upsert("raw_tickets", puts("raw_tickets", [3], version=3))
        assert "companies/acme/casebook.sqlite-wal" in holding(companies, says(3))
        assert forget(companies, "3").is_clean
        assert holding(companies, says(3)) == []
        assert reader.execute("SELECT count(*) FROM raw_tickets WHERE NOT deleted").fetchone() == (29,)


@pytest.mark.parametrize("offset", [0, (1 << 20) - 7, 1 << 20, 5 * (1 << 20) - 1, (8 << 20) - 60])
def test_what_is_left_is_found_wherever_in_a_file_of_holes_it_lies(tmp_path: Path, offset: int) -> None:
    companies = Companies(Settings(home=tmp_path / "home"))
    fill(companies, 5)
    (left := companies.settings.root / "logs").mkdir()
    with (left / "debug.log").open("wb") as file:
        file.truncate(8 << 20)
        file.seek(offset)
        file.write(says(3).encode())
    (proof,) = [store for store in forget(companies, "3").proof if store.places]
    assert proof.store == "bytes of files" and len(proof.places) == 1 and "debug.log" in proof.places[0]


def test_what_the_source_deleted_before_is_forgotten_in_its_older_copies_too(companies: Companies) -> None:
    fill(companies)
    with companies.store(ACME) as store, store.begin("run", NOW) as write:
        for table in TABLES:
            write.delete(table, ["5"])
    assert holding(companies, says(5)) != []  # the index and the files follow with the next sync
    assert forget(companies, "5").is_clean
    assert holding(companies, says(5)) == []


def test_the_last_document_and_the_last_of_a_month(companies: Companies) -> None:
    fill(companies, 2)
    assert forget(companies, "0").is_clean
    assert len(list(companies.settings.root.glob("published/*/*/company_id=acme/month=*/*.parquet"))) == 2
    assert forget(companies, "1").is_clean
    assert holding(companies, says(0)) == holding(companies, says(1)) == []
    assert list(companies.settings.root.glob("published/*/*/company_id=acme/month=*/*.parquet")) == []


def test_a_result_that_another_document_paid_for_goes_and_that_one_keeps_its_row(companies: Companies) -> None:
    fill(companies)
    with companies.store(ACME) as store:
        for number in (6, 7):  # equal content: made once, paid for by 7
            with store.begin("run", NOW) as write:
                write.upsert("ticket_embeddings", [Put(str(number), {"said": "shared"}, "hs", "same", "m", b"\0" * 16)])
        store.keep_paid("ticket_summaries", "m", [("same", "7", Made({"said": "shared"}))], [], "run", NOW)
    assert forget(companies, "6").is_clean
    with companies.store(ACME) as store:
        assert store.paid("m", ["same"]) == {}
        assert store.get("ticket_embeddings", ["7"])["7"].payload == {"said": "shared"}


def test_a_requester_goes_with_all_ids_and_addresses_that_are_theirs(companies: Companies) -> None:
    fill(companies)
    with companies.store(ACME) as store, store.begin("run", NOW) as write:
        moved = ticket(40) | {"requester": {"id": 9, "email": "park@new.example.com"}}
        mention = ticket(41) | {"requester": "lee@example.com", "description": "as Park@Example.com wrote"}
        for number, one in ((40, moved), (41, mention)):
            write.upsert("raw_tickets", [Put(str(number), one, "h", "s", "m")])
    erased = forget(companies, requester="Park <PARK@example.com>")
    assert erased.is_clean
    assert erased.documents == 11  # ten by the address, one by the helpdesk's id
    assert erased.mentioned == ["41"]
    with companies.store(ACME) as store:
        assert not {"40", "2", "29"} & (store.ids("raw_tickets") | store.ids("ticket_ratings"))
        assert {"2", "29"} <= store.ids("raw_kb")
        assert digest(ACME, "requester", "park@example.com") in store.forgotten()
        assert digest(ACME, "requester", "id 9") in store.forgotten()
        listed = len(store.forgotten())
    assert points(companies) == {str(i) for i in range(30) if i % 3 != 2}
    assert listed == 11 + 2
    forget(companies, "3")
    assert erase.allow_again(companies.settings, companies.get(ACME), [], "park@example.com") == listed
    with companies.store(ACME) as store:
        assert store.forgotten().keys() == {digest(ACME, "document", "3")}
    for entry in audit.entries(companies.storage, ACME):
        assert "park" not in entry.detail.lower()


def test_a_requesters_votes_and_what_others_wrote_of_them_in_votes_go(companies: Companies) -> None:
    fill(companies, 3)
    with companies.store(ACME) as store, store.begin("run", NOW) as write:
        write.vote(Vote("theirs", "thumbs_down", NOW, user_id="Park <PARK@Example.com>", feedback_text="call me"))
        write.vote(Vote("by id", "thumbs_down", NOW, user_id="9"))
        write.vote(Vote("quoted", "thumbs_down", NOW, user_id="lee", feedback_text="메일:\nPark@example.com으로"))
        write.vote(
            Vote("longer", "thumbs_down", NOW, user_id="s.park@example.com.kr", feedback_text="x-park@example.com")
        )
        write.vote(Vote("tomorrow", "thumbs_up", "2999-01-01T00:00:00Z", user_id="9"))
    assert forget(companies, requester="park@example.com").is_clean
    with companies.store(ACME) as store:
        assert {vote.recommendation_id for vote in store.votes()} == {"r1", "r2", "longer", "tomorrow"}
        with store.begin("run", NOW) as write:
            write.save_state("somewhere else", {"of": ["x\nPark@Example.com"]})
    erased = forget(companies, requester="park@example.com")
    assert [(one.store, one.left) for one in erased.proof if one.left] == [("states", 1)]


def test_the_homes_of_other_machines_follow_with_their_next_sync(postgres: Settings, tmp_path: Path) -> None:
    here, there = Companies(postgres), Settings(home=tmp_path / "there", storage=postgres.storage)
    fill(here)

    def publish(settings: Settings, store: SqlCompanyStore) -> int:
        index = index_of(settings)
        done = [erase.publish(index, store, index.writer(one, "m", 4), one) for one in COLLECTIONS]
        return done[0].generation

    def sync_there() -> int:
        with here.store(ACME) as store:
            for table in PUBLISHED:
                Publisher(there.root, store).publish(table)
            return publish(there, store)

    def edit(number: int) -> None:
        with here.store(ACME) as store, store.begin("run", NOW) as write:
            write.upsert("ticket_collection", puts("ticket_collection", [number], 3))

    sync_there()
    edit(4)
    assert sync_there() == 2
    erased = forget(here, "3")
    assert erased.is_clean
    assert any("other machines" in place for place in erased.out_of_reach)
    assert len(holding(Companies(there), says(3))) > 3
    assert sync_there() == 3
    assert holding(Companies(there), says(3)) == []
    assert points(Companies(there)) == points(here)
    edit(5)
    sync_there()
    assert len(list(there.index_folder(ACME).glob("acme_ticket*/gen-*"))) == 2  # an ordinary night again
    with here.store(ACME) as store:  # nor is the home anew that has forgotten itself
        publish(postgres, store)
    assert len(list(postgres.index_folder(ACME).glob("acme_ticket*/gen-*"))) == 2


def test_a_forget_that_was_cut_off_looks_for_the_same_documents_again(
    companies: Companies, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(companies)

    def cut_off(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patches:
        patches.setattr(erase, "_erase_files", cut_off)
        with pytest.raises(KeyboardInterrupt):
            forget(companies, requester="park@example.com")
        patches.setattr(erase, "_erase_files", lambda *_: None)
        for requester in ("park@example.com", "nobody@example.com"):
            erased = forget(companies, requester=requester)
            assert erased.documents == 10
            assert {one.store for one in erased.proof if one.left} == {"index", "published files"}
            assert any("by their ids only" in place for place in erased.out_of_reach)
    erased = forget(companies, requester="park@example.com")
    assert (erased.documents, erased.is_clean) == (10, True)
    erased = forget(companies, requester="park@example.com")
    assert (erased.documents, erased.is_clean) == (0, True)
    assert not any("by their ids only" in place for place in erased.out_of_reach)


def test_a_requester_of_whom_nothing_is_here_is_listed(companies: Companies) -> None:
    fill(companies, 3)
    erased = forget(companies, requester="nobody@example.com")
    assert (erased.documents, erased.is_clean) == (0, True)
    with companies.store(ACME) as store:
        assert store.forgotten().keys() == {digest(ACME, "requester", "nobody@example.com")}


def test_forgetting_twice_and_allowing_again(companies: Companies) -> None:
    company = fill(companies)
    forget(companies, "3")
    assert forget(companies, "3").is_clean
    with pytest.raises(InputError, match="no document '99'"):
        forget(companies, "99")
    assert erase.allow_again(companies.settings, company, ["3"]) == 1
    assert erase.allow_again(companies.settings, company, ["3"]) == 0
    with companies.store(ACME) as store:
        assert store.forgotten() == {}
        assert "3" not in store.ids("raw_tickets")


def test_ids_that_are_keys_of_a_state_leave_it_whole(companies: Companies) -> None:
    fill(companies, 3)
    states = {
        "raw_tickets cursor": {"cursor": {"live": "live"}, "made_by": "x"},
        "migration": {"table": "", "after": ["x"]},
    }
    with companies.store(ACME) as store, store.begin("run", NOW) as write:
        names = ("cursor", "made_by", "live", "table", "after", "x")
        write.upsert("raw_tickets", [Put(name, ticket(50), "h", "s", "m") for name in names])
        for name, value in states.items():
            write.save_state(name, value)
        write.save_state("raw_tickets gone", ["2", *names])
    assert forget(companies, *names).is_clean
    with companies.store(ACME) as store:
        assert {name: store.state(name) for name in states} == states
        assert store.state("raw_tickets gone") == ["2"]


def test_hostile_ids_and_addresses_match_themselves_only(companies: Companies) -> None:
    fill(companies, 3)
    odd = "a' OR '1'='1; --%_\\"
    with companies.store(ACME) as store, store.begin("run", NOW) as write:
        write.upsert("raw_tickets", [Put(odd, ticket(50), "h", "s", "m")])
    assert forget(companies, odd).documents == 1
    assert forget(companies, requester="%@example.com").documents == 0
    with companies.store(ACME) as store:
        assert store.ids("raw_tickets") == {"0", "1", "2"}


def test_a_ticket_that_came_to_a_forgotten_requester_leaves_with_its_ratings(tmp_path: Path) -> None:
    file = tmp_path / "tickets.jsonl"
    with open_store(tmp_path / "acme", ACME) as store:
        file.write_bytes(orjson.dumps(ticket(4) | {"requester": "lee@example.com"}))
        Collection(Export(file), store, "run", NOW).run(Walk())
        with store.begin("run", NOW) as write:
            write.upsert("ticket_ratings", puts("ticket_ratings", [4]))
            write.fail(ATTACHMENTS, {"4": "no text in a file"}, {"4": NEVER})
            write.forget([digest(ACME, "requester", "park@example.com")], "requester")
        assert store.ids("raw_tickets") == {"4"}
        file.write_bytes(orjson.dumps(ticket(4) | {"requester": "park@example.com"}))
        report = Collection(Export(file), store, "run", NOW).run(Walk())
        assert report.removed == 1
        assert store.ids("raw_tickets") == store.ids("ticket_ratings") == set()
        assert store.queue() == []


# --- kill -9 ----------------------------------------------------------------------------------------------------------

STAGES = ("before the commit", "after the commit", "index", "older index", "parquet", "scrub", "proof")


@pytest.mark.parametrize("stage", STAGES)
def test_a_forget_that_is_killed_is_ended_by_the_same_command(companies: Companies, stage: str) -> None:
    fill(companies)
    with Child(forget_until, companies.settings, stage) as child:
        assert child.hear() == stage
    with companies.store(ACME) as store:
        rows = {table: "3" in store.ids(table) for table in tables_of("ticket")}
        listed = digest(ACME, "document", "3") in store.forgotten()
    # All or nothing: what has gone from one table has gone from all, and is on the list.
    assert set(rows.values()) == {not listed}
    assert listed == (stage != "before the commit")
    assert forget(_freed(companies), "3").is_clean
    assert holding(companies, says(3)) == []
    assert points(companies) == {str(i) for i in range(30)} - {"3"}


def _freed(companies: Companies) -> Companies:
    """Postgres takes a moment to see that a client is dead."""
    for _ in range(100):
        if companies.is_free(ACME):
            break
        time.sleep(0.1)
    return companies


def forget_until(say: Callable[[str], None], settings: Settings, stage: str) -> None:
    """Forget document 3, and stand still at a stage of it."""

    def still(*_: Any, **__: Any) -> Any:
        say(stage)
        time.sleep(60)

    companies = Companies(settings)
    holder, name = {
        "before the commit": (SqlTransaction, "save_state"),
        "after the commit": (erase, "_erase_files"),
        "index": (EdgeWriter, "_make_live"),
        "older index": (EdgeIndex, "drop_leftovers"),
        "parquet": (Publisher, "publish"),
        "scrub": (type(companies.storage), "scrub"),
        "proof": (erase, "_proof"),
    }[stage]
    setattr(holder, name, still)
    forget(companies, "3")


# --- a whole company --------------------------------------------------------------------------------------------------


def test_a_removed_company_is_not_in_the_progress_any_more(tmp_path: Path) -> None:
    companies = Companies(Settings(home=tmp_path / "home"))
    company = fill(companies, 2)
    root = companies.settings.root
    for one in (ACME, "other"):
        ProgressBook(root, one, "run").finished("failed")
    erased = erase.remove(companies.settings, company)
    assert [one.left for one in erased.proof if one.store == "progress"] == [0]
    assert read_progress(root, ACME, is_free=True) is None
    assert read_progress(root, "other", is_free=True)
    assert any("progress/*.log" in place for place in erased.out_of_reach)


def test_a_removal_says_what_it_erased_and_that_nothing_is_left(companies: Companies, tmp_path: Path) -> None:
    company = fill(companies)
    link = companies.settings.root / "published" / "raw" / "moved" / "company_id=acme"
    link.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    link.symlink_to(tmp_path / "elsewhere")
    erased = erase.remove(companies.settings, company)
    assert erased.is_clean
    assert erased.counts == dict.fromkeys(TABLES, 30)
    assert {"companies", "company_secrets", "company's folder", "published files", "lock"} <= {
        one.store for one in erased.proof
    }
    assert any("elsewhere" in place for place in erased.out_of_reach)
    assert not link.is_symlink()
    root = companies.settings.root
    assert [path for path in root.rglob("*acme*") if path.name != "acme-2"] == []
    assert [path for path in root.rglob("*") if path.is_file() and b"secret number" in path.read_bytes()] == []
    for line in ("example.com", "tickets.jsonl"):  # the registry's own free pages and log
        assert not any(line.encode() in path.read_bytes() for path in root.glob("registry*"))
    companies.add(company, "")
    with companies.store(ACME) as store:
        assert store.ids("raw_tickets") == set()


def test_what_a_removal_leaves_is_named(companies: Companies) -> None:
    company = fill(companies, 2)
    stray = companies.settings.root / "published" / "raw" / "tickets" / "company_id=acme"
    original = companies.remove

    def remove_badly(self: Companies, one: Company) -> None:
        original(one)
        stray.mkdir(parents=True)

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(Companies, "remove", remove_badly)
        erased = erase.remove(companies.settings, company)
    assert not erased.is_clean
    assert [one.places for one in erased.proof if one.left] == [[f"{stray}: 1"]]


def test_questions_in_the_words_of_what_is_forgotten_go_too(companies: Companies) -> None:
    fill(companies, 6)
    asked = {"in its words": f"NUMBER 00003  of {says(3)[23:]}", "anybody's": "secret number", "of another": says(4)}
    with companies.store(ACME) as store:
        store.keep_recommendations(Recommendation(name, NOW, text, {}, [], {}) for name, text in asked.items())
        with store.begin("run", NOW) as write:
            write.replace_judged([JudgedQuery(name, text, {"5": 1.0}) for name, text in asked.items()])
    assert forget(companies, "3").is_clean
    with companies.store(ACME) as store:
        assert {one.recommendation_id for one in store.recommendations()} == {"anybody's", "of another"}
        assert {one.query_id for one in store.judged()} == {"anybody's", "of another"}


def test_texts_that_a_run_found_left_are_looked_for_by_the_next(tmp_path: Path) -> None:
    companies = Companies(Settings(home=tmp_path / "home"))
    fill(companies, 5)
    log = companies.settings.root / "logs" / "debug.log"
    log.parent.mkdir()
    log.write_text(says(3))
    for _ in range(2):  # the ticket, and with it its words, is gone the second time
        erased = forget(companies, "3")
        assert [(one.store, one.left) for one in erased.proof if one.left] == [("bytes of files", 1)]
        assert not any("by their ids only" in place for place in erased.out_of_reach)
    log.unlink()
    assert forget(companies, "3").is_clean
    assert holding(companies, says(3)[:30]) == []


def test_a_chats_user_goes_by_address_or_by_the_chats_own_id(tmp_path: Path) -> None:
    companies = Companies(Settings(home=tmp_path / "home"))
    company = fill(companies, 5)
    with companies.store(ACME) as store:
        store.keep_exchanges([Exchange(n, f"{n}_1", n, NOW, "연차?", NOW, "3일", 1) for n in ("Kim@example.com", "u3")])
    assert forget(companies, requester="kim@example.com").is_clean
    with pytest.raises(InputError, match="no chat user 'u77'"):
        erase.choose(companies, company, (), "", user="u77")
    assert erase.forget(companies.settings, company, PUBLISHED, (), user="u3").is_clean
    with companies.store(ACME) as store:
        assert store.exchanges("") == []
        assert "u3" not in {
            row.payload["user_id"] for row in store.get("conversation_log", ["1", "3"]).values() if row.payload
        }
        assert not any(store.of_user(lambda user_id: user_id == "u3").values())
        assert store.of_user(lambda user_id: user_id == "u4")["conversation_log"] == 1
    assert any("workbook itself" in place for place in erase.OUT_OF_REACH)
