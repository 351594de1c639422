"""The files for Elasticsearch, Kibana and Filebeat fit the log lines. None of the three is at hand to load them."""

import json
import re
from typing import Any

import pytest
import yaml

from ecs_fields import FIELDS
from projects import REPOSITORY

MONITORING = REPOSITORY / "deploy" / "monitoring"
LABELS = {"run_id", "domain", "stage", "data_version", "route", "model_name"} | {
    *("champion_version", "challenger_version", "stored_version")
}
KNOWN = FIELDS.keys() | {f"labels.{name}" for name in LABELS}


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((MONITORING / "elastic" / name).read_text())
    return content


def saved_objects() -> list[dict[str, Any]]:
    lines = (MONITORING / "elastic" / "kibana.ndjson").read_text().splitlines()
    return [json.loads(line) for line in lines]


def mapped(properties: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, mapping in properties.items():
        if "properties" in mapping:
            found |= mapped(mapping["properties"], f"{prefix}{name}.")
        else:
            found[prefix + name] = mapping["type"]
    return found


def test_the_index_template_maps_every_field_as_the_schema_does() -> None:
    template = read("index-template.json")
    assert mapped(template["template"]["mappings"]["properties"]) == FIELDS
    assert template["data_stream"] == {}


def test_the_index_template_is_for_the_streams_that_both_shippers_write() -> None:
    (pattern,) = read("index-template.json")["index_patterns"]
    streams = re.compile(pattern.replace(".", r"\.").replace("*", ".+"))
    filebeat = yaml.safe_load((MONITORING / "filebeat" / "filebeat.yml").read_text())
    rsyslog = (MONITORING / "rsyslog" / "sales_forecast.conf").read_text()
    for dataset in ("sales_forecast.access", "sales_forecast.pipeline", "sales_forecast.service"):
        assert streams.fullmatch(f"logs-{dataset}-default")
    assert filebeat["output.elasticsearch"]["index"] == "logs-%{[event.dataset]}-default"
    assert 'string="logs-%$!event!dataset%-default"' in rsyslog


def test_the_index_template_names_the_policy_that_the_page_creates() -> None:
    name = read("index-template.json")["template"]["settings"]["index.lifecycle.name"]
    assert f"/_ilm/policy/{name}" in (REPOSITORY / "docs" / "logs.md").read_text()
    assert read("ilm-policy.json")["policy"]["phases"].keys() == {"hot", "delete"}


def test_saved_objects_refer_to_each_other() -> None:
    known = {(each["type"], each["id"]) for each in saved_objects()}
    assert len(known) == len(saved_objects())
    referred = {(one["type"], one["id"]) for each in saved_objects() for one in each["references"]}
    assert referred == {one for one in known if one[0] != "dashboard"}


@pytest.mark.parametrize(
    "search", [each for each in saved_objects() if each["type"] == "search"], ids=lambda each: str(each["id"])
)
def test_saved_searches_show_and_ask_for_fields_that_lines_have(search: dict[str, Any]) -> None:
    attributes = search["attributes"]
    source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
    asked = re.findall(r"([\w.@]+) (?::|>=) ", source["query"]["query"])
    assert asked
    assert {*asked, *attributes["columns"]} <= KNOWN


def test_the_dashboard_shows_every_search() -> None:
    (dashboard,) = (each for each in saved_objects() if each["type"] == "dashboard")
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    named = [f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels]
    assert named == [each["name"] for each in dashboard["references"]]
    assert len(panels) == sum(each["type"] == "search" for each in saved_objects())
