"""The catalogue of commands: whole in every language, and as chat platforms want names and descriptions."""

from __future__ import annotations

import pytest

from bot.catalogue import LANGUAGES, keys, said


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_are_one_word_each_and_nobody_elses(language: str) -> None:
    names = [said(key, language) for key in keys() if "." not in key]
    assert len(set(names)) == len(names)
    for name in names:
        assert name == name.lower()
        assert name.isalpha()
        assert 1 <= len(name) <= 32


@pytest.mark.parametrize("language", LANGUAGES)
def test_descriptions_fit(language: str) -> None:
    for key in keys():
        if "." in key:
            assert 1 <= len(said(key, language)) <= 100


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_in_the_menu_of_a_message_fit_and_differ(language: str) -> None:
    names = [said(key, language) for key in keys() if key.startswith("menu.")]
    assert len(names) == len(set(names)) == 3
    assert all(1 <= len(name) <= 32 and name == name.strip() for name in names)


def test_regions_are_languages_and_unknown_ones_are_english() -> None:
    assert said("help", "es-ES") == "ayuda"
    assert said("help", "nl") == "help"
