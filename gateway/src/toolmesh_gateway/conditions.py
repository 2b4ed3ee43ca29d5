"""Filters that run only for the requests that they are for."""

from toolmesh_gateway.terms import Config, extension, typed

_REQUEST_HEADER = "envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_RESPONSE_HEADER = "envoy.type.matcher.v3.HttpResponseHeaderMatchInput"
_SKIP = "envoy.extensions.filters.common.matcher.action.v3.SkipFilter"


def only_where(predicate: Config, filter_: Config) -> Config:
    """The filter, skipped for requests that do not match: those pay for the look-up alone."""
    skipped = {"action": {"name": "skip", "typed_config": typed(_SKIP)}}
    return extension(
        filter_["name"],
        "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config=filter_,
        xds_matcher={
            "matcher_list": {
                "matchers": [{"predicate": negated(predicate), "on_match": skipped}],
            }
        },
    )


def header(name: str, **value: object) -> Config:
    """Holds where the request's header has such a value; never where the header is missing."""
    return _single(name, value, _REQUEST_HEADER)


def header_matches(name: str, regex: str) -> Config:
    """Holds where the regular expression (RE2) matches the whole of the request's header."""
    return _single(name, _regex(regex), _REQUEST_HEADER)


def response_header_matches(name: str, regex: str) -> Config:
    """The same of the answer's header: a filter then does nothing before it is known."""
    return _single(name, _regex(regex), _RESPONSE_HEADER)


def every(*predicates: Config) -> Config:
    """Holds where all of them hold; at least two."""
    return {"and_matcher": {"predicate": list(predicates)}}


def either(*predicates: Config) -> Config:
    """Holds where one of them holds; at least two."""
    return {"or_matcher": {"predicate": list(predicates)}}


def negated(predicate: Config) -> Config:
    """Holds where the other does not."""
    return {"not_matcher": predicate}


def _regex(regex: str) -> Config:
    return {"safe_regex": {"google_re2": {}, "regex": regex}}


def _single(name: str, value: Config, source: str) -> Config:
    read = {"name": name, "typed_config": typed(source, header_name=name)}
    return {"single_predicate": {"input": read, "value_match": value}}
