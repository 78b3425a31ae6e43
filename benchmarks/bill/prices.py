"""What the services ask for, in US dollars: the one table of prices, each with its source.

All were looked up on 2026-11-24, for AWS's region us-east-1; others ask for up to a quarter more.
"""

from __future__ import annotations

from dataclasses import dataclass

LOOKED_UP = "2026-11-24"


@dataclass(frozen=True)
class Price:
    """``dollars`` for ``per`` units beyond the ``free`` ones of each month, for ever and for
    everybody: what is free for a new account's first year is not taken off."""

    what: str
    dollars: float
    per: float
    free: float
    source: str


M = 1_000_000
GB = 1024**3
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
_DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
_EMQX = "https://docs.emqx.com/en/cloud/latest/price/pricing.html"

LAMBDA_CALLS = Price("Lambda, calls", 0.20, M, M, _LAMBDA)
LAMBDA_TIME = Price("Lambda, GB-seconds on arm64", 13.3334, M, 400_000, _LAMBDA)
# A million calls are free for an account's first year only.
API_CALLS = Price("HTTP API, calls", 1.00, M, 0, "https://aws.amazon.com/api-gateway/pricing/")
# The 25 free units a second are for provisioned tables only.
WRITES = Price("DynamoDB, write units", 0.625, M, 0, _DYNAMODB)
READS = Price("DynamoDB, read units", 0.125, M, 0, _DYNAMODB)
STORAGE = Price("DynamoDB, GB kept", 0.25, GB, 25 * GB, _DYNAMODB)
BACKUP = Price("DynamoDB, GB of point-in-time recovery", 0.20, GB, 0, _DYNAMODB)
LOGS = Price("CloudWatch, GB of logs", 0.50, GB, 5 * GB, _CLOUDWATCH)
METRICS = Price("CloudWatch, metrics", 0.30, 1, 10, _CLOUDWATCH)
ALARMS = Price("CloudWatch, alarms", 0.10, 1, 10, _CLOUDWATCH)
SESSIONS = Price("EMQX, session minutes", 2.00, M, M, _EMQX)
TRAFFIC = Price("EMQX, GB of traffic", 0.15, GB, GB, _EMQX)

# Of a card in the United States: https://stripe.com/pricing
STRIPE_SHARE = 0.029
STRIPE_FIXED = 0.30
