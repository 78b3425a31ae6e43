"""What a month costs, beside Stripe's fee, from the calls that cabinets make.

Prices of us-east-1 in USD, without the first year's free tier:
https://aws.amazon.com/lambda/pricing/ (a million calls and 400,000 GB-s free for good),
https://aws.amazon.com/api-gateway/pricing/, https://aws.amazon.com/dynamodb/pricing/on-demand/,
https://docs.emqx.com/en/cloud/latest/price/pricing.html. Ten alarms, three dashboards, two budgets
and the Parameter Store's standard parameters are free.
"""

from __future__ import annotations

DAYS = 31
HEARTBEATS = 24 * 12 * DAYS
SWEEPS = 24 * 60 * DAYS
# Calls of one play: its events, the claim, the settlement, the receipt.
CALLS_A_PLAY = 8
GB_S_A_CALL = 0.5 * 0.05
MILLION = 1_000_000


def month(cabinets: int, plays_a_day: int) -> list[tuple[str, float]]:
    """Each service with its USD of a month."""
    plays = cabinets * plays_a_day * DAYS
    calls = cabinets * HEARTBEATS + plays * CALLS_A_PLAY
    runs = calls + SWEEPS
    lambdas = max(0, runs - MILLION) / MILLION * 0.20
    lambdas += max(0.0, runs * GB_S_A_CALL - 400_000) * 0.0000133334
    reads = cabinets * HEARTBEATS * 2 + plays * 6 + SWEEPS * 4
    writes = cabinets * HEARTBEATS * 1.5 + plays * 8
    minutes = cabinets * 24 * 60 * DAYS
    return [
        ("AWS API Gateway", calls / MILLION * 1.00),
        ("AWS Lambda", lambdas),
        ("AWS DynamoDB", reads / MILLION * 0.125 + writes / MILLION * 0.625),
        ("EMQX Serverless", max(0, minutes - MILLION) / MILLION * 2.00),
    ]


def lines(cabinets: int = 1, plays_a_day: int = 50) -> list[str]:
    """The same, to be read."""
    found = month(cabinets, plays_a_day)
    word = "cabinet" if cabinets == 1 else "cabinets"
    told = [f"A month of {cabinets} {word} with {plays_a_day} plays a day, beside Stripe's fee:"]
    told += [f"  {name:16} {usd:6.2f} USD" for name, usd in found]
    return [*told, f"  {'in all':16} {sum(usd for _, usd in found):6.2f} USD"]
