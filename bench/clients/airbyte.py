"""Airbyte's CDK, which its public Freshdesk connector is a manifest for: ``source-declarative-manifest`` with a manifest of
ours that asks the same of the API in its streams ``tickets`` and ``conversations``.

That is: tickets by ``updated_at``, ascending, from the last one seen, with description, requester and stats, 100 a page;
behind the last page that Freshdesk gives (a 400) from the newest ticket on; the conversations of each of these tickets,
all of them every time, for the stream has no cursor; failures waited for by ``Retry-After``; 5 workers. Its optional
plan of requests a minute is not set, as it is not by default. The address is part of a manifest, so nothing is redirected.

Belongs here: manifest, catalog and state. Does not belong here: a destination; the messages are what is measured.
"""

import json
import sys
from typing import Any

from bench.clients import Rows, Task, lines, main, stdout_to

REQUIRES = ("airbyte-cdk==7.39.1",)
PLATFORM = "freshdesk"
THREADS = True
Json = dict[str, Any]
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def manifest(task: Task) -> Json:
    def retriever(path: str, answers: list[Json], paginator: Json, **more: Any) -> Json:
        handlers: list[Json] = [
            {"type": "DefaultErrorHandler", "response_filters": answers},
            {
                "type": "DefaultErrorHandler",
                "backoff_strategies": [{"type": "WaitTimeFromHeader", "header": "Retry-After"}],
            },
        ]
        requester: Json = {
            "type": "HttpRequester",
            "url_base": f"{task.url}/api/v2/",
            "path": path,
            "http_method": "GET",
            "authenticator": {"type": "BasicHttpAuthenticator", "username": task.key},
            "error_handler": {"type": "CompositeErrorHandler", "error_handlers": handlers},
        }
        selector = {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}}
        return {"type": "SimpleRetriever", "requester": requester | more.pop("requester", {}),
                "record_selector": selector, "paginator": paginator, **more}  # fmt: skip

    def stream(name: str, retriever: Json, **more: Any) -> Json:
        schema = {"type": "InlineSchemaLoader", "schema": {"type": "object", "additionalProperties": True}}
        return {"type": "DeclarativeStream", "name": name, "primary_key": ["id"], "retriever": retriever,
                "schema_loader": schema, **more}  # fmt: skip

    def in_query(name: str) -> Json:
        return {"type": "RequestOption", "field_name": name, "inject_into": "request_parameter"}

    refused = {"type": "HttpResponseFilter", "action": "FAIL", "http_codes": [401], "error_message": "401"}
    too_far = {"type": "HttpResponseFilter", "action": "RESET_PAGINATION", "http_codes": [400]}
    by_number = {
        "type": "DefaultPaginator",
        "page_token_option": in_query("page"),
        "page_size_option": in_query("per_page"),
        "pagination_strategy": {"type": "PageIncrement", "page_size": 100, "start_from_page": 1},
    }
    by_link = {
        "type": "DefaultPaginator",
        "page_token_option": {"type": "RequestPath"},
        "page_size_option": in_query("per_page"),
        "pagination_strategy": {
            "type": "CursorPagination",
            "page_size": 100,
            "cursor_value": "{{ headers['link']['next']['url'] }}",
            "stop_condition": "{{ 'next' not in headers['link'] }}",
        },
    }
    order = {"order_by": "updated_at", "order_type": "asc", "include": "description,requester,stats"}
    tickets = stream(
        "tickets",
        retriever("tickets", [refused, too_far], by_number, requester={"request_parameters": order},
                  pagination_reset={"type": "PaginationReset", "action": "SPLIT_USING_CURSOR"}),
        incremental_sync={
            "type": "DatetimeBasedCursor",
            "cursor_field": "updated_at",
            "cursor_datetime_formats": [MOMENT],
            "datetime_format": MOMENT,
            "start_datetime": {"type": "MinMaxDatetime", "datetime": "2010-01-01T00:00:00Z", "datetime_format": MOMENT},
            "start_time_option": in_query("updated_since"),
        },
    )  # fmt: skip
    parent = {"type": "ParentStreamConfig", "parent_key": "id", "partition_field": "id", "stream": tickets}
    router = {"type": "SubstreamPartitionRouter", "parent_stream_configs": [parent]}
    threads = retriever("tickets/{{ stream_slice.id }}/conversations", [refused], by_link, partition_router=router)
    return {
        "version": "6.36.2",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["tickets"]},
        "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": 5, "max_concurrency": 16},
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "additionalProperties": True}},
        "streams": [tickets, stream("conversations", threads)],
    }


def catalog(task: Task) -> Json:
    def configured(name: str, mode: str) -> Json:
        stream = {"name": name, "json_schema": {"type": "object"}, "supported_sync_modes": [mode]}
        return {"stream": stream, "sync_mode": mode, "destination_sync_mode": "append"}

    both = [configured("tickets", "incremental"), configured("conversations", "full_refresh")]
    return {"streams": both if task.threads else both[:1]}


def pull(task: Task) -> None:
    from airbyte_cdk.cli.source_declarative_manifest import run  # pyright: ignore[reportMissingImports]

    states = [message["state"] for message in lines(task.paths("messages")) if message.get("type") == "STATE"]
    latest = {state["stream"]["stream_descriptor"]["name"]: state for state in states}
    config = {"__injected_declarative_manifest": manifest(task)}
    sys.argv = ["source-declarative-manifest", "read"]
    for name, value in (("config", config), ("catalog", catalog(task)), ("state", [*latest.values()])):
        task.path(f"{name}.json").write_text(json.dumps(value))
        sys.argv += [f"--{name}", str(task.path(f"{name}.json"))]
    stdout_to(task.next_path("messages"))
    with task.timed():
        run()


def read(task: Task) -> Rows:
    rows = Rows()
    for message in lines(task.paths("messages")):
        if message.get("type") != "RECORD":
            continue
        stream, record = message["record"]["stream"], message["record"]["data"]
        if stream == "tickets":
            rows.ticket(record["id"], record["updated_at"])
        else:
            rows.message(record["ticket_id"], record["id"], record["updated_at"])
    return rows


if __name__ == "__main__":
    main(pull, read)
