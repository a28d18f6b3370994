import pytest

from aggregator.auth import Anyone, StaticTokens, build_authenticator
from aggregator.config import AuthConfig
from towline.plumbing.errors import SecretAbsentError
from towline.plumbing.secret import Secret


def test_without_tokens_anyone_may_ship():
    assert isinstance(build_authenticator(AuthConfig(), "a.yaml"), Anyone)
    assert Anyone().allows("")


def test_a_token_file_is_read_again_when_it_changes(tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    guard = build_authenticator(AuthConfig(mode="static_token", token_files=(str(file),)), "a.yaml")
    assert guard.allows("Bearer first")
    fresh = tmp_path / "fresh"
    fresh.write_text("second\n")
    fresh.replace(file)
    assert not guard.allows("Bearer first")
    assert guard.allows("Bearer second")


def test_a_token_file_that_is_not_there_is_told_by_the_name_of_the_file_that_was_given():
    with pytest.raises(SecretAbsentError, match=r"^given\.yaml: auth\.token_files\[0\]: there is no file /no/token\. "):
        build_authenticator(AuthConfig(mode="static_token", token_files=("/no/token",)), "given.yaml")


def test_the_scheme_may_be_written_in_any_case():
    assert StaticTokens([Secret("t")]).allows("bearer t")


def test_a_token_in_other_characters_is_no_error():
    assert not StaticTokens([Secret("t")]).allows("Bearer \udcff\u00e9")


def test_an_endless_token_is_no_token():
    assert not StaticTokens([Secret("t")]).allows("Bearer " + "t" * 100_000)
