from __future__ import annotations

import pytest

from bench.simulate import BEGIN, CHOSEN, END, RULES, TRAFFIC, regular, simulate, tables
from bench.tables import PAGE


@pytest.mark.parametrize(("pace", "most"), [(1_000, 50), (10_000, 250), (60_000, 1_000)])
def test_a_paid_app_needs_few_calls_of_its_object(pace: int, most: int):
    assert simulate(CHOSEN, regular, pace, 1).calls_per_1000 <= most


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.title)
@pytest.mark.parametrize("traffic", TRAFFIC)
def test_every_request_is_served_by_every_rule(rule, traffic):
    outcome = simulate(rule, TRAFFIC[traffic], 5_000, 3)
    assert outcome.requests == len(outcome.leased) == len(outcome.untold) == 1_000
    assert 0 < outcome.calls <= 2 * outcome.requests


def test_the_page_has_what_the_simulation_finds():
    page = PAGE.read_text()
    assert page.partition(BEGIN)[2].partition(END)[0].strip() == tables()
