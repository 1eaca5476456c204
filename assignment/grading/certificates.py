"""Make a certificate and a key for a cluster, and the settings with which Dask uses them, for one run.

In the folder of the course: python -m grading.certificates FOLDER. Whoever can read the folder can run any code on the
cluster. Each machine finds it by DASK_CONFIG=FOLDER/dask.yaml.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import dask
from distributed.security import Security

# Of every cluster that grades.
SETTINGS: dict[str, object] = {
    # Nobody looks at these pages, and they would be open to whoever reaches the ports.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # Else a worker keeps what it was doing each second of the last hour, some 2 MB for each submission.
    "distributed.worker.profile.enabled": False,
}


def make(folder: Path) -> Path:
    """The file of settings, in the new folder, which its owner alone may read.

    Raises:
        FileExistsError: it is there already.
    """
    folder = folder.resolve()
    folder.mkdir(mode=0o700)
    security = Security.temporary()
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    role = {"cert": str(certificate), "key": str(key)}
    tls = {"ca-file": str(certificate), "scheduler": role, "worker": role, "client": role}
    comm = {"default-scheme": "tls", "require-encryption": True, "tls": tls}
    found: dict[str, dict] = {}
    dask.config.set(SETTINGS | {"distributed.comm": comm}, config=found)
    settings = folder / "dask.yaml"
    for path, content in (
        (certificate, security.tls_ca_file),
        (key, security.tls_client_key),
        # JSON is YAML.
        (settings, json.dumps(found, indent=1) + "\n"),
    ):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)
    return settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m grading.certificates", description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", type=Path, help="a new one, which all machines of the cluster can read, and you alone"
    )
    folder = parser.parse_args().folder
    try:
        print(f"export DASK_CONFIG={make(folder)}")
    except OSError as error:
        sys.exit(f"{folder}: {error.strerror}; a new folder is wanted, in one that is there")


if __name__ == "__main__":
    main()
