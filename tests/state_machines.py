"""Runs a state machine of Amazon States Language (JSONata) in this process, with functions in place of tasks.

No library on PyPI does: moto's interpreter knows no jobs of SageMaker and no JSONata of Python. It has what our
definitions use, and raises where they use something else.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonata

States = Mapping[str, Mapping[str, Any]]
Answer = Callable[[dict[str, Any]], Any]

TASK_FIELDS = {"Arguments", "Output", "Retry", "Catch", "TimeoutSeconds", "Resource"}
FIELDS = {"Type", "Comment", "Next", "End", "Assign"}


class TaskError(Exception):
    """What a task fails with."""

    def __init__(self, error: str, cause: str = "it is a test") -> None:
        super().__init__(error)
        self.error, self.cause = error, cause


@dataclass
class Execution:
    """One run of a state machine.

    Args:
        tasks: Resource without its beginning, such as ``sagemaker:createTrainingJob.sync`` -> what answers.
        name: Name of the execution.
    """

    tasks: Mapping[str, Answer]
    name: str = "by-hand"
    states: list[str] = field(default_factory=list)
    """Names of the states that it came through."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Resource and arguments of every task, each try."""

    waited: list[float] = field(default_factory=list)
    """Seconds that it would have waited, in states and before tries."""

    error: tuple[str, str] | None = None
    """Error and cause of an execution that failed."""

    output: Any = None

    def run(self, definition: Mapping[str, Any], content: Any) -> "Execution":
        assert definition["QueryLanguage"] == "JSONata"
        self.output = self._run(definition["StartAt"], definition["States"], content, {})
        return self

    def arguments(self, resource: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == resource]

    def _run(self, start: str, states: States, content: Any, variables: dict[str, Any]) -> Any:
        current: str | None = start
        while current is not None:
            self.states.append(current)
            assert len(self.states) < 200, f"it does not end: {self.states[-10:]}"
            state = states[current]
            if state["Type"] == "Fail":
                scope = self._scope(content, variables)
                self.error = tuple(self._value(state[name], scope) for name in ("Error", "Cause"))
                return None
            if state["Type"] == "Succeed":
                return content
            content, current = getattr(self, f"_{state['Type'].lower()}")(state, content, variables)
        return content

    def _scope(self, content: Any, variables: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        context = {
            "Execution": {
                "Id": f"arn:aws:states:eu-west-1:1:execution:run:{self.name}",
                "Name": self.name,
                "StartTime": "2017-10-02T06:00:00.123Z",
            },
            "StateMachine": {"Id": "arn:aws:states:eu-west-1:1:stateMachine:run"},
        }
        return {**variables, "states": {"input": content, "context": context, **more}}

    def _value(self, template: Any, scope: Mapping[str, Any]) -> Any:
        """Evaluate every expression in a template; one that gives nothing is an error, as in Step Functions."""
        if isinstance(template, dict):
            return {name: self._value(part, scope) for name, part in template.items()}
        if isinstance(template, list):
            return [self._value(part, scope) for part in template]
        if not (isinstance(template, str) and template.startswith("{%")):
            return template
        expression = jsonata.Jsonata(template[2:-2])
        expression.register_lambda("hash", _hash)
        for name, value in scope.items():
            expression.assign(name, value)
        found = expression.evaluate(None)
        assert found is not None, f"nothing comes out of {template}"
        return found

    def _next(
        self, state: Mapping[str, Any], scope: Mapping[str, Any], variables: dict[str, Any]
    ) -> str | None:
        variables |= self._value(state.get("Assign", {}), scope)
        return state.get("Next")

    def _pass(self, state: Mapping[str, Any], content: Any, variables: dict[str, Any]) -> Any:
        assert state.keys() <= FIELDS
        return content, self._next(state, self._scope(content, variables), variables)

    def _wait(self, state: Mapping[str, Any], content: Any, variables: dict[str, Any]) -> Any:
        assert state.keys() <= FIELDS | {"Seconds"}
        self.waited.append(state["Seconds"])
        return content, state["Next"]

    def _choice(self, state: Mapping[str, Any], content: Any, variables: dict[str, Any]) -> Any:
        assert state.keys() <= FIELDS | {"Choices", "Default"}
        scope = self._scope(content, variables)
        for choice in state["Choices"]:
            held = self._value(choice["Condition"], scope)
            assert isinstance(held, bool), f"{choice['Condition']} is {held}"
            if held:
                return content, choice["Next"]
        self._next(state, scope, variables)
        return content, state["Default"]

    def _map(self, state: Mapping[str, Any], content: Any, variables: dict[str, Any]) -> Any:
        assert state.keys() <= FIELDS | {"Items", "ItemProcessor", "Catch"}
        items, inner = self._value(state["Items"], self._scope(content, variables)), state["ItemProcessor"]
        assert isinstance(items, list), items

        def each() -> list[Any]:  # what is assigned within one item is not seen outside of it
            return [self._run(inner["StartAt"], inner["States"], item, {**variables}) for item in items]

        return self._caught(state, content, variables, each)

    def _task(self, state: Mapping[str, Any], content: Any, variables: dict[str, Any]) -> Any:
        assert state.keys() <= FIELDS | TASK_FIELDS
        resource = state["Resource"].removeprefix("arn:aws:states:::")
        arguments = self._value(state["Arguments"], self._scope(content, variables))
        tries: Counter[int] = Counter()

        def call() -> Any:
            while True:
                self.calls.append((resource, arguments))
                try:
                    return self.tasks[resource](arguments)
                except TaskError as error:
                    self._wait_before_next_try(state, error, tries)

        return self._caught(state, content, variables, call)

    def _wait_before_next_try(self, state: Mapping[str, Any], error: TaskError, tries: Counter[int]) -> None:
        for number, rule in enumerate(state.get("Retry", [])):
            if _matches(error, rule["ErrorEquals"]):
                if tries[number] == rule["MaxAttempts"]:
                    break
                self.waited.append(rule["IntervalSeconds"] * rule["BackoffRate"] ** tries[number])
                tries[number] += 1
                return
        raise error

    def _caught(
        self,
        state: Mapping[str, Any],
        content: Any,
        variables: dict[str, Any],
        call: Callable[[], Any],
    ) -> Any:
        try:
            result = call()
        except TaskError as error:
            for rule in state.get("Catch", []):
                if _matches(error, rule["ErrorEquals"]):
                    output = {"Error": error.error, "Cause": error.cause}
                    scope = self._scope(content, variables, errorOutput=output)
                    return output, self._next(rule, scope, variables)
            raise
        scope = self._scope(content, variables, result=result)
        output = self._value(state["Output"], scope) if "Output" in state else result
        return output, self._next(state, scope, variables)


def _matches(error: TaskError, names: list[str]) -> bool:
    return "States.ALL" in names or error.error in names


def _hash(text: str, algorithm: str) -> str:
    return hashlib.new(algorithm.replace("-", "").lower(), text.encode()).hexdigest()
