"""Tables in the terminal are as people should read them."""

import pytest

from gfm.metrics import metric_units
from gfm.run.summary import metrics_table


@pytest.mark.parametrize(("protocol", "unit"), [("gfm", "tens"), ("dim", "thousands")])
def test_metrics_are_shown_with_the_units_of_their_protocol(protocol, unit):
    values = {"val/grad": 12.3456789, "sad": 1.0, "num_images": 2}
    table = metrics_table("scores", values, metric_units(protocol))
    names, numbers, units = (list(column.cells) for column in table.columns)
    assert names == list(values)
    assert numbers == ["12.346", "1", "2"]
    assert units == [unit, "thousands", ""]
