"""Words of questions that say nothing about where an answer is."""

from toolmesh_repomap.words import words_of

_TEXT = """
a about above after again all also although always am among an and another any anyone anything are
aren around as ask at away be because been before being below between both but by call called came
can cannot case code come correct correctly could couldn current currently did didn do does doesn
doing don done down during each e either else etc even every example exist expect fail fails few
file files find first fix fixed fixes following for from further g get gets getting give given
gives go good got had has hasn have having he help her here how however i if ie implement
implemented implementation in inside instead into is isn issue it its itself just know last later
less let like line lines look looks made make makes making many may maybe me mean means might more
most move moved much must my need needs never new no none nor not nothing now of off often on once
one only onto or other otherwise our out over own part per place please possible properly put
rather really right same say see seem seems self several shall she should shouldn show shows since
so some someone something still such sure take than that the their them then there these they
thing things this those though through thus to together too two under unless until up us use used
useful uses using usually various very via want wants was way we well were what when whenever
where whether which while who whole whose why will with within without won work works would wouldn
yes yet you your add added adding adds allow allows change changed changes ensure handle handled
handles improve problem remove removed removes repository responsible return returned returns
support supports update updated bug bugs function functions method methods class classes module
modules
"""

STOP_WORDS = frozenset(word for text in _TEXT.split() for word in words_of(text))
"""Stems of words that are in most questions, and of those for what every project has."""
