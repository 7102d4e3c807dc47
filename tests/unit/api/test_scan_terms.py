"""The defaults of full scans are those that the documents tell."""

from pathlib import Path

import yaml

from region_operator.api.scan_policy import ScanPolicy
from region_operator.api.scan_terms import ScanTerms, scan_terms

DOCUMENT = Path(__file__).parents[3] / "docs/scans.md"


def test_what_a_policy_does_not_say_is_as_the_documents_tell():
    told = yaml.safe_load(DOCUMENT.read_text().split("```yaml\n")[1].split("```")[0])["spec"]["scan"]
    assert scan_terms(ScanPolicy.model_validate(told)) == ScanTerms()
    named = ScanPolicy.model_validate(told).model_fields_set
    assert set(ScanPolicy.model_fields) - named == {"mode", "cron"}, "each field but these is told"


def test_without_a_word_about_scans_they_run_by_the_defaults():
    assert scan_terms(None) == scan_terms(ScanPolicy()) == ScanTerms()
    assert ScanTerms().enabled


def test_a_policy_that_names_marks_has_no_others():
    marks = scan_terms(ScanPolicy.model_validate({"load": {"skip": {"threadsRunning": 8}}})).load
    assert marks.wire() == {"skip": {"threadsRunning": 8}}
