"""A delivery on AWS: each branch of the state machine, with functions in place of SageMaker and Lambda."""

import json
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from projects import REPOSITORY

pytest.importorskip("jsonata", reason="jsonata-python is not installed: make setup-dev")

from state_machines import Answer, Execution, TaskError

DEFINITION = REPOSITORY / "deploy" / "aws" / "state_machine.asl.json"
PLACES = re.compile(r"\$\{(\w+)\}")
DELIVERY = {"delivery": {"key": "data/01_raw/_DELIVERED", "version": "v1"}}
JOB = re.compile(r"shop-[0-9a-f]{16}")
ERROR = TaskError("SageMaker.AmazonSageMakerException", "Rate exceeded")

ACCEPTED = {
    "state": "accepted",
    "delivery": "0a1b",
    "retailer": "default",
    "last_week": "2017-09-30",
    "series": "s3://shop/data/02_intermediate/turnover/series.jsonl",
    "has_champion": True,
}
KEPT = {"champion": "3", "challenger": None, "promoted": False, "challenged": False, "retailer": "default"}
PROMOTED = KEPT | {"champion": "4", "promoted": True}
CHALLENGED = KEPT | {"challenger": "4", "challenged": True}


def definition() -> dict[str, Any]:
    """The state machine as CloudFormation makes it."""
    values = {"Name": "shop", "Bucket": "shop", "EndpointName": "shop"}

    def value(found: re.Match[str]) -> str:
        return values.get(found[1], f"arn:aws:iam::123456789012:role/{found[1]}")

    content: dict[str, Any] = json.loads(PLACES.sub(value, DEFINITION.read_text()))
    return content


def variant(name: str, weight: float) -> dict[str, Any]:
    kind = {"InitialInstanceCount": 2, "InstanceType": "ml.m5.large"}
    return {"VariantName": name, "ModelName": f"old-{name}", "InitialVariantWeight": weight, **kind}


def world(**changes: Any) -> dict[str, Answer]:
    """An account in which all goes well, but for the answers that are given."""
    variants = changes.pop("variants", [variant("champion", 1.0)])
    statuses = changes.pop("statuses", iter(["Updating", "InService"]))
    configuration = changes.pop("configuration", None)
    processed, gate = changes.pop("processed", ACCEPTED), changes.pop("gate", PROMOTED)
    state: dict[str, Any] = {"configuration": "cdk-made"}

    def invoke(arguments: dict[str, Any]) -> Any:
        if "model_data" in arguments["Payload"]:
            assert arguments["Payload"]["model_data"].endswith("model.tar.gz")
            return {"Payload": gate}
        return {"Payload": processed(arguments["Payload"]) if callable(processed) else processed}

    def update(arguments: dict[str, Any]) -> Any:
        state["configuration"], state["updated"] = configuration or arguments["EndpointConfigName"], True
        return {}

    def endpoint(arguments: dict[str, Any]) -> Any:
        status = next(statuses) if "updated" in state else "InService"
        return {"EndpointConfigName": state["configuration"], "EndpointStatus": status}

    model = {
        "PrimaryContainer": {"Image": "image:1", "Environment": {"SALES_FORECAST_ARM": "x"}},
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/Serving",
        "EnableNetworkIsolation": True,
    }
    own = "arn:aws:states:eu-west-1:1:execution:run:by-hand"
    answers: dict[str, Answer] = {
        "aws-sdk:sfn:listExecutions": lambda _: {"Executions": [{"ExecutionArn": own}]},
        "aws-sdk:sagemaker:listTrainingJobs": lambda _: {"TrainingJobSummaries": []},
        "lambda:invoke": invoke,
        "sagemaker:createTrainingJob.sync": lambda given: {
            "ModelArtifacts": {
                "S3ModelArtifacts": f"s3://shop/models/{given['TrainingJobName']}/model.tar.gz"
            }
        },
        "aws-sdk:sagemaker:listEndpoints": lambda _: {"Endpoints": [{"EndpointName": "shop"}]},
        "aws-sdk:sagemaker:describeEndpoint": endpoint,
        "aws-sdk:sagemaker:describeEndpointConfig": lambda _: {"ProductionVariants": variants},
        "aws-sdk:sagemaker:describeModel": lambda _: model,
        "sagemaker:createModel": lambda _: {},
        "sagemaker:createEndpointConfig": lambda _: {},
        "sagemaker:updateEndpoint": update,
        "sagemaker:createTransformJob.sync": lambda _: {},
        "sagemaker:createProcessingJob.sync": lambda _: {},
        "sns:publish": lambda _: {},
    }
    return answers | changes


def run(content: dict[str, Any] = DELIVERY, **changes: Any) -> Execution:
    return Execution(world(**changes)).run(definition(), content)


def raising(error: TaskError, times: int = 10**6) -> Callable[[Any], Any]:
    left = iter(range(times))

    def fail(_: Any) -> Any:
        if next(left, None) is not None:
            raise error
        return {}

    return fail


# --- the text --------------------------------------------------------------------------------------------


def test_the_definition_is_valid() -> None:
    statelint = pytest.importorskip("statelint.linter", reason="statelint is not installed: make setup-dev")
    assert statelint.Linter.validate(definition()) == []


@pytest.mark.skipif(find_spec("botocore") is None, reason="boto3 is not installed: make s3")
def test_every_call_of_sagemaker_has_parameters_that_it_takes() -> None:
    """Of each call, as the SDK of AWS checks them: names, types, and what is required."""
    from botocore.session import get_session
    from botocore.validate import ParamValidator

    session, validate = get_session(), ParamValidator()
    both = [variant("champion", 0.9), variant("challenger", 0.1)]
    done = run(variants=both, gate=PROMOTED | {"challenger": "5"})
    seen = set()
    for resource, given in done.calls:
        service, _, call = resource.removeprefix("aws-sdk:").removesuffix(".sync").partition(":")
        arguments = given
        if service == "sfn":  # Step Functions writes all names with a capital
            service, arguments = "stepfunctions", {f"{n[0].lower()}{n[1:]}": v for n, v in given.items()}
        operation = f"{call[0].upper()}{call[1:]}"
        model = session.get_service_model(service).operation_model(operation)
        if service != "lambda":  # whose payload is JSON here, and bytes in the SDK
            assert not validate.validate(arguments, model.input_shape).generate_report(), resource
        seen.add(resource)
    assert seen == world().keys() - {"sns:publish"}


def test_names_of_jobs_are_short_enough_for_sagemaker() -> None:
    done = run()
    names = [value for _, call in done.calls for key, value in call.items() if key.endswith("Name")]
    assert all(len(name) <= 63 for name in names)


# --- who is promoted, who is kept ------------------------------------------------------------------------


def test_a_promoted_model_answers_before_forecasts_are_published() -> None:
    done = run()
    assert done.error is None
    assert done.states[-1] == "Published"
    order = [name for name in ("Train", "Update endpoint", "Transform", "Publish") if name in done.states]
    assert sorted(order, key=done.states.index) == ["Train", "Update endpoint", "Transform", "Publish"]
    (job,) = {call["TrainingJobName"] for call in done.arguments("sagemaker:createTrainingJob.sync")}
    assert JOB.fullmatch(job)
    (made,) = done.arguments("sagemaker:createEndpointConfig")
    expected = variant("champion", 1.0) | {"ModelName": f"{job}-champion"}
    assert made == {"EndpointConfigName": job, "ProductionVariants": [expected]}
    models = {call["ModelName"]: call for call in done.arguments("sagemaker:createModel")}
    assert models.keys() == {f"{job}-champion", f"{job}-forecasts"}
    container = models[f"{job}-champion"]["PrimaryContainer"]
    assert container == {
        "Image": "image:1",
        "Environment": {"SALES_FORECAST_ARM": "x"},
        "ModelDataUrl": f"s3://shop/models/{job}/model.tar.gz",
    }
    assert models[f"{job}-champion"]["EnableNetworkIsolation"] is True
    (published,) = done.arguments("sagemaker:createProcessingJob.sync")
    assert published["AppSpecification"]["ContainerArguments"] == [f"s3://shop/forecasts/{job}"]


def test_a_champion_of_a_run_that_failed_later_is_deployed_by_the_next_one() -> None:
    """The next run changes nothing in the registry, and the endpoint still has what it had before both."""
    done = run(gate=KEPT)
    assert done.states[-1] == "Published"
    (updated,) = done.arguments("sagemaker:updateEndpoint")
    assert JOB.fullmatch(updated["EndpointConfigName"])


@pytest.mark.parametrize(
    ("shape", "keeps"),
    [
        ({"InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}, True),
        ({"ServerlessConfig": {"MaxConcurrency": 5, "MemorySizeInMB": 3072}}, False),
    ],
    ids=["instances", "serverless"],
)
def test_an_endpoint_that_has_grown_does_not_shrink(shape: dict[str, Any], keeps: bool) -> None:
    one = {"VariantName": "champion", "ModelName": "old", "InitialVariantWeight": 1.0, **shape}
    (updated,) = run(variants=[one]).arguments("sagemaker:updateEndpoint")
    assert updated["RetainAllVariantProperties"] is keeps


def test_a_first_run_of_the_large_size_ends_in_time() -> None:
    """It takes 23 hours of its job (docs/scaling.md)."""
    (trained,) = run().arguments("sagemaker:createTrainingJob.sync")
    seconds = trained["StoppingCondition"]["MaxRuntimeInSeconds"]
    assert 2 * 23 * 3600 < seconds <= 5 * 86400, "the quota of SageMaker"
    assert definition()["TimeoutSeconds"] > seconds + 86400


def test_without_an_endpoint_forecasts_are_published() -> None:
    done = run(**{"aws-sdk:sagemaker:listEndpoints": lambda _: {"Endpoints": [{"EndpointName": "shop-2"}]}})
    assert done.states[-1] == "Published"
    assert not done.arguments("sagemaker:updateEndpoint")


def test_a_challenger_is_deployed_beside_the_champion_with_the_share_that_it_has() -> None:
    both = [variant("champion", 0.9), variant("challenger", 0.1)]
    done = run(variants=both, gate=CHALLENGED)
    (made,) = done.arguments("sagemaker:createEndpointConfig")
    named = {one["VariantName"]: one for one in made["ProductionVariants"]}
    assert [one["InitialVariantWeight"] for one in named.values()] == [0.9, 0.1]
    assert all(JOB.match(one["ModelName"]) for one in named.values())


def test_a_challenger_without_a_newer_version_stays() -> None:
    done = run(variants=[variant("champion", 0.9), variant("challenger", 0.1)], gate=PROMOTED)
    (made,) = done.arguments("sagemaker:createEndpointConfig")
    names = [one["ModelName"] for one in made["ProductionVariants"]]
    assert names[0].endswith("-champion")
    assert names[1] == "old-challenger"


@pytest.mark.parametrize(
    ("changes", "content", "expected"),
    [
        ({}, DELIVERY, {"pipelines": "refresh", "tags": "refresh"}),
        ({}, DELIVERY | {"compete": True}, {"pipelines": "modelling,evaluation,registration"}),
        (
            {"processed": ACCEPTED | {"has_champion": False}},
            DELIVERY,
            {"pipelines": "modelling,evaluation,registration"},
        ),
    ],
    ids=["weekly", "on request", "first model"],
)
def test_methods_compete_on_request_and_for_the_first_model(
    changes: dict[str, Any], content: dict[str, Any], expected: dict[str, str]
) -> None:
    (trained,) = run(content, **changes).arguments("sagemaker:createTrainingJob.sync")
    assert trained["HyperParameters"] == expected


# --- deliveries that come twice, or at the same time -----------------------------------------------------


def test_an_event_that_comes_twice_is_done_once() -> None:
    first = run()
    (trained,) = first.arguments("sagemaker:createTrainingJob.sync")
    known = {"TrainingJobSummaries": [{"TrainingJobName": trained["TrainingJobName"]}]}
    second = run(**{"aws-sdk:sagemaker:listTrainingJobs": lambda _: known})
    assert (second.states[-1], second.error) == ("Was done before", None)
    assert {resource for resource, _ in second.calls} == {
        "aws-sdk:sfn:listExecutions",
        "aws-sdk:sagemaker:listTrainingJobs",
    }


def test_the_same_file_delivered_again_is_another_delivery() -> None:
    again = {"delivery": DELIVERY["delivery"] | {"version": "v2"}}
    jobs = [
        done.arguments("sagemaker:createTrainingJob.sync")[0]["TrainingJobName"]
        for done in (run(), run(again))
    ]
    assert jobs[0] != jobs[1]


def test_a_run_waits_until_it_is_the_oldest() -> None:
    mine, other = (
        {"ExecutionArn": f"arn:aws:states:eu-west-1:1:execution:run:{name}"} for name in ("by-hand", "x")
    )
    lists = iter([[mine, other], [mine, other], [mine]])
    done = run(**{"aws-sdk:sfn:listExecutions": lambda _: {"Executions": next(lists)}})
    assert done.states[-1] == "Published"
    assert done.waited[:3] == [15, 60, 60]
    assert done.states.index("Process") > max(
        place for place, name in enumerate(done.states) if name == "Wait for the other"
    )


# --- what goes wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["held", "refused"])
def test_a_held_delivery_is_told_and_nothing_is_trained(state: str) -> None:
    message = "delivery 0a1b is held, and what serves goes on as it was: ..."
    done = run(processed={"state": state, "message": message})
    assert done.error == ("DeliveryHeld", message)
    (told,) = done.arguments("sns:publish")
    assert told["Message"] == message
    assert not done.arguments("sagemaker:createTrainingJob.sync")


def test_processing_is_tried_again_with_growing_pauses() -> None:
    tries = raising(TaskError("RuntimeError", "the database does not answer"), times=2)
    done = run(processed=lambda given: tries(given) or ACCEPTED)
    assert done.states[-1] == "Published"
    assert done.waited[:3] == [15, 30, 120]


@pytest.mark.parametrize("error", ["States.Timeout", "Sandbox.Timedout"])
def test_processing_that_takes_too_long_is_not_started_beside_itself(error: str) -> None:
    done = run(processed=raising(TaskError(error)))
    assert done.error is not None
    assert done.error[0] == error
    assert len(done.arguments("lambda:invoke")) == 1
    assert definition()["States"]["Process"]["TimeoutSeconds"] > 900, "after the function was ended"


def test_processing_that_fails_three_times_is_told() -> None:
    done = run(processed=raising(TaskError("RuntimeError", "the database does not answer")))
    assert done.error == ("RuntimeError", "the database does not answer")
    (told,) = done.arguments("sns:publish")
    assert "data/01_raw/_DELIVERED: RuntimeError: the database does not answer" in told["Message"]
    assert len(done.arguments("lambda:invoke")) == 3


@pytest.mark.parametrize(
    "resource",
    [
        "sagemaker:createTrainingJob.sync",
        "sagemaker:createTransformJob.sync",
        "sagemaker:createProcessingJob.sync",
    ],
)
def test_a_job_that_fails_is_not_run_again(resource: str) -> None:
    done = run(**{resource: raising(TaskError("States.TaskFailed", "AlgorithmError: a refit is held"))})
    assert done.error == ("States.TaskFailed", "AlgorithmError: a refit is held")
    assert len(done.arguments(resource)) == 1
    assert len(done.arguments("sns:publish")) == 1
    assert "Published" not in done.states


def test_a_job_that_cannot_be_started_is_tried_again() -> None:
    started = world()["sagemaker:createTrainingJob.sync"]
    busy = raising(ERROR, times=2)
    done = run(**{"sagemaker:createTrainingJob.sync": lambda given: busy(given) or started(given)})
    assert done.states[-1] == "Published"
    names = {call["TrainingJobName"] for call in done.arguments("sagemaker:createTrainingJob.sync")}
    assert len(names) == 1  # of which SageMaker starts one


@pytest.mark.parametrize(
    "resource", ["sagemaker:createModel", "sagemaker:createEndpointConfig", "sagemaker:updateEndpoint"]
)
def test_a_call_that_comes_too_fast_is_tried_again(resource: str) -> None:
    account, busy = world(), raising(ERROR, times=1)
    answer = account[resource]
    done = Execution(account | {resource: lambda given: busy(given) or answer(given)})
    done.run(definition(), DELIVERY)
    assert done.states[-1] == "Published"


@pytest.mark.parametrize(
    ("statuses", "configuration"),
    [(["Updating", "Failed"], None), (["Updating", "InService"], "cdk-made")],
    ids=["failed", "rolled back"],
)
def test_an_endpoint_that_does_not_take_the_model_is_told_and_nothing_is_published(
    statuses: list[str], configuration: str | None
) -> None:
    done = run(statuses=iter(statuses), configuration=configuration)
    assert done.error is not None
    assert done.error[0] == "EndpointNotUpdated"
    assert not done.arguments("sagemaker:createProcessingJob.sync")
    assert len(done.arguments("sns:publish")) == 1


def test_every_task_but_the_messages_has_a_way_out() -> None:
    """No error ends an execution without a message."""
    content = definition()["States"]
    named = {name: state for name, state in content.items() if state["Type"] in ("Task", "Map")}
    without = {name for name, state in named.items() if "Catch" not in state}
    assert without == {"Tell held delivery", "Tell failure"}
    for name in named.keys() - without:
        assert [rule["ErrorEquals"] for rule in content[name]["Catch"]] == [["States.ALL"]]
