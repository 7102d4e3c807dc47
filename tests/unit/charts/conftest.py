"""Charts as helm renders them."""

import subprocess
from pathlib import Path

import pytest
import yaml

from devcluster import toolchain

CHARTS = Path(__file__).parents[3] / "charts"
KUBERNETES = "1.30.0"  # the oldest they are for; a Helm without a cluster else takes one of its own time


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
        where = ("--namespace", "operators", "--kube-version", KUBERNETES)
        text = helm("template", release, CHARTS / chart, *where, "--values", file)
        return [body for body in yaml.load_all(text, yaml.CSafeLoader) if body]

    return objects
