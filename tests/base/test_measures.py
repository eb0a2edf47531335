"""Names of measures and of their columns are plain text, and no two are the same."""

import json

from workflow.scripts.base import measures
from workflow.scripts.base.measures import Distance, Rate, column_of


def test_a_rate_and_a_distance_name_their_columns():
    rate, distance = Rate("ended"), Distance("note_length")
    assert (rate.rate, rate.low, rate.high, rate.n) == ("ended_rate", "ended_low", "ended_high", "ended_n")
    assert (distance.overlap, distance.kl) == ("note_length_overlap", "note_length_kl")
    assert (column_of(rate), column_of("in_key")) == ("ended_rate", "in_key")
    assert json.dumps({rate: 1}) == '{"ended": 1}'
    assert repr(rate) == "'ended'"  # as argparse shows it


def test_no_two_measures_share_a_column():
    groups = (measures.JUDGED, measures.BARS, measures.FORM, measures.MEANS, measures.DISTANCES, (measures.COPIED,),
              measures.LIKENESS, measures.STRETCH)  # fmt: skip
    names = [name for group in groups for name in group]
    columns = [column_of(name) for name in names if not isinstance(name, Distance)]
    columns += [column for distance in measures.DISTANCES for column in (distance.overlap, distance.kl)]
    assert len(set(columns)) == len(columns) == len(names) + len(measures.DISTANCES)
    constants = [value for value in vars(measures).values() if isinstance(value, str)]
    assert set(names) < set(constants)
