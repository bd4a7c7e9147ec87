"""The built console over HTTP: files, the page for every address of its own, and nothing outside of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.web import app, static
from tests.web.homes import Home


@pytest.fixture
def served(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home that serves a small console, with a secret beside its folder."""
    folder = tmp_path / "console"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><p>page")
    (folder / "assets" / "a-1.js").write_text("1")
    (folder / "mark.svg").write_text("<svg/>")
    (folder / "sdk").mkdir()
    (folder / "sdk" / "einklang.js").write_text("sdk")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    monkeypatch.setattr(app, "Console", lambda: static.Console(folder))
    home.app = app.create_app(home.services)
    return home


def test_files_and_the_page(served: Home) -> None:
    """Hashed files may be kept for ever, the page is asked for again, and answered 304 if it is the same."""
    script = served.call("GET", "/assets/a-1.js")
    assert (script.text, script.headers["content-type"]) == ("1", "text/javascript; charset=utf-8")
    assert "immutable" in script.headers["cache-control"]
    assert served.call("GET", "/mark.svg").headers["content-type"] == "image/svg+xml"
    for path in ("/", "/persons/email%3Aa%40b.example", "/link.txt"):
        page = served.call("GET", path)
        assert (page.text, page.headers["cache-control"]) == ("<!doctype html><p>page", "no-cache")
    again = served.call("GET", "/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = served.call("HEAD", "/")
    assert (head.content, head.headers["content-length"]) == (b"", "22")


def test_the_sdk_is_for_the_pages_of_others(served: Home) -> None:
    """A shop's page may load it, with or without CORS; it is asked for again; what is not there is 404."""
    script = served.call("GET", "/sdk/einklang.js", headers={"Origin": "https://shop.example"})
    assert (script.text, script.headers["content-type"]) == ("sdk", "text/javascript; charset=utf-8")
    assert script.headers["access-control-allow-origin"] == "*"
    assert script.headers["cross-origin-resource-policy"] == "cross-origin"
    assert script.headers["cache-control"] == "no-cache"
    assert served.call("GET", "/sdk/other.js").status_code == 404
    assert "access-control-allow-origin" not in served.call("GET", "/").headers


@pytest.mark.parametrize(
    "path", ["/assets/none.js", "/assets/../../secret.txt", "/assets/..%2f..%2fsecret.txt", "/assets/%00"]
)
def test_missing_files_are_not_the_page(served: Home, path: str) -> None:
    """Below /assets/ a missing file is 404."""
    assert "secret" not in served.call("GET", path).text
    assert served.call("GET", "/assets/none.js").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/..%2fsecret.txt", "/%2e%2e/secret.txt", "//etc/passwd", "/%2fetc%2fpasswd", "/" + "x" * 5000, "/%00", "/%FF"],
)
def test_nothing_outside_is_served(served: Home, path: str) -> None:
    """Climbing, absolute and odd paths give the page of the console and nothing else."""
    answer = served.call("GET", path)
    assert (answer.status_code, answer.text) == (200, "<!doctype html><p>page")


def test_a_file_is_kept_once(tmp_path: Path) -> None:
    """One file has any number of spellings; in memory it is under its own name alone."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "a-1.js").write_text("1")
    console = static.Console(tmp_path)
    for n in range(50):
        for name in (f"assets/{'./' * n}a-1.js", f"assets/{'../assets/' * n}a-1.js", f"assets{'/' * (n + 1)}a-1.js"):
            found = console._file(name)
            assert found is None or found[0] == b"1"
    assert list(console._kept) == ["assets/a-1.js"]


def test_only_get(served: Home) -> None:
    """The console takes nothing in."""
    for path in ("/persons", "/track", "/"):
        refused = served.call("POST", path, json={})
        assert (refused.status_code, refused.json()["code"]) == (405, "wrong_method")
        assert "/v1/track" in refused.json()["mend"], "who forgot the path of the API hears where events belong"


@pytest.mark.parametrize("path", ["/api", "/o/x", "/portal", "/shop/"])
def test_addresses_of_the_server_are_not_the_console(served: Home, path: str) -> None:
    """What belongs to the server and is not there is 404, never the page."""
    answer = served.call("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
