"""Errors read like a colleague's message."""

from kedro.validation.exceptions import ParameterValidationError

from sales_forecast.cli import message_of

REPORT = """Parameter validation failed:
- Parameter 'turnover.ranges': Failed to instantiate RangeParams for parameter 'turnover.ranges': 2 validation errors for RangeParams
scale_share
  Input should be greater than 0 [type=greater_than, input_value=-1, input_type=int]
    For further information visit https://errors.pydantic.dev/2.14/v/greater_than
weeks
  Extra inputs are not permitted [type=extra_forbidden, input_value=8, input_type=int]
    For further information visit https://errors.pydantic.dev/2.14/v/extra_forbidden
- Parameter 'turnover.read': Failed to instantiate ReadTurnoverParams for parameter 'turnover.read': 1 validation error for ReadTurnoverParams
  Value error, turnover.columns.stores does not name size [type=value_error, input_value={}, input_type=dict]
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
- Parameter 'turnover.sports': value is None but type is not Optional"""


def test_each_complaint_about_parameters_is_one_line_with_its_path() -> None:
    assert message_of(ParameterValidationError(REPORT)).splitlines() == [
        "turnover.ranges.scale_share: must be greater than 0, not -1",
        "turnover.ranges.weeks: there is no such option",
        "turnover.read: turnover.columns.stores does not name size",
        "Parameter 'turnover.sports': value is None but type is not Optional",
    ]


def test_a_report_of_another_kind_is_left_as_it_is() -> None:
    said = "something else went wrong"
    assert message_of(ParameterValidationError(said)) == said
