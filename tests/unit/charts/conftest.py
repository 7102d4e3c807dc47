"""Charts as helm renders them."""

import subprocess
from pathlib import Path

import pytest
import yaml

from devcluster import toolchain

CHARTS = Path(__file__).parents[3] / "charts"


class Refused(Exception):
    """helm does not take the values."""


@pytest.fixture(scope="session")
def helm():
    program = toolchain.helm()

    def run(*arguments):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(done.stderr + done.stdout)
        return done.stdout

    return run


@pytest.fixture(scope="session")
def render(helm, tmp_path_factory):
    """Objects of a chart for given values, CustomResourceDefinitions included."""

    def objects(chart, values=None, release="demo"):
        file = tmp_path_factory.mktemp("values") / "values.yaml"
        file.write_text(yaml.safe_dump(values or {}))
        text = helm("template", release, CHARTS / chart, "--namespace", "operators", "--values", file)
        return [body for body in yaml.load_all(text, yaml.CSafeLoader) if body]

    return objects
