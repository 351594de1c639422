"""How an endpoint shares requests between its variants, for callers that name none.

The gateway names one for each store, as an experiment wants it. The weights hold for everybody else who may
call the endpoint: ``python -m sales_forecast.aws.variants ENDPOINT SHARE``.
"""

from __future__ import annotations

import sys

from sales_forecast.errors import InputError


def variant_weights(challenger_share: float) -> dict[str, float]:
    """Return the weight of each variant.

    Args:
        challenger_share: ``ab.challenger_share`` of ``service.yml``.

    Raises:
        InputError: It is no share.

    >>> variant_weights(0.25)
    {'champion': 0.75, 'challenger': 0.25}
    """
    if not 0 <= challenger_share <= 1:
        raise InputError(f"the challenger's share is {challenger_share:g}; it must be from 0 to 1")
    return {"champion": 1 - challenger_share, "challenger": challenger_share}


def set_weights(endpoint: str, challenger_share: float) -> None:
    """Set the weights of an endpoint with both variants, which takes some minutes there.

    Args:
        endpoint: Name of the endpoint.
        challenger_share: ``ab.challenger_share`` of ``service.yml``.
    """
    import boto3

    desired = [
        {"VariantName": name, "DesiredWeight": weight}
        for name, weight in variant_weights(challenger_share).items()
    ]
    boto3.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=desired
    )


if __name__ == "__main__":
    set_weights(sys.argv[1], float(sys.argv[2]))
