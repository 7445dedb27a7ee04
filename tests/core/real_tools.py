"""Schemas of tools as servers on npm and PyPI declare them, texts removed: by zod in TypeScript, by
pydantic in Python, by hand, and by generators of Go and C#.
"""

from __future__ import annotations

from typing import Any

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"
STRING: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
STRINGS: dict[str, Any] = {"type": "array", "items": STRING}
ANY_NULL = {"anyOf": [STRING, {"type": "null"}], "default": None}


def by_hand(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def by_zod(*required: str, **properties: Any) -> dict[str, Any]:
    schema = by_hand(*required, **properties)
    return {**schema, "additionalProperties": False, "$schema": DRAFT_7}


def by_pydantic(*required: str, defs: Any = None, **properties: Any) -> dict[str, Any]:
    schema = {**by_hand(*required, **properties), "title": "Arguments"}
    return {"$defs": defs, **schema} if defs else schema


TOOLS: dict[str, dict[str, Any]] = {
    "fetch.fetch": by_pydantic(
        "url",
        url={**STRING, "format": "uri", "minLength": 1, "title": "Url"},
        max_length={
            "type": "integer",
            "default": 5000,
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1_000_000,
        },
        start_index={"type": "integer", "default": 0, "minimum": 0},
        raw={"type": "boolean", "default": False},
    ),
    "git.git_log": by_pydantic(
        "repo_path",
        repo_path=STRING,
        max_count={"type": "integer", "default": 10},
        start_timestamp=ANY_NULL,
        end_timestamp=ANY_NULL,
    ),
    "git.git_add": by_pydantic("repo_path", "files", repo_path=STRING, files=STRINGS),
    "time.convert_time": by_hand(
        "source_timezone", "time", source_timezone=STRING, time=STRING, target_timezone=STRING
    ),
    "sqlite.write_query": by_hand("query", query=STRING),
    "filesystem.edit_file": by_zod(
        "path",
        "edits",
        path=STRING,
        edits={
            "type": "array",
            "items": by_zod("oldText", "newText", oldText=STRING, newText=STRING),
        },
        dryRun={"type": "boolean", "default": False},
    ),
    "filesystem.read_text_file": by_zod("path", path=STRING, tail=NUMBER, head=NUMBER),
    "filesystem.list_allowed_directories": {"type": "object", "properties": {}, "$schema": DRAFT_7},
    "memory.create_entities": by_zod(
        "entities",
        entities={
            "type": "array",
            "items": by_hand(
                "name",
                "entityType",
                "observations",
                name=STRING,
                entityType=STRING,
                observations=STRINGS,
            ),
        },
    ),
    "thinking.sequentialthinking": by_hand(
        "thought",
        "nextThoughtNeeded",
        "thoughtNumber",
        thought=STRING,
        nextThoughtNeeded={"type": "boolean"},
        thoughtNumber={"type": "integer", "minimum": 1},
        revisesThought={"type": "integer", "minimum": 1},
    ),
    "github.list_issues": by_zod(
        "owner",
        "repo",
        owner=STRING,
        repo=STRING,
        state={"type": "string", "enum": ["open", "closed", "all"]},
        labels=STRINGS,
        per_page=NUMBER,
        page=NUMBER,
        since=STRING,
    ),
    "github.push_files": by_zod(
        "owner",
        "repo",
        "branch",
        "files",
        "message",
        owner=STRING,
        repo=STRING,
        branch=STRING,
        files={"type": "array", "items": by_zod("path", "content", path=STRING, content=STRING)},
        message=STRING,
    ),
    "github.create_pull_request_review": by_zod(
        "pull_number",
        "event",
        pull_number=NUMBER,
        event={"type": "string", "enum": ["APPROVE", "REQUEST_CHANGES", "COMMENT"]},
        comments={
            "type": "array",
            "items": {
                "anyOf": [
                    by_zod("path", "position", path=STRING, position=NUMBER, body=STRING),
                    by_zod("path", "line", path=STRING, line=NUMBER, body=STRING),
                ]
            },
        },
    ),
    "gitlab.create_issue": by_zod(
        "title",
        project_id={"anyOf": [STRING, NUMBER]},
        title=STRING,
        assignee_ids={"type": "array", "items": {"anyOf": [NUMBER, STRING]}},
        due_date={"type": ["string", "null"]},
        confidential={"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]},
    ),
    "slack.slack_post_message": by_hand("channel_id", "text", channel_id=STRING, text=STRING),
    "postgres.query": by_hand(sql=STRING),
    "puppeteer.puppeteer_navigate": by_hand("url", url=STRING, launchOptions={"type": "object"}),
    "playwright.browser_fill_form": by_zod(
        "fields",
        fields={
            "type": "array",
            "items": by_zod(
                "name",
                "type",
                "ref",
                "value",
                name=STRING,
                type={"type": "string", "enum": ["textbox", "checkbox", "slider"]},
                ref=STRING,
                value=STRING,
            ),
        },
    ),
    "playwright.browser_evaluate": by_zod("function", function=STRING, element=STRING, ref=STRING),
    "mongodb.find": by_zod(
        "database",
        "collection",
        database=STRING,
        collection=STRING,
        filter={"type": "object", "properties": {}, "additionalProperties": True},
        projection={"type": "object", "additionalProperties": {}, "propertyNames": STRING},
        sort={
            "type": "object",
            "additionalProperties": {"anyOf": [{"const": 1}, {"const": -1}, {"const": "asc"}]},
        },
        limit={"type": "number", "default": 10},
    ),
    "mongodb.insert-many": by_zod(
        "documents",
        documents={"type": "array", "items": {"type": "object", "additionalProperties": True}},
    ),
    "notion.API-post-page": {
        **by_hand(
            "parent",
            "properties",
            parent={"anyOf": [{"$ref": "#/$defs/parentRequest"}, STRING]},
            properties={
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {"title": {"$ref": "#/$defs/texts"}},
                        "additionalProperties": True,
                    },
                    STRING,
                ]
            },
            children={"type": "array", "items": {"$ref": "#/$defs/block"}},
        ),
        "$defs": {
            "parentRequest": {
                "type": "object",
                "properties": {
                    "type": {"enum": ["page_id", "database_id"]},
                    "page_id": {"type": "string", "format": "uuid"},
                },
                "additionalProperties": False,
            },
            "texts": {"type": "array", "items": {"$ref": "#/$defs/text"}},
            "text": by_hand(
                content=STRING, link={"anyOf": [by_hand(url=STRING), {"type": "null"}]}
            ),
            "block": by_hand(
                type=STRING,
                text={"$ref": "#/$defs/texts"},
                children={"type": "array", "items": {"$ref": "#/$defs/block"}},
            ),
        },
    },
    "calendar.create-event": by_zod(
        "calendarId",
        "start",
        calendarId=STRING,
        start={**STRING, "pattern": "^\\d{4}-\\d{2}-\\d{2}"},
        attendees={"type": "array", "items": by_zod("email", email={**STRING, "format": "email"})},
        reminders=by_zod(
            useDefault={"type": "boolean"},
            overrides={
                "type": "array",
                "items": by_zod(
                    minutes=NUMBER, method={"type": "string", "enum": ["email", "popup"]}
                ),
            },
        ),
        extendedProperties=by_zod(private={"type": "object", "additionalProperties": STRING}),
    ),
    "stripe.create_refund": by_zod(
        "payment_intent",
        payment_intent=STRING,
        amount={"type": "integer"},
        reason={"type": "string", "enum": ["duplicate", "fraudulent", "requested_by_customer"]},
    ),
    "search.tavily-search": by_hand(
        "query",
        query=STRING,
        max_results={"type": "number", "default": 10, "minimum": 5, "maximum": 20},
        include_domains={**STRINGS, "default": []},
        topic={"type": "string", "enum": ["general", "news"], "default": "general"},
    ),
    "aws.call": by_pydantic(
        "region",
        defs={
            "Filter": by_pydantic("name", "values", name=STRING, values=STRINGS),
            "Level": {"enum": ["low", "high"], "type": "string", "title": "Level"},
        },
        region={"anyOf": [STRING, {"type": "null"}]},
        filters={
            "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/Filter"}}, {"type": "null"}]
        },
        level={"$ref": "#/$defs/Level", "default": "low"},
        old_level={"allOf": [{"$ref": "#/$defs/Level"}], "default": "low"},
        tags={"type": "object", "additionalProperties": STRING, "default": {}},
        body={
            "anyOf": [STRING, {"type": "object", "additionalProperties": True}, {"type": "null"}]
        },
        span={"type": "array", "prefixItems": [NUMBER, NUMBER], "minItems": 2, "maxItems": 2},
    ),
    "sheets.update_cells": by_pydantic(
        "range",
        "data",
        range=STRING,
        data={"type": "array", "items": {"type": "array", "items": {}}},
    ),
    "qdrant.store": by_pydantic(
        "information",
        information=STRING,
        metadata={"anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}]},
    ),
    "kubernetes.scale": {
        **by_hand("name", name=STRING, replicas={"type": "integer", "minimum": 0}),
        "properties": {
            "name": STRING,
            "replicas": {"type": "integer", "minimum": 0},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "manifest": {},
        },
    },
    "dotnet.create": by_hand(
        "name",
        name={"type": ["string", "null"]},
        count={"type": ["integer", "null"], "default": None},
        parts={"type": ["array", "null"], "items": {"type": ["string", "null"]}},
    ),
    "openapi.update_pet": {
        "$schema": DRAFT_2020,
        **by_hand(
            "id",
            id={"type": "integer", "format": "int64"},
            status={"type": "string", "nullable": True},
            category={"allOf": [by_hand(id={"type": "integer"}), by_hand(name=STRING)]},
            photo={"oneOf": [by_hand("url", url=STRING), by_hand("data", data=STRING)]},
        ),
    },
}
