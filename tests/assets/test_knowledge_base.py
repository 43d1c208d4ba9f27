"""The article assets under whatever configuration Dagster's pages can give them, and what they leave in its history.

Belongs here: runs of the job with a configuration that the command refuses. Does not belong here: what a walk brings
(``tests/resources``).
"""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from domain.ticket_stages import model_of
from pipelines.definitions import build
from pipelines.instance import opened
from resources.company_run import silent
from resources.vector_index.base import open_index
from tests.homes import Home, casebook, done

SECRET = "a cell that nobody may read"
COLLECTING = ("raw_tickets", "raw_kb")


@pytest.fixture
def exported(home: Home, tmp_path: Path) -> Path:
    """The folder of a registered export of two tickets and two articles."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "tickets.csv").write_text("ticket_id,subject,description\n1,Printer,It jams.\n2,Wifi,It drops.\n")
    (folder / "kb.csv").write_text("article_id,title,body\n2,Wifi,Restart it.\n7,Printer,Open the lid.\n")
    done("company", "add", "tiny", "--platform", "export", "--path", str(folder))
    return folder


def run(home: Home, *assets: str, **config: Any) -> tuple[dg.ExecuteInProcessResult, str]:
    """A run of some assets, all with one configuration; and all that Dagster's history says of it."""
    with opened(home.settings) as instance:
        instance.add_dynamic_partitions("companies", ["tiny"])
        result = (
            build(silent)
            .resolve_job_def("sync")
            .execute_in_process(
                instance=instance,
                partition_key="tiny",
                asset_selection=[dg.AssetKey(name) for name in assets],
                run_config={
                    "ops": {name: {"config": config} for name in assets},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                raise_on_error=False,
            )
        )
        return result, "\n".join(str(entry) for entry in instance.all_logs(result.run_id))


def notes(result: dg.ExecuteInProcessResult, asset: str) -> str:
    (event,) = result.asset_materializations_for_node(asset)
    value = event.metadata.get("notes")
    return str(value.value) if value else ""


@pytest.mark.parametrize("config", [{"since": "2026-01-01"}, {"until": "2026-01-01"}])
def test_articles_have_no_days(home: Home, exported: Path, config: dict[str, str]) -> None:
    done("sync", "tiny", "--only", "kb")
    result, _ = run(home, "raw_kb", **config)
    assert result.success
    assert notes(result, "raw_kb").startswith("articles are always walked whole")
    assert set(home.rows("tiny")["raw_kb"]) == {"2", "7"}


def test_a_document_asked_for_beside_tickets_is_a_ticket(home: Home, exported: Path) -> None:
    result, _ = run(home, *COLLECTING, doc="1")
    assert result.success
    assert notes(result, "raw_kb").startswith("one document was asked for")
    rows = home.rows("tiny")
    assert (set(rows["raw_tickets"]), set(rows["raw_kb"])) == ({"1"}, set())


def test_a_document_asked_of_articles_alone_is_an_article(home: Home, exported: Path) -> None:
    result, _ = run(home, "raw_kb", doc="7")
    assert result.success
    assert notes(result, "raw_kb") == ""
    assert set(home.rows("tiny")["raw_kb"]) == {"7"}
    assert not run(home, "raw_kb", doc="1")[0].success


@pytest.mark.parametrize("name", ["tickets.csv", "kb.csv"])
def test_no_cell_of_a_broken_export_is_in_dagsters_history(home: Home, exported: Path, name: str) -> None:
    file = exported / name
    row = file.read_text().splitlines()[1].split(",", 1)[1]
    file.write_text(f"{file.read_text()}{SECRET},{row}\n{SECRET},{row}\n")
    for asset in COLLECTING:
        result, history = run(home, asset)
        broken = name == ("kb.csv" if asset == "raw_kb" else "tickets.csv")
        assert result.success != broken
        assert SECRET not in history
        assert ("the export cannot be read." in history) == broken


def test_articles_whose_file_is_gone_are_searched_on_and_follow_a_change_of_model(home: Home, exported: Path) -> None:
    """As tickets whose file is gone: nothing is deleted. But the model before is needed no more."""
    done("company", "set", "tiny", "embedding_model=minilm-en")
    done("sync", "tiny")
    (exported / "kb.csv").unlink()
    done("company", "set", "tiny", "embedding_model=use-multi")
    outcome = done("sync", "tiny", "--json").json
    assert any("the articles of this export are gone" in note for note in outcome["notes"])
    assert all(outcome["checks"].values())
    (live,) = [one for one in open_index(home.settings, home.company("tiny")).built("kb") if one.is_live]
    assert (model_of(live.made_by), live.count) == ("use-multi-1", 2)
    assert casebook("sync", "tiny", "--only", "kb").code == 2
    (exported / "kb.csv").write_text("article_id,title,body\n")  # so they are taken out
    done("sync", "tiny")
    assert home.rows("tiny")["kb_collection"] == {}
