import errno

import pytest

from towline.plumbing.address import cannot_listen, check_url, parse_listen


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:2020", ("0.0.0.0", 2020)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::]:8080", ("::", 8080)),
        (":8080", ("0.0.0.0", 8080)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_an_address_to_listen_on_is_host_and_port(text, address):
    assert parse_listen(text) == address


@pytest.mark.parametrize(
    "text", ["", "8080", "host:", "host:65536", "host:-1", "::1:80", "a b:80", "host:http", "host:\u0663"]
)
def test_what_is_no_address_is_refused_with_what_to_write(text):
    with pytest.raises(ValueError, match="Write host:port"):
        parse_listen(text)


@pytest.mark.parametrize(
    "url", ["http://aggregator:8080", "https://a.b.c", "http://127.0.0.1:1/base", "http://[::1]:80"]
)
def test_http_urls_of_hosts_are_taken(url):
    check_url(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("aggregator:8080", "not an http"),
        ("ftp://aggregator", "not an http"),
        ("http://", "not an http"),
        ("http://host:port", "not a URL"),
        ("http://[::1", "not a URL"),
        ("http://user:pass@host", "user or password"),
        ("http://169.254.169.254/latest", "link-local"),
        ("http://[fe80::1]/", "link-local"),
    ],
)
def test_urls_that_may_not_be_called_are_refused(url, problem):
    with pytest.raises(ValueError, match=problem):
        check_url(url)


def test_what_keeps_a_service_from_listening_is_said_in_the_kernels_words():
    taken = OSError(errno.EADDRINUSE, "error while attempting to bind on address ('127.0.0.1', 80): in use")
    unknown = OSError(-2, "Name or service not known")
    said = [str(cannot_listen("collector.yaml", "a:80", error)) for error in (taken, unknown)]
    assert said == [
        "collector.yaml: http.listen: a:80: Address already in use. Free the port, or listen elsewhere",
        "collector.yaml: http.listen: a:80: Name or service not known. Free the port, or listen elsewhere",
    ]
