"""Chunks grow and shrink towards the time they aim at."""

from hypothesis import given
from hypothesis import strategies as st

from region_operator.replication.scans.sizing import FIRST_ROWS, LEAST_ROWS, ChunkSize


def first(*, max_rows: int = 50_000) -> ChunkSize:
    return ChunkSize.first(target_s=0.5, max_rows=max_rows)


def settled(size: ChunkSize, *, row_s: float, fixed_s: float = 0.0) -> ChunkSize:
    """After many chunks that each take so long for each row, and so long in any case."""
    for _ in range(40):
        size = size.after(took_s=fixed_s + size.rows * row_s, compared=size.rows)
    return size


@given(row_s=st.floats(1e-6, 1e-3), fixed_s=st.floats(0, 0.2))
def test_a_chunk_comes_to_take_the_time_it_aims_at(row_s: float, fixed_s: float) -> None:
    size = settled(first(max_rows=10**9), row_s=row_s, fixed_s=fixed_s)
    took_s = fixed_s + size.rows * row_s
    assert size.rows == LEAST_ROWS or abs(took_s - 0.5) < 0.05


def test_one_chunk_makes_the_next_at_most_four_times_larger_or_smaller() -> None:
    assert first().after(took_s=0.001, compared=FIRST_ROWS).rows == 4 * FIRST_ROWS
    assert first().after(took_s=60.0, compared=FIRST_ROWS).rows == FIRST_ROWS // 4


@given(took_s=st.lists(st.floats(0, 100)), max_rows=st.integers(1, 10**6))
def test_it_never_asks_for_more_than_it_may(took_s: list[float], max_rows: int) -> None:
    size = ChunkSize.first(target_s=0.5, max_rows=max_rows)
    for one in took_s:
        assert 1 <= size.rows <= max_rows
        size = size.after(took_s=one, compared=size.rows).halved()


def test_the_end_of_an_entity_says_nothing_of_the_speed_unless_it_was_slow() -> None:
    assert first().after(took_s=0.01, compared=3) == first()
    assert first().after(took_s=1.0, compared=3).rows < FIRST_ROWS
