"""What one deployment decides. Each setting can be given to ``deploy.aws.app`` as ``name=value``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields

MODEL = re.compile(r"s3://[a-z0-9.-]{3,63}/\S+\.tar\.gz")
SIZES = ("small", "large")


@dataclass(frozen=True)
class Settings:
    """Settings of a deployment.

    Args:
        image: Tag of the images ``lambda`` and ``sagemaker`` in ECR: the commit that they were built from.
        name: Beginning of the names of stacks, repositories and the endpoint.
        size: ``small`` for some hundred stores: what computes is there only while it computes. ``large`` for
            more: an endpoint of instances, which can also run a challenger beside the champion.
        retailer: Retailer whose figures the alarms compare.
        email: Address that alarms are sent to; empty for none.
        schedule: When a run starts without a delivery, such as ``cron(0 6 ? * MON *)``; empty for never.
        timezone: Time zone of the schedule.
        model: What a training job has left, ``s3://.../model.tar.gz``: the champion, perhaps a challenger.
            Empty for no endpoint and no API.
        challenger_share: Share of the requests that the challenger answers, from 0 to 1; only ``large``.
        networks: Networks that may call the API, such as ``203.0.113.0/24,198.51.100.7/32``; empty for all.
        waf: Whether a web application firewall is in front of the API.
        gateway_role: Whether the stack sets the role with which API Gateway writes logs. There is one of an
            account and region: ``false`` where somebody else has set it.
        spark: Whether there is a Glue job for deliveries that one machine cannot process.
        budget: Dollars a month, of whose share of 80 % and forecast of 100 % somebody is told.

    Raises:
        ValueError: A setting cannot be used; the message says why, and what can.
    """

    image: str
    name: str = "sales-forecast"
    size: str = "small"
    retailer: str = "default"
    email: str = ""
    schedule: str = ""
    timezone: str = "UTC"
    model: str = ""
    challenger_share: float = 0.0
    networks: tuple[str, ...] = ()
    waf: bool = False
    gateway_role: bool = True
    spark: bool = False
    budget: int = 50

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise ValueError(f"size is '{self.size}'; it can be {' or '.join(SIZES)}")
        if not re.fullmatch(r"[a-z][a-z0-9-]{1,19}", self.name):
            raise ValueError(f"name is '{self.name}'; it must be 2 to 20 of a-z, 0-9 and -, a letter first")
        if self.model and not MODEL.fullmatch(self.model):
            raise ValueError(f"model is '{self.model}'; it must be like s3://bucket/path/model.tar.gz")
        if not 0 <= self.challenger_share <= 1:
            raise ValueError(f"challenger_share is {self.challenger_share:g}; it must be from 0 to 1")
        if self.challenger_share and not (self.model and self.large):
            raise ValueError(
                "a challenger needs a model and size=large: a serverless endpoint has one variant"
            )

    @property
    def large(self) -> bool:
        """Whether there are instances that wait for requests."""
        return self.size == "large"


CONVERT = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "tuple[str, ...]": lambda text: tuple(part.strip() for part in text.split(",") if part.strip()),
}


def read_settings(arguments: Iterable[str]) -> Settings:
    """Read settings from arguments.

    Args:
        arguments: Such as ``size=large``.

    Raises:
        ValueError: A name is unknown, or a value cannot be used.
    """
    types = {field.name: str(field.type) for field in fields(Settings)}
    given = dict(argument.partition("=")[::2] for argument in arguments)
    if unknown := given.keys() - types.keys():
        raise ValueError(f"there is no setting '{min(unknown)}'; there are {', '.join(types)}")
    found = {}
    for name, text in given.items():
        try:
            found[name] = CONVERT[types[name]](text)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{name} is '{text}', which is no {types[name]}") from error
    if "image" not in found:
        raise ValueError(
            "image is missing: the tag of the images in ECR, such as image=$(git rev-parse HEAD)"
        )
    return Settings(**found)
