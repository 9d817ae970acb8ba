"""An operation of the registry costs the same requests and rows, however many clients there are. No time counts."""

import pytest

from benchmarks.scale import Measured, embedded_dynamodb, measure, table


@pytest.fixture(scope="module")
def measured() -> list[Measured]:
    with embedded_dynamodb() as dynamodb:
        return measure(dynamodb, [200, 2_000], repeat=3)


@pytest.mark.parametrize(
    ("operation", "requests", "rows"),
    [
        ("register", 2, 0),
        ("read a registration", 1, 1),
        ("open the consent page", 1, 1),
        ("list a page of 100", 1, 100),
    ],
)
def test_an_operation_costs_the_same_at_any_size(
    operation: str, requests: int, rows: int, measured: list[Measured]
) -> None:
    for found in measured:
        cost = found.costs[operation]
        assert (cost.requests, cost.rows) == (requests, rows), found.clients


def test_the_sweep_reads_each_row_once_and_a_thousand_at_a_time(measured: list[Measured]) -> None:
    for found in measured:
        cost = found.costs["sweep, for each client"]
        rows = found.clients + 6 + 1  # those that registered meanwhile, and the row that counts
        pages = -(-rows // 1000)
        assert cost.rows * (rows - 1) == pytest.approx(rows)  # pyright: ignore[reportUnknownMemberType]
        assert cost.requests * (rows - 1) <= pages + 2  # an empty last page, and the count


def test_the_table_has_a_row_for_each_operation_and_size(measured: list[Measured]) -> None:
    assert len(table(measured)) == 2 + 2 * 5
