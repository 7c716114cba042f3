"""A pytest plugin: brings back the images that a test before this one removed.

The suites count on pulls for that. KEPT_IMAGES is a JSON object of archives by image name.
"""

import json
import os
import subprocess

import pytest


@pytest.fixture(autouse=True)
def _keep_images():
    listed = subprocess.run(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"],
                            capture_output=True, text=True, check=False).stdout.split()
    for name, archive in json.loads(os.environ["KEPT_IMAGES"]).items():
        if name not in listed:
            subprocess.run(["docker", "load", "-q", "-i", archive], capture_output=True,
                           check=False)
    yield
