"""The bundled models: real ones, on short texts."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from domain.errors import InputError, StorageError
from resources import embedder
from resources.embedder import BUNDLED, Embedder, choose_model, open_embedder

ODD = ["", " ", "word " * 30_000, "가" * 30_000, "nul\0inside", "lone \ud800 surrogate", "🙂"]


@pytest.fixture(params=list(BUNDLED))
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Embedder:
    """Each bundled model, with every way to the network closed."""
    name: str = request.param
    if name == "e5-multi" and not embedder._has_e5():
        pytest.skip("e5-multi does not run on this machine")

    def closed(*_: object) -> NoReturn:
        raise AssertionError("an embedding model tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", closed)
    monkeypatch.setattr(socket, "getaddrinfo", closed)
    return open_embedder(name)


def close(model: Embedder, question: str, texts: Sequence[str]) -> int:
    """Which of the texts a question is closest to."""
    return int(np.argmax(model.embed(texts, "passage") @ model.embed([question], "query")[0]))


def test_unit_vectors_of_the_model_size(model: Embedder) -> None:
    vectors = model.embed(ODD, "passage")
    assert vectors.shape == (len(ODD), model.size)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert model.embed([], "query").shape == (0, model.size)


def test_meaning(model: Embedder) -> None:
    texts = [
        "The invoice shows a wrong amount",
        "I forgot my password and cannot sign in",
        "The printer is out of paper",
    ]
    assert close(model, "how can I reset my login credentials", texts) == 1


@pytest.mark.parametrize("model", ["e5-multi", "use-multi"], indirect=True)
def test_korean_meaning(model: Embedder) -> None:
    texts = ["세금계산서 금액이 잘못 나왔습니다", "암호를 잊어버려서 접속을 못 하고 있어요", "프린터에 종이가 없습니다"]
    assert close(model, "비밀번호를 다시 설정하는 방법", texts) == 1


def test_a_vector_is_the_same_in_any_company(model: Embedder) -> None:
    texts = ["printer", "How do I reset my password? " * 9, "비밀번호 재설정", "", "x"]
    together = model.embed(texts, "passage")
    for text, vector in zip(texts, together, strict=True):
        assert (model.embed([text], "passage")[0] == vector).all()


def test_text_past_the_limit_is_not_read(model: Embedder) -> None:
    head = "word " * (model.max_chars // 5)
    assert (model.embed([head + "one"], "query") == model.embed([head + "other"], "query")).all()


def test_opened_once_by_name_or_model_id() -> None:
    for name in BUNDLED:
        model = open_embedder(name)
        assert open_embedder(name) is model is open_embedder(model.model_id)


def test_unknown_name() -> None:
    with pytest.raises(InputError, match="minilm-en"):
        open_embedder("ada")


def test_e5_says_what_to_use_where_it_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    with pytest.raises(InputError, match="use-multi"):
        BUNDLED["e5-multi"]().embed(["text"], "query")


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ([], "minilm-en"),
        (["printer"], "minilm-en"),
        (["printer µ café"] * 3, "minilm-en"),
        (["printer"] * 99 + ["프린터"], "minilm-en"),
        (["printer"] * 9 + ["프린터"], "e5-multi"),
        (["프린터 offline"], "e5-multi"),
        (["принтер"], "e5-multi"),
    ],
)
def test_auto(texts: list[str], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "_has_e5", lambda: True)
    assert choose_model(texts) == name


def test_auto_where_e5_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "_has_e5", lambda: False)
    assert choose_model(["프린터"]) == "use-multi"


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('the package must not be imported')")
    (package / "model.bin").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StorageError, match=r"model\.bin"):
        embedder._data_file("weights", "model.bin", "0" * 64)
    with pytest.raises(InputError, match="not installed"):
        embedder._data_file("weights", "absent.bin", "0" * 64)
    with pytest.raises(InputError, match="no_such_package"):
        embedder._data_file("no_such_package", "model.bin", "0" * 64)
