import os
from tests.contract.test_three_backends import *
m=os.environ.get("M","")
if m=="cw":
    import aggregator.sinks.cloudwatch.metric_making as p
    o=p.advance
    p.advance=lambda b,op,j,hold=False: o(b,op,p.Join.SAME_RUN if j is p.Join.NEW_RUN else j,hold=hold)
if m=="rw":
    import aggregator.sinks.remote_write.making as mk
    e=mk.encode_value
    mk.encode_value=lambda v: e(v-1 if v==40 else v)
if m=="rw2":
    from aggregator.sinks.remote_write.making import _Kept
    _Kept.get=lambda self, whose: next(iter(self._pods.values()),({},0))[0]
