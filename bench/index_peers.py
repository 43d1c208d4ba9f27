"""Public indexing pipelines that ``bench.index`` puts beside Casebook; runs in an environment of its own.

    PYTHON bench/index_peers.py langchain|llamaindex|cocoindex VECTORS.npy FOLDER

The vectors are given, so no model is timed. All write to Qdrant's local mode. Prints the seconds of a first load, of the
same again, and with 1 % of the texts changed, and with 1 % gone, as JSON.

Belongs here: the peers' calls, as their documentation has them. Does not belong here: anything of Casebook.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

TEXT = "The printer on the second floor does not print; 2층 프린터가 인쇄되지 않습니다. " * 9


def texts(count: int, changed: int = 0) -> dict[str, str]:
    return {f"{n}": f"{n} {'again' if n < changed else ''} {TEXT}" for n in range(count)}


def timed(work: Callable[[], Any]) -> dict[str, float]:
    started, before = time.perf_counter(), time.process_time()
    work()
    return {"seconds": time.perf_counter() - started, "cpu": time.process_time() - before}


def steps(count: int, sync: Callable[[dict[str, str]], Any]) -> dict[str, Any]:
    few = max(1, count // 100)
    everything, changed = texts(count), texts(count, few)
    left = dict(list(changed.items())[: count - few])
    return {
        "load": timed(lambda: sync(everything)),
        "unchanged": timed(lambda: sync(everything)),
        "changed": timed(lambda: sync(changed)),
        "deleted": timed(lambda: sync(left)),
    }


def given(vectors: Any, texts: list[str]) -> list[list[float]]:
    """The vector of the number that a text begins with; a peer may ask for a text of its own, to see the size."""
    first = [text.split()[0] for text in texts]
    return [vectors[int(word) if word.isdigit() else 0].tolist() for word in first]


def langchain(vectors: Any, folder: Path) -> dict[str, Any]:
    from langchain_classic.indexes import SQLRecordManager, index
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient
    from qdrant_client.models import Distance, VectorParams

    class Given(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return given(vectors, texts)

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    client = QdrantClient(path=str(folder / "qdrant"))
    client.create_collection("bench", VectorParams(size=vectors.shape[1], distance=Distance.COSINE))
    store = QdrantVectorStore(client, "bench", Given())
    records = SQLRecordManager("bench", db_url=f"sqlite:///{folder / 'records.sqlite'}")
    records.create_schema()

    def sync(wanted: dict[str, str]) -> None:
        documents = [Document(text, metadata={"source": doc_id}) for doc_id, text in wanted.items()]
        index(documents, records, store, cleanup="full", source_id_key="source", batch_size=1000)

    return steps(len(vectors), sync)


def llamaindex(vectors: Any, folder: Path) -> dict[str, Any]:
    from llama_index.core import Document
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
    from llama_index.core.storage.docstore import SimpleDocumentStore
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    class Given(MockEmbedding):
        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return given(vectors, texts)

    store = QdrantVectorStore("bench", client=QdrantClient(path=str(folder / "qdrant")))
    pipeline = IngestionPipeline(
        transformations=[Given(embed_dim=vectors.shape[1], embed_batch_size=1000)],
        docstore=SimpleDocumentStore(),
        vector_store=store,
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        disable_cache=True,
    )

    def sync(wanted: dict[str, str]) -> None:
        pipeline.run(
            documents=[Document(text=text, id_=str(uuid5(NAMESPACE_URL, doc_id))) for doc_id, text in wanted.items()]
        )

    return steps(len(vectors), sync)


def cocoindex(vectors: Any, folder: Path) -> dict[str, Any]:
    os.environ["COCOINDEX_DISABLE_USAGE_TRACKING"] = "1"
    import cocoindex as coco
    import numpy as np
    from cocoindex.connectors import qdrant
    from cocoindex.resources.schema import VectorSchema
    from qdrant_client import QdrantClient

    database = coco.ContextKey[Any]("bench_qdrant")
    wanted: dict[str, str] = {}

    @coco.lifespan
    async def lifespan(builder: Any) -> Any:
        builder.settings.db_path = folder / "state"
        builder.provide(database, QdrantClient(path=str(folder / "qdrant")))
        yield

    @coco.fn(memo=True)
    async def declare(text: str, target: Any) -> None:
        doc_id = text.split()[0]
        vector = given(vectors, [text])[0]
        point = qdrant.PointStruct(id=str(uuid5(NAMESPACE_URL, doc_id)), vector=vector, payload={"text": text})
        target.declare_point(point)

    @coco.fn
    async def run() -> None:
        size = VectorSchema(np.dtype("float32"), vectors.shape[1])
        schema = await qdrant.CollectionSchema.create(vectors=qdrant.QdrantVectorDef(schema=size))
        target = await qdrant.mount_collection_target(database, "bench", schema)
        await coco.mount_each(declare, wanted.items(), target)

    app = coco.App("bench", run)

    def sync(now: dict[str, str]) -> None:
        wanted.clear()
        wanted.update(now)
        app.update_blocking()

    return steps(len(vectors), sync)


PEERS: dict[str, Callable[[Any, Path], dict[str, Any]]] = {
    "langchain": langchain,
    "llamaindex": llamaindex,
    "cocoindex": cocoindex,
}


def main() -> None:
    name, given, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    folder.mkdir(parents=True)
    try:
        import numpy as np

        print(json.dumps(PEERS[name](np.load(given), folder)))
    except ImportError as missing:
        sys.exit(f"not installed: {missing.name}")


if __name__ == "__main__":
    main()
