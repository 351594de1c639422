"""What another plan would change: counted by hand, and its interval where the truth is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from promoted import HORIZON, UPLIFT, Chain, promoted_chain
from sales_forecast.errors import InputError
from sales_forecast.forecasting.panel.model_input import no_future_covariates
from sales_forecast.planning import effects
from sales_forecast.planning.effects import EffectErrors, learn_effect_errors
from sales_forecast.planning.past_effects import predicted_effect
from sales_forecast.planning.scenario import Change, Scenario, changed_plan
from sales_forecast.planning.what_if import LEVELS, Answer, what_if

SEEDS = range(12)
PROMOTE = Scenario((Change("promotion", "set", 1.0),))


@pytest.fixture(scope="module")
def chain() -> Chain:
    return promoted_chain(1, stores=8)


@pytest.fixture(scope="module")
def errors(chain: Chain) -> EffectErrors:
    return learn_effect_errors(chain.package.model, chain.package.data)


def ask(chain: Chain, scenario: Scenario, errors: EffectErrors) -> Answer:
    package = chain.package
    return what_if(scenario, package.data, package.forecast_index, chain.forecaster.predict, errors)


def of(answer: Answer, level: str) -> pd.DataFrame:
    return answer.levels[answer.levels["level"] == level].reset_index(drop=True)


# --- the plan --------------------------------------------------------------------------------------


def test_a_plan_is_set_or_changed_by_an_amount_or_per_cent(chain: Chain) -> None:
    data, index = chain.package.data, chain.package.forecast_index
    twice = replace(data, future_covariates=data.future_covariates.assign(promotion=2.0))
    for how, after in (("set", 5.0), ("add", 7.0), ("percent", 2.1)):
        plan = changed_plan(Scenario((Change("promotion", how, 5.0),)), twice, index)
        assert plan["promotion"].tolist() == [after] * len(index)
        assert plan["planned promotion"].tolist() == [2.0] * len(index)


def test_a_scenario_changes_only_what_it_chooses(chain: Chain, errors: EffectErrors) -> None:
    week = chain.package.forecast_index["week"].max()
    answer = ask(chain, replace(PROMOTE, stores={"3", "4"}, weeks={week}), errors)
    assert of(answer, "series")["store"].tolist() == ["3", "4"]
    assert of(answer, "week")["week"].tolist() == [week]
    total = of(answer, "total").iloc[0]
    assert total["difference"] == pytest.approx(of(answer, "series")["difference"].sum())
    assert total["scenario"] == pytest.approx(total["baseline"] + total["difference"])
    in_week = chain.forecaster.predict(
        chain.package.forecast_index[["store", "department"]].drop_duplicates().assign(horizon=HORIZON)
    )
    assert total["baseline"] == pytest.approx(in_week["forecast"].sum()), (
        "the whole chain, not only two stores"
    )
    assert of(answer, "region")["region"].tolist() == ["north", "south"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"changes": (Change("price", "set", 1.0),)},
            "no future covariate 'price'; those it has: flyer, prom",
        ),
        ({"stores": {"99"}}, r"1 store\(s\) are not forecast, e.g. '99'"),
        ({"weeks": {pd.Timestamp("2031-01-04")}}, "2031-01-04 is none of the weeks ahead"),
    ],
)
def test_what_cannot_be_changed_is_said(chain: Chain, changes: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        changed_plan(replace(PROMOTE, **changes), chain.package.data, chain.package.forecast_index)


def test_a_retailer_without_future_covariates_is_told_what_to_configure(chain: Chain) -> None:
    without = replace(chain.package.data, future_covariates=no_future_covariates())
    with pytest.raises(InputError, match=r"turnover\.covariate_tables"):
        changed_plan(PROMOTE, without, chain.package.forecast_index)


def test_nothing_is_added_to_a_plan_that_is_not_known(chain: Chain) -> None:
    data = chain.package.data
    unknown = replace(data, future_covariates=data.future_covariates.assign(promotion=np.nan))
    with pytest.raises(InputError, match=f"in {8 * HORIZON} of {8 * HORIZON} row"):
        changed_plan(Scenario((Change("promotion", "add", 1.0),)), unknown, chain.package.forecast_index)


def test_values_that_were_never_seen_are_named_with_their_bounds(chain: Chain, errors: EffectErrors) -> None:
    answer = ask(chain, Scenario((Change("promotion", "set", 3.0),), stores={"2"}), errors)
    assert answer.beyond == [
        "promotion 3 was never seen above 1 for this series, and never above 1 for any: store 2, department bikes"
    ]
    assert ask(chain, PROMOTE, errors).beyond == []


# --- the interval ----------------------------------------------------------------------------------


def test_no_change_makes_no_difference(chain: Chain, errors: EffectErrors) -> None:
    answer = ask(chain, Scenario((Change("promotion", "add", 0.0),)), errors)
    found = of(answer, "total").iloc[0]
    assert [found[name] for name in ("difference", "lo_80", "hi_80")] == pytest.approx([0, 0, 0], abs=1e-6)


def test_a_covariate_that_never_changed_has_no_interval(chain: Chain) -> None:
    data = chain.package.data
    table = data.future_covariates
    always = replace(data, future_covariates=table.assign(flyer=1.0))
    errors = learn_effect_errors(chain.package.model, always)
    package = replace(chain.package, data=always)
    answer = ask(Chain(package, chain.expected), Scenario((Change("flyer", "set", 0.0),)), errors)
    assert of(answer, "total")["lo_80"].isna().all()
    assert any("never changed in the past" in note for note in answer.notes)


def test_without_past_windows_nothing_is_said_about_what_changed_in_them(
    chain: Chain, errors: EffectErrors
) -> None:
    (note,) = ask(chain, PROMOTE, replace(errors, covariates=(), windows=0, shares=np.zeros(0))).notes
    assert note.startswith("the history is too short")


def test_it_is_said_how_far_effects_were_off(chain: Chain, errors: EffectErrors) -> None:
    (note,) = ask(chain, PROMOTE, errors).notes
    assert note.startswith(f"in {errors.windows} past windows the effect of promotion was 1")
    assert errors.shares[errors.covariates.index("promotion")] > 1.1, (
        "a penalised regression predicts effects too small"
    )


def _made_up_windows(rng: np.random.Generator, true_effect: str) -> list[pd.DataFrame]:
    """Windows in which turnover follows the doses or the predicted effects, which are their squares."""
    rows = pd.MultiIndex.from_product([range(20), ["bikes"], range(4)], names=["store", "department", "week"])
    windows = []
    for cutoff in range(8):
        table = rows.to_frame(index=False).assign(cutoff=cutoff, flyer=rng.uniform(0, 1, len(rows)))
        table[predicted_effect("flyer")] = table["flyer"] ** 4
        sold = 0.5 * table[true_effect] + rng.normal(0, 0.05, len(rows))
        windows.append(table.assign(error=sold - table[predicted_effect("flyer")]))
    return windows


@pytest.mark.parametrize("true_effect", ["flyer", predicted_effect("flyer")])
def test_what_explains_the_past_clearly_better_is_what_the_future_is_derived_from(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, true_effect: str
) -> None:
    windows = _made_up_windows(np.random.default_rng(1), true_effect)
    monkeypatch.setattr(effects, "past_effects", lambda model, context: iter(windows))
    chain_without_promotion = chain.package.data.future_covariates[["store", "department", "week", "flyer"]]
    data = replace(chain.package.data, future_covariates=chain_without_promotion)
    found = learn_effect_errors(chain.package.model, data)
    assert found.of_predicted is (true_effect != "flyer")
    assert found.slopes == pytest.approx([0.5], abs=0.03)
    assert found.of_series[0] < 0.01
    assert found.of_windows[0] < 0.01


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    """Truth and interval of every group of many chains: all stores are promoted, or all have a flyer."""
    found = []
    for seed in SEEDS:
        chain = promoted_chain(seed)
        errors = learn_effect_errors(chain.package.model, chain.package.data)
        for name in ("promotion", "flyer"):
            scenario = Scenario((Change(name, "set", 1.0),))
            plan = changed_plan(scenario, chain.package.data, chain.package.forecast_index)
            changed = 1 - plan[f"planned {name}"].to_numpy()
            plan["truth"] = chain.expected.to_numpy() * changed * (name == "promotion")
            for level in ("series", "total"):
                groups = of(ask(chain, scenario, errors), level)
                groups["truth"] = plan.groupby(LEVELS[level] or (lambda _: 0))["truth"].sum().to_numpy()
                found.append(groups.assign(covariate=name))
    table = pd.concat(found, ignore_index=True)
    table = table[table["difference"] != 0]
    return table.assign(covered=(table["lo_80"] <= table["truth"]) & (table["truth"] <= table["hi_80"]))


def test_intervals_of_the_difference_contain_the_truth_as_often_as_they_promise(
    simulated: pd.DataFrame,
) -> None:
    """Of 40 other chains 75 % of the series and 72 % of the sums are covered; here are fewer, for speed."""
    promoted = simulated[simulated["covariate"] == "promotion"]
    covered = promoted.groupby("level")["covered"].mean()
    assert 0.65 <= covered["series"] <= 0.95
    assert covered["total"] >= 0.6
    total = promoted[promoted["level"] == "total"]
    apart = total["expected_difference"] / total["truth"] - 1
    assert abs(apart.mean()) < 0.06
    assert (total["difference"] / total["truth"] - 1).mean() < -0.2, "the model alone predicts too little"
    width = (total["hi_80"] - total["lo_80"]) / total["truth"]
    assert width.median() < 0.4, "an interval that says nothing would contain everything"


def test_a_covariate_without_effect_has_intervals_that_contain_zero_as_often_as_they_promise(
    simulated: pd.DataFrame,
) -> None:
    flyers = simulated[simulated["covariate"] == "flyer"]
    assert (flyers.groupby("level")["covered"].mean() >= 0.55).all(), "65 to 82 % of 40 other chains"
    assert not flyers["covered"].all()


def test_the_truth_of_the_simulation_is_an_uplift(chain: Chain) -> None:
    panel, plan = chain.package.data.panel, chain.package.data.future_covariates
    sold = panel.merge(plan).groupby(["store", "promotion"])["turnover"].mean().unstack()
    assert (sold[1.0] / sold[0.0]).mean() == pytest.approx(1 + UPLIFT, abs=0.08)
