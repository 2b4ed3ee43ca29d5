"""Words that questions and code are full of, and that say nothing about where an answer is."""

_TEXT = """
a about after all also am an and any are as at be because been before being but by can could did do
does doing done during each for from had has have having he her here him his how i if in into is it
its itself just may me might more most must my no nor not now of off on once only onto or other our
out over own same shall she should so some such than that the their them then there these they this
those through to too under until up us very was way we were what when where whether which while who
whom whose why will with within without would yes you your
code implemented implementation happens responsible located
break case catch class const continue def default else end enum extends finally fn func function if
impl import int let mut new nil none null package private protected pub public return returns self
static str string struct switch throw throws true false try var void
"""

STOP_WORDS = frozenset(_TEXT.split())
