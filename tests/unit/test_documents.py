"""What the documents repeat of the code is what the code says."""

import pytest

from tools.docs import ROOT, documents, metrics_table, settings_table


@pytest.mark.parametrize("path", sorted(documents()), ids=lambda path: path.name)
def test_a_document_repeats_the_code_word_for_word(path: object) -> None:
    written = {name: name.read_text() for name in documents()}
    assert written[path] == documents()[path], "run `make docs`"  # type: ignore[index]


def test_the_tables_are_not_empty() -> None:
    assert settings_table().count("\n") > 20
    assert metrics_table().count("\n") > 40


def test_every_metric_has_a_help_sentence_and_an_owner_in_its_name() -> None:
    for line in metrics_table().splitlines()[2:]:
        name, _, sentence = (cell.strip() for cell in line.strip("| ").split("|", 2))
        assert name.startswith("`callfleet_"), name
        assert " " in sentence, name


def test_the_readme_names_both_commands() -> None:
    page = (ROOT / "README.md").read_text()
    assert "make demo" in page and "make test" in page
