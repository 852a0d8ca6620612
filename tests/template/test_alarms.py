"""Alarms watch this stack's own numbers, know what silence means, and say what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tallygate.domain.admission.decision import Reason
from tallygate.metrics import Metric

Resources = dict[str, dict[str, Any]]
REPOSITORY = Path(__file__).resolve().parents[2]
OWN = {"Fn::Sub": "Tallygate/${AWS::StackName}"}
AWS_METRICS = {
    "AWS/Lambda": {"Errors", "Throttles", "Duration", "Invocations", "IteratorAge"},
    "AWS/DynamoDB": {"WriteThrottleEvents", "ReadThrottleEvents"},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
    "AWS/ApiGateway": {"5xx"},
}
# Nothing repeats what these report: one is enough.
AT_ONCE = {
    "EntriesParked",
    "EventsRejected",
    "EndpointDisabled",
    "FailuresWaiting",
    "DeadLetters",
    "Defects",
}


@pytest.fixture(scope="session")
def alarms(resources: Resources) -> Resources:
    return {name: r["Properties"] for name, r in resources.items() if r["Type"] == "AWS::CloudWatch::Alarm"}


def test_every_alarm_tells_somebody_and_exists_only_then(alarms: Resources, resources: Resources) -> None:
    for name, alarm in alarms.items():
        assert resources[name]["Condition"] == "HasAlarmTopic"
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopicArn"}]
        assert alarm["AlarmDescription"].endswith("."), name


def test_every_alarm_has_a_line_in_the_runbook_and_every_line_its_alarm(alarms: Resources) -> None:
    page, _, _ = (REPOSITORY / "docs" / "alarms.md").read_text().partition("## Metrics")
    lines = re.findall(r"^\| (\w+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
    found = {name: todo for name, _, todo in lines if name != "alarm"}
    assert set(found) == set(alarms)
    assert all(len(todo) > 10 for todo in found.values())


def test_every_alarm_is_of_this_stack_alone(alarms: Resources) -> None:
    """A metric without a dimension would be that of the whole region, other stacks included."""
    for name, alarm in alarms.items():
        assert alarm["Dimensions"], name
        if alarm["Namespace"] != OWN:
            assert alarm["MetricName"] in AWS_METRICS[alarm["Namespace"]], name
            assert all(d["Value"] == "due" or isinstance(d["Value"], dict) for d in alarm["Dimensions"]), name


def test_only_the_absence_of_reset_is_a_failure(alarms: Resources) -> None:
    breaching = {name for name, alarm in alarms.items() if alarm["TreatMissingData"] != "notBreaching"}
    assert breaching == {"ResetAbsent"}
    absent = alarms["ResetAbsent"]
    assert (absent["MetricName"], absent["TreatMissingData"]) == ("Invocations", "breaching")
    assert absent["ComparisonOperator"] == "LessThanThreshold"


def test_what_is_tried_again_alarms_only_where_that_fails_too(alarms: Resources) -> None:
    at_once = {
        name
        for name, alarm in alarms.items()
        if alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]) == 1 and alarm["EvaluationPeriods"] == 1
    }
    assert at_once == AT_ONCE


def test_what_must_be_watched_is(alarms: Resources, functions: dict[str, Any]) -> None:
    watched = {(str(a["Namespace"]).split("/")[-1].split("$")[0], a["MetricName"]) for a in alarms.values()}
    names = {metric for _, metric in watched}
    assert names >= {"Parked", "EventsRejected", "FoldLag", "EndpointsDisabled", "Defects", "Invocations"}
    assert names >= {"WriteThrottleEvents", "ReadThrottleEvents", "5xx"}
    failing = [name for name, alarm in alarms.items() if alarm["MetricName"] == "Errors"]
    assert sorted(failing) == sorted(f"{verb.capitalize()}Errors" for verb in functions)
    slow = alarms["CheckSlow"]
    assert (slow["MetricName"], slow["ExtendedStatistic"]) == ("Duration", "p99")
    assert "Statistic" not in slow, "CloudWatch takes one of the two"
    waiting = [a["Dimensions"][0]["Value"] for a in alarms.values() if a["Namespace"] == "AWS/SQS"]
    queues = {value["Fn::GetAtt"][0] for value in waiting}
    assert queues == {"FailureQueue", "DeliveryDeadLetterQueue", "DeliveryQueue"}


def test_the_lag_that_alarms_is_longer_than_the_longest_window(alarms: Resources, template: dict[str, Any]) -> None:
    longest = template["Parameters"]["FoldWindowSeconds"]["MaxValue"] * 1000
    assert alarms["FoldLag"]["Threshold"] > longest
    assert alarms["StreamAge"]["Threshold"] >= longest


def test_a_reader_that_is_stuck_alarms_while_the_stream_still_has_the_records(alarms: Resources) -> None:
    stuck, kept = alarms["StreamStuck"], 24 * 3_600_000
    assert (stuck["MetricName"], stuck["Dimensions"][0]["Value"]) == ("IteratorAge", {"Ref": "AggregateFunction"})
    assert alarms["StreamAge"]["Threshold"] < stuck["Threshold"] <= kept / 24


def test_one_reader_of_the_stream_has_a_whole_processor(
    functions: dict[str, dict[str, Any]], template: dict[str, Any]
) -> None:
    """A partition of the table takes 200 to 250 sparse consumes a second; Lambda gives one vCPU at 1,769 MB."""
    assert functions["aggregate"]["MemorySize"] == {"Ref": "AggregateMemoryMb"}
    assert template["Parameters"]["AggregateMemoryMb"]["Default"] >= 1_769


def test_every_decision_s_line_is_what_the_filter_counts(resources: Resources) -> None:
    filter_of = resources["DecisionCount"]["Properties"]
    assert filter_of["LogGroupName"] == {"Ref": "CheckLogs"}
    fields = set(re.findall(r"\$\.(\w+)", filter_of["FilterPattern"]))
    (counted,) = filter_of["MetricTransformations"]
    assert (counted["MetricNamespace"], Metric(counted["MetricName"])) == (OWN, Metric.DECISIONS)
    dimensions = {d["Key"]: d["Value"] for d in counted["Dimensions"]}
    assert dimensions == {name: f"$.{name}" for name in fields} == {"operation": "$.operation", "reason": "$.reason"}
    assert "DefaultValue" not in counted, "refused together with dimensions"
    # CloudWatch switches a filter off that makes a thousand values in an hour.
    assert len(Reason) * 2 < 100
