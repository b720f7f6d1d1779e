"""Files of a version that would be too much for a page."""

from tests.view.site import Site
from tests.view.test_access import ask


def test_deep_json_that_indents_would_swell_is_shown_as_it_is(site: Site) -> None:
    body = "[" * 90 + "1," * 100_000 + "1" + "]" * 90
    version = site.commit("deep", "deep", {"values.json": body.encode()})
    status, _, page = ask(site, f"/files/{version}?path=values.json")
    assert (status, body in page) == (200, True)
